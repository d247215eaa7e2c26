"""Memory services made of what the environment says."""

from __future__ import annotations

from agentscope_runtime.engine.services.factory import ServiceFactory
from agentscope_runtime.engine.services.memory.in_memory import InMemoryMemoryService
from agentscope_runtime.engine.services.memory.in_redis import RedisMemoryService
from agentscope_runtime.engine.services.memory.memory_service import MemoryService


class MemoryServiceFactory(
    ServiceFactory[MemoryService],
    prefix="MEMORY_",
    backends={"in_memory": InMemoryMemoryService, "redis": RedisMemoryService},
):
    """Makes the service that `MEMORY_BACKEND` names, with the arguments in `MEMORY_IN_MEMORY_…` or `MEMORY_REDIS_…`."""
