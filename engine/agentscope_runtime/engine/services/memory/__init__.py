"""What is known of users beyond a session: messages worth remembering, found again by the words in them.

service = InMemoryMemoryService()
await service.start()
await service.add_memory("alice", {"role": "user", "content": "I like apples."}, "s1")
found = await service.search_memory("alice", [{"role": "user", "content": "Which fruit do I like?"}], {"top_k": 5})
"""

from agentscope_runtime.engine.services.memory.factory import MemoryServiceFactory
from agentscope_runtime.engine.services.memory.in_memory import InMemoryMemoryService
from agentscope_runtime.engine.services.memory.in_redis import RedisMemoryService
from agentscope_runtime.engine.services.memory.memory_service import MemoryService

__all__ = ["InMemoryMemoryService", "MemoryService", "MemoryServiceFactory", "RedisMemoryService"]
