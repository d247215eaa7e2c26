"""An agent's memory that is the history of its session, kept by one of the engine's services.

    agent = ReActAgent(..., memory=AgentScopeSessionHistoryMemory(service, user_id, session_id))

The history of a session holds its messages, and nothing of what the agent makes of them: the summary and the marks are
part of the agent's state (`agent.state_dict()`), which holds no messages in turn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Protocol

from agentscope.memory import MemoryBase
from agentscope.message import Msg

from agentscope_runtime.adapters.agentscope.blocks import blocks_in
from agentscope_runtime.adapters.agentscope.long_term import AgentScopeLongTermMemory
from agentscope_runtime.adapters.agentscope.message import agentscope_msg_to_message, original_id, restored
from agentscope_runtime.engine.schemas.session import Session

__all__ = ["AgentScopeLongTermMemory", "AgentScopeSessionHistoryMemory"]

HINT = "hint"
"""agentscope's mark of what is said to the model once, and taken back as soon as it was sent."""


class SessionHistory(Protocol):
    """What is needed of a session history service."""

    async def create_session(self, user_id: str, session_id: str | None = None) -> Session:
        """Begin one."""
        ...

    async def get_session(self, user_id: str, session_id: str) -> Session | None:
        """Return it with its messages; some services make one that is missing."""
        ...

    async def delete_session(self, user_id: str, session_id: str) -> None:
        """Forget it."""
        ...

    async def delete_messages(self, user_id: str, session_id: str, message_ids: Collection[str]) -> int:
        """Take messages out of it."""
        ...

    async def append_message(self, session: Session, message: Any) -> None:
        """Add a message, or a list of them."""
        ...


class AgentScopeSessionHistoryMemory(MemoryBase):
    """The memory of an agent that is the history of its session: each request makes one anew, and finds it as it was.

    Hints, which agents give themselves and take back at once, stay here and never reach the history.
    """

    def __init__(self, service: SessionHistory, user_id: str | None, session_id: str) -> None:
        """Describe the memory; nothing is read before it is used.

        Args:
            service: Keeps the histories; started by whoever made it.
            user_id: Whose session it is; the session's id where nobody says.
            session_id: The session.
        """
        super().__init__()
        self._service = service
        self._user_id = user_id or session_id
        self._session_id = session_id
        self._hints: list[tuple[Msg, list[str]]] = []
        self._marks: dict[str, list[str]] = {}
        self.register_state("_marks")

    async def add(
        self,
        memories: Msg | list[Msg] | None,
        marks: str | list[str] | None = None,
        allow_duplicates: bool = False,
        **kwargs: Any,
    ) -> None:
        """Add messages; those that are there already are passed over unless `allow_duplicates`."""
        msgs = [memories] if isinstance(memories, Msg) else list(memories or ())
        given = _words(marks)
        if HINT in given:
            self._hints += [(msg, given) for msg in msgs]
            return
        if not msgs:
            return
        session = await self._session()
        known = set() if allow_duplicates else {msg.id for msg in _msgs_in(session)}
        new = [msg for msg in msgs if msg.id not in known]
        if new:
            await self._service.append_message(session, agentscope_msg_to_message(new))
            self._marks |= {msg.id: list(given) for msg in new if given}

    async def get_memory(
        self,
        mark: str | None = None,
        exclude_mark: str | None = None,
        prepend_summary: bool = True,
        **kwargs: Any,
    ) -> list[Msg]:
        """Return the messages, those with a mark, or those without one; the summary of what was compressed is first."""
        for one in (mark, exclude_mark):
            if one is not None and not isinstance(one, str):
                raise TypeError(f"a mark is a str or None, and not {type(one).__name__}")
        kept = _answered(_msgs_in(await self._session()))
        self._marks = {msg.id: self._marks[msg.id] for msg in kept if msg.id in self._marks}  # the rest is no more
        marked = [*((msg, self._marks.get(msg.id, [])) for msg in kept), *self._hints]
        found = [
            msg
            for msg, marks in marked
            if (mark is None or mark in marks) and (exclude_mark is None or exclude_mark not in marks)
        ]
        if prepend_summary and self._compressed_summary:
            return [Msg("user", self._compressed_summary, "user"), *found]
        return found

    async def size(self) -> int:
        """Return how many messages there are."""
        return len(_msgs_in(await self._session())) + len(self._hints)

    async def clear(self) -> None:
        """Forget everything, also in the history."""
        await self._service.delete_session(self._user_id, self._session_id)
        self._hints, self._marks, self._compressed_summary = [], {}, ""

    async def delete(self, msg_ids: list[str], **kwargs: Any) -> int:
        """Remove messages, also from the history; return how many there were."""
        gone = set(msg_ids)
        hints = [(msg, marks) for msg, marks in self._hints if msg.id not in gone]
        deleted, self._hints = len(self._hints) - len(hints), hints
        parts = {message.id: id for message in (await self._session()).messages if (id := original_id(message)) in gone}
        if parts:
            await self._service.delete_messages(self._user_id, self._session_id, list(parts))
            self._marks = {id: marks for id, marks in self._marks.items() if id not in gone}
        return deleted + len(set(parts.values()))

    async def delete_by_mark(self, mark: str | list[str], *args: Any, **kwargs: Any) -> int:
        """Remove the messages that have one of the marks; return how many there were."""
        wanted = set(_words(mark))
        hinted = [msg.id for msg, marks in self._hints if wanted & set(marks)]
        marked = [id for id, marks in self._marks.items() if wanted & set(marks)]
        return await self.delete([*hinted, *marked]) if hinted or marked else 0

    async def update_messages_mark(
        self, new_mark: str | None, old_mark: str | None = None, msg_ids: list[str] | None = None
    ) -> int:
        """Put a mark on messages, in place of another one or of none, or take it away; return how many changed."""
        changed = 0
        for msg in _msgs_in(await self._session()):
            marks = self._marks.get(msg.id, [])
            if (msg_ids is not None and msg.id not in msg_ids) or (old_mark is not None and old_mark not in marks):
                continue
            new = [mark for mark in marks if mark != old_mark]
            new += [new_mark] if new_mark is not None and new_mark not in new else []
            changed += new != marks
            self._marks[msg.id] = new
        self._marks = {id: marks for id, marks in self._marks.items() if marks}
        return changed

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        """Take back the summary and the marks; the state of another kind of memory is one without them."""
        self._compressed_summary = state_dict.get("_compressed_summary") or ""
        self._marks = {id: list(marks) for id, marks in (state_dict.get("_marks") or {}).items()}

    async def _session(self) -> Session:
        session = await self._service.get_session(self._user_id, self._session_id)
        return session or await self._service.create_session(self._user_id, self._session_id)


def _words(marks: object) -> list[str]:
    """Return marks as plain words.

    Raises:
        TypeError: they are none.
    """
    words = [marks] if isinstance(marks, str) else [] if marks is None else marks
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"marks are a str or a list of them, and not {marks!r}")
    return [str(getattr(word, "value", word)) for word in words]  # agentscope's own are enums


def _msgs_in(session: Session) -> list[Msg]:
    return restored(session.messages)


def _answered(msgs: Iterable[Msg]) -> list[Msg]:
    """Return messages without results whose calls the history has dropped, and without calls that never got one.

    No model takes either. The latter are left by a process that died while a tool ran.
    """
    calls: set[Any] = set()
    kept: list[Msg] = []
    for msg in msgs:
        calls |= _ids(msg, "tool_use")
        if _ids(msg, "tool_result") <= calls:
            kept.append(msg)
    calls -= {id for msg in kept for id in _ids(msg, "tool_result")}
    # What is asked for last may still be answered.
    under_way = max((n for n, msg in enumerate(kept) if not _ids(msg, "tool_result")), default=0)
    return [msg for n, msg in enumerate(kept) if n >= under_way or _has_more_than(msg, calls)]


def _ids(msg: Msg, kind: str) -> set[Any]:
    return {block.get("id") for block in blocks_in(msg.content) if block["type"] == kind}


def _has_more_than(msg: Msg, calls: set[Any]) -> bool:
    """Take calls out of a message, which is a copy; say whether it still says something."""
    if not _ids(msg, "tool_use") & calls:
        return True
    msg.content = [block for block in blocks_in(msg.content) if block.get("id") not in calls]
    return bool(msg.content)
