"""Session history services made of what the environment says."""

from __future__ import annotations

from agentscope_runtime.engine.services.factory import ServiceFactory
from agentscope_runtime.engine.services.session_history.in_memory import InMemorySessionHistoryService
from agentscope_runtime.engine.services.session_history.in_redis import RedisSessionHistoryService
from agentscope_runtime.engine.services.session_history.session_history_service import SessionHistoryService


class SessionHistoryServiceFactory(
    ServiceFactory[SessionHistoryService],
    prefix="SESSION_HISTORY_",
    backends={"in_memory": InMemorySessionHistoryService, "redis": RedisSessionHistoryService},
):
    """Makes the service that `SESSION_HISTORY_BACKEND` names, with the arguments in `SESSION_HISTORY_REDIS_…`."""
