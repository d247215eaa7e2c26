"""What a service for long-term memory can do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.services.base import ServiceWithLifecycleManager
from agentscope_runtime.engine.services.records import Given

DEFAULT_MESSAGES = 5000
"""Messages remembered of a user; each search reads all of them. The oldest make room."""

DEFAULT_SESSION = "default"
"""Where memories come from that nobody says a session for."""

DEFAULT_PAGE_SIZE = 10

Filters = Mapping[str, Any] | None
"""`top_k`: at most so many are found. `page_num` (from 1) and `page_size`: which part of a listing."""


class MemoryService(ServiceWithLifecycleManager):
    """Remembers messages for each user, whatever the session.

    What is taken out is a copy. Every method raises `StoreUnavailable` when the backend does not answer, and
    `NotStorable` when an id is none.
    """

    @abstractmethod
    async def add_memory(
        self, user_id: str, messages: Given | Iterable[Given | None] | None, session_id: str | None = None
    ) -> None:
        """Remember messages, in one atomic step.

        Args:
            user_id: Whose memory it is.
            messages: One message or several, as objects or as dicts.
            session_id: Where they come from, so that they can be forgotten with the session.

        Raises:
            NotStorable: something is no message, or too large; then nothing was added.
        """

    @abstractmethod
    async def search_memory(
        self, user_id: str, messages: Given | Iterable[Given | None] | None, filters: Filters = None
    ) -> list[Message]:
        """Return what shares words with the last of these messages, the oldest first.

        With `top_k`, those are left that share most, and of equal ones the newest.
        """

    @abstractmethod
    async def list_memory(self, user_id: str, filters: Filters = None) -> list[Message]:
        """Return a page of all that is remembered, the oldest first: ten messages, unless the filters say else."""

    @abstractmethod
    async def delete_memory(self, user_id: str, session_id: str | None = None) -> None:
        """Forget what comes from a session, or everything about a user where none is named."""


def number(filters: Filters, name: str, default: int | None = None) -> int | None:
    """Return what a filter says.

    Raises:
        InvalidOption: it is no number, or less than 1.
    """
    value = (filters or {}).get(name)
    if value is None:
        return default
    if not isinstance(value, int) or value < 1:
        raise InvalidOption(f"the filter {name} is {value!r}; it must be a whole number, at least 1")
    return value
