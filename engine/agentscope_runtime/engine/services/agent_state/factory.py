"""State services made of what the environment says."""

from __future__ import annotations

from agentscope_runtime.engine.services.agent_state.in_memory import InMemoryStateService
from agentscope_runtime.engine.services.agent_state.in_redis import RedisStateService
from agentscope_runtime.engine.services.agent_state.state_service import StateService
from agentscope_runtime.engine.services.factory import ServiceFactory


class StateServiceFactory(
    ServiceFactory[StateService],
    prefix="STATE_",
    backends={"in_memory": InMemoryStateService, "redis": RedisStateService},
):
    """Makes the service that `STATE_BACKEND` names, with the arguments in `STATE_IN_MEMORY_…` or `STATE_REDIS_…`."""
