"""What was said in the sessions of users, kept message by message.

service = InMemorySessionHistoryService()
await service.start()
session = await service.create_session("alice", "s1")
await service.append_message(session, {"role": "user", "content": "My name is Alice."})
"""

from agentscope_runtime.engine.services.session_history.factory import SessionHistoryServiceFactory
from agentscope_runtime.engine.services.session_history.in_memory import InMemorySessionHistoryService
from agentscope_runtime.engine.services.session_history.in_redis import RedisSessionHistoryService
from agentscope_runtime.engine.services.session_history.session_history_service import SessionHistoryService

__all__ = [
    "InMemorySessionHistoryService",
    "RedisSessionHistoryService",
    "SessionHistoryService",
    "SessionHistoryServiceFactory",
]
