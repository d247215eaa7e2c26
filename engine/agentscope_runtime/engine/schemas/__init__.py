"""What travels between an agent and whoever talks to it; users import it from `schemas.agent_schemas`."""
