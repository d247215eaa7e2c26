"""Long-term memory as journals, wherever these are kept."""

from __future__ import annotations

from collections.abc import Iterable

from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.services import records
from agentscope_runtime.engine.services.base import ServiceOnAnother
from agentscope_runtime.engine.services.journals import Journals
from agentscope_runtime.engine.services.keys import quoted
from agentscope_runtime.engine.services.memory.memory_service import (
    DEFAULT_PAGE_SIZE,
    DEFAULT_SESSION,
    Filters,
    MemoryService,
    number,
)
from agentscope_runtime.engine.services.memory.words import best, words_in
from agentscope_runtime.engine.services.records import Given

_ALL = ""
"""The name of a user's one journal: all that is remembered, in the order in which it was learnt."""


class JournaledMemoryService(ServiceOnAnother, MemoryService):
    """A journal for each user, with an entry for each message under the session that it comes from."""

    def __init__(self, journals: Journals) -> None:
        """Keep memories in these journals, which start and stop with the service."""
        super().__init__(journals)
        self._journals = journals

    async def add_memory(
        self, user_id: str, messages: Given | Iterable[Given | None] | None, session_id: str | None = None
    ) -> None:
        """See `MemoryService`."""
        label = quoted(session_id or DEFAULT_SESSION, "session_id")
        if entries := [(label, records.from_message(message)) for message in records.normal(messages)]:
            await self._journals.append(user_id, _ALL, entries)

    async def search_memory(
        self, user_id: str, messages: Given | Iterable[Given | None] | None, filters: Filters = None
    ) -> list[Message]:
        """See `MemoryService`."""
        asked, most = records.normal(messages), number(filters, "top_k")
        wanted = words_in(asked[-1].get_text_content() or "") if asked else set()
        kept = await self._journals.read(user_id, _ALL) if wanted else None
        remembered: list[Message] = []
        scores: list[int] = []
        async for message in records.to_messages(kept or ()):
            remembered.append(message)
            scores.append(len(wanted & words_in(message.get_text_content() or "")))
        return [remembered[place] for place in best(scores, most)]

    async def list_memory(self, user_id: str, filters: Filters = None) -> list[Message]:
        """See `MemoryService`."""
        page, size = number(filters, "page_num", 1) or 1, number(filters, "page_size", DEFAULT_PAGE_SIZE) or 1
        kept = await self._journals.read(user_id, _ALL, (page - 1) * size, page * size)
        return [one async for one in records.to_messages(kept or ())]

    async def delete_memory(self, user_id: str, session_id: str | None = None) -> None:
        """See `MemoryService`."""
        if session_id is None:
            await self._journals.drop(user_id, _ALL)
        else:
            await self._journals.strike(user_id, _ALL, [quoted(session_id or DEFAULT_SESSION, "session_id")])

    async def delete_user_memory(self, user_id: str) -> None:
        """Forget everything about a user."""
        await self.delete_memory(user_id)

    async def clear_all_memory(self) -> None:
        """Forget everything about everybody."""
        await self._journals.clear()
