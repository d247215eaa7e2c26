"""What an agent knows of a user beyond a session, kept by one of the engine's memory services.

agent = ReActAgent(..., long_term_memory=AgentScopeLongTermMemory(service, user_id, session_id))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from agentscope.memory import LongTermMemoryBase
from agentscope.message import Msg, TextBlock
from agentscope.tool import ToolResponse

from agentscope_runtime.adapters.agentscope.message import agentscope_msg_to_message
from agentscope_runtime.engine.schemas.content import TextContent
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.schemas.message import Message

RETRIEVED = "long_term_memory"
"""Who agentscope says speaks when it tells the model what was retrieved."""


MOST_RECORDED = 1000
"""Messages that an agent knows to be recorded already; far more than a model's context holds."""


class Memory(Protocol):
    """What is needed of a memory service."""

    async def add_memory(self, user_id: str, messages: Any, session_id: str | None = None) -> None:
        """Keep messages."""
        ...

    async def search_memory(self, user_id: str, messages: Any, filters: dict[str, Any] | None = None) -> Sequence[Any]:
        """Return what is known of what the last message is about."""
        ...


class AgentScopeLongTermMemory(LongTermMemoryBase):
    """What an agent knows of a user beyond a session; as its tools, and as what agentscope does by itself."""

    def __init__(self, service: Memory, user_id: str | None, session_id: str) -> None:
        """Describe the memory.

        Args:
            service: Keeps it; started by whoever made it.
            user_id: Who it is about; the session's id where nobody says.
            session_id: Where it is learnt.
        """
        super().__init__()
        self._service = service
        self._user_id = user_id or session_id
        self._session_id = session_id
        self._recorded: list[str] = []
        self.register_state("_recorded")

    async def record(self, msgs: list[Msg | None], **kwargs: Any) -> None:
        """Remember what was said; not what this agent has recorded before, and not what was retrieved from here.

        Agents record all of their memory after each reply.
        """
        known = set(self._recorded)
        new = [msg for msg in msgs if msg is not None and msg.id not in known and msg.name != RETRIEVED]
        if messages := [message for message in agentscope_msg_to_message(new) if message.type == MessageType.MESSAGE]:
            await self._service.add_memory(self._user_id, messages, self._session_id)
        self._recorded = [*self._recorded, *(msg.id for msg in new)][-MOST_RECORDED:]

    async def retrieve(self, msg: Msg | list[Msg] | None, limit: int = 5, **kwargs: Any) -> str:
        """Return what is known about what the messages are about, a line each."""
        msgs = [msg] if isinstance(msg, Msg) else list(msg or ())
        return "\n".join(await self._search(agentscope_msg_to_message(msgs), limit)) if msgs else ""

    async def record_to_memory(self, thinking: str, content: list[str], **kwargs: Any) -> ToolResponse:
        """Use this function to record important information that you may need later.

        The target content should be specific and concise, e.g. who, when, where, do what, why, how, etc.

        Args:
            thinking (`str`):
                Your thinking and reasoning about what to record.
            content (`list[str]`):
                The content to remember, which is a list of strings.
        """
        facts = _strings(content)
        messages = [_message(fact, Role.ASSISTANT, thinking) for fact in facts if fact.strip()]
        if messages:
            await self._service.add_memory(self._user_id, messages, self._session_id)
        return _said(f"Recorded {len(messages)} of {len(facts)}.")

    async def retrieve_from_memory(self, keywords: list[str], limit: int = 5, **kwargs: Any) -> ToolResponse:
        """Retrieve what was recorded earlier, by keywords.

        Args:
            keywords (`list[str]`):
                What to look for, specific and concise, e.g. the person's name, the date, the location, etc.
            limit (`int`):
                How many memories to retrieve at most for each keyword.
        """
        words = _strings(keywords)
        found: dict[str, None] = {}
        for word in words:
            found |= dict.fromkeys(await self._search([_message(word, Role.USER)], limit))
        return _said("\n".join(found) or f"Nothing is known about {', '.join(words)}.")

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        """Take back which messages were recorded, if the state says so."""
        self._recorded = list(state_dict.get("_recorded") or ())

    async def _search(self, messages: list[Message], limit: int) -> list[str]:
        found = await self._service.search_memory(self._user_id, messages, filters={"top_k": limit})
        return list(dict.fromkeys(text for one in found if (text := _text_of(one))))


def _strings(given: Any) -> list[str]:
    """Return a list of strings: models give one string where they should give a list."""
    return [given] if isinstance(given, str) else [str(one) for one in given or ()]


def _message(text: str, role: str, thinking: str | None = None) -> Message:
    metadata = {"thinking": thinking} if thinking else None
    return Message(role=role, content=[TextContent(text=text)], metadata=metadata)


def _text_of(found: Any) -> str:
    """Return the text of what a service found, in whatever form it keeps it."""
    if isinstance(found, str):
        return found
    return (found if isinstance(found, Message) else Message.model_validate(found)).get_text_content() or ""


def _said(text: str) -> ToolResponse:
    return ToolResponse(content=[TextBlock(type="text", text=text)])
