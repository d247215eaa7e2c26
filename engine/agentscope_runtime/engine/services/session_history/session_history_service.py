"""What a service for the histories of sessions can do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable

from agentscope_runtime.engine.schemas.session import Session
from agentscope_runtime.engine.services.base import ServiceWithLifecycleManager
from agentscope_runtime.engine.services.records import Given

DEFAULT_MESSAGES = 2000
"""Messages kept of a session: more than any model reads; the oldest make room."""


class SessionHistoryService(ServiceWithLifecycleManager):
    """Keeps the messages of sessions, each under its user: two users' sessions of one name are two.

    What is taken out is a copy. Every method raises `StoreUnavailable` when the backend does not answer, and
    `NotStorable` when an id is none.
    """

    @abstractmethod
    async def create_session(self, user_id: str, session_id: str | None = None) -> Session:
        """See to it that there is a session, and return it with its messages.

        Args:
            user_id: Whose it is.
            session_id: Its id; without one it is a new session with an id of its own.
        """

    @abstractmethod
    async def get_session(self, user_id: str, session_id: str) -> Session | None:
        """Return a session with its messages.

        Where there is none, the service in memory creates it, as it always did, and others return None.
        """

    @abstractmethod
    async def delete_session(self, user_id: str, session_id: str) -> None:
        """Forget a session; a missing one is fine."""

    @abstractmethod
    async def list_sessions(self, user_id: str) -> list[Session]:
        """Return a user's sessions without their messages, the one not used for longest first."""

    @abstractmethod
    async def append_message(self, session: Session, message: Given | Iterable[Given | None] | None) -> None:
        """Add messages to a session in one atomic step, and to the `messages` of the object that is given.

        A session that is not there, or no longer, begins with them.

        Args:
            session: Which session; its messages are not looked at.
            message: One message or several, as objects or as dicts.

        Raises:
            NotStorable: something is no message, or too large; then nothing was added.
        """

    async def delete_messages(self, user_id: str, session_id: str, message_ids: Collection[str]) -> int:
        """Take messages out of a session, and return how many there were.

        This form of it serves backends that have no other; what somebody appends meanwhile may be lost. The services
        here do it in one atomic step.
        """
        session = await self.get_session(user_id, session_id)
        if session is None:
            return 0
        left = [message for message in session.messages if message.id not in message_ids]
        if len(left) < len(session.messages):
            await self.delete_session(user_id, session_id)
            await self.append_message(await self.create_session(user_id, session_id), left)
        return len(session.messages) - len(left)
