"""The engine: what runs an agent and gives it its services. So far that is `services.sandbox`."""
