"""Session histories as journals, wherever these are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import uuid4

from agentscope_runtime.engine.schemas.session import Session
from agentscope_runtime.engine.services import records
from agentscope_runtime.engine.services.base import ServiceOnAnother
from agentscope_runtime.engine.services.journals import Journals
from agentscope_runtime.engine.services.keys import quoted
from agentscope_runtime.engine.services.records import Given
from agentscope_runtime.engine.services.session_history.session_history_service import SessionHistoryService


class JournaledSessionHistoryService(ServiceOnAnother, SessionHistoryService):
    """A journal for each session, with an entry for each message under the message's id."""

    def __init__(self, journals: Journals) -> None:
        """Keep the histories in these journals, which start and stop with the service."""
        super().__init__(journals)
        self._journals = journals

    async def create_session(self, user_id: str, session_id: str | None = None) -> Session:
        """See `SessionHistoryService`."""
        name = session_id if session_id and session_id.strip() else str(uuid4())
        await self._journals.begin(user_id, name)
        return await self._session(user_id, name) or Session(id=name, user_id=user_id)

    async def get_session(self, user_id: str, session_id: str) -> Session | None:
        """See `SessionHistoryService`."""
        return await self._session(user_id, session_id)

    async def delete_session(self, user_id: str, session_id: str) -> None:
        """See `SessionHistoryService`."""
        await self._journals.drop(user_id, session_id)

    async def list_sessions(self, user_id: str) -> list[Session]:
        """See `SessionHistoryService`."""
        return [Session(id=name, user_id=user_id) for name in await self._journals.names(user_id)]

    async def append_message(self, session: Session, message: Given | Iterable[Given | None] | None) -> None:
        """See `SessionHistoryService`."""
        messages = records.normal(message)
        entries = [(quoted(one.id, "the id of the message"), records.from_message(one)) for one in messages]
        await self._journals.append(session.user_id, session.id, entries)
        session.messages.extend(messages)

    async def delete_messages(self, user_id: str, session_id: str, message_ids: Collection[str]) -> int:
        """See `SessionHistoryService`; here it is one atomic step."""
        labels = {quoted(one, "the id of a message") for one in message_ids}
        return await self._journals.strike(user_id, session_id, labels) if labels else 0

    async def delete_user_sessions(self, user_id: str) -> None:
        """Forget all sessions that a user has now."""
        await self._journals.drop(user_id, *await self._journals.names(user_id))

    async def _session(self, user_id: str, session_id: str) -> Session | None:
        kept = await self._journals.read(user_id, session_id)
        if kept is None:
            return None
        return Session(id=session_id, user_id=user_id, messages=[one async for one in records.to_messages(kept)])
