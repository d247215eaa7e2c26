"""What agents are between their turns: `agent.state_dict()`, kept by user and session.

service = InMemoryStateService()
await service.start()
await service.save_state(user_id="alice", session_id="s1", state=agent.state_dict())
state = await service.export_state(user_id="alice", session_id="s1")
"""

from agentscope_runtime.engine.services.agent_state.factory import StateServiceFactory
from agentscope_runtime.engine.services.agent_state.in_memory import InMemoryStateService
from agentscope_runtime.engine.services.agent_state.in_redis import RedisStateService
from agentscope_runtime.engine.services.agent_state.state_service import StateService

__all__ = ["InMemoryStateService", "RedisStateService", "StateService", "StateServiceFactory"]
