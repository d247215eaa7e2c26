"""The sandbox manager: keeps sandboxes warm, leases them to sessions, guards them, and shows them to people.

Run it with `runtime-sandbox-server`, or `python -m agentscope_runtime.sandbox_manager`; docs/architecture.md is the
map.
"""
