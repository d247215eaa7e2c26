"""What an agent is served with: one module a service, each started and stopped with the application."""
