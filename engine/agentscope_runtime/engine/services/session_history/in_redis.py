"""Session histories in Redis: a list for each session, to which messages are only ever appended."""

from __future__ import annotations

from typing import Unpack

from agentscope_runtime.engine.services.redis_journals import RedisJournals
from agentscope_runtime.engine.services.redis_link import DEFAULT_PREFIX, DEFAULT_URL, ConnectionOptions, RedisClient
from agentscope_runtime.engine.services.session_history.journaled import JournaledSessionHistoryService
from agentscope_runtime.engine.services.session_history.session_history_service import DEFAULT_MESSAGES


class RedisSessionHistoryService(JournaledSessionHistoryService):
    """Keeps histories in Redis, for all processes that use it."""

    def __init__(
        self,
        redis_url: str = DEFAULT_URL,
        redis_client: RedisClient | None = None,
        *,
        max_messages_per_session: int | None = DEFAULT_MESSAGES,
        ttl_seconds: float | None = 3600,
        key_prefix: str = DEFAULT_PREFIX,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        """Describe the service; nothing connects before the start.

        Args:
            redis_url: Where Redis is.
            redis_client: A client that somebody else made, and will close, instead.
            max_messages_per_session: How many messages of a session are kept, the newest; None for no limit.
            ttl_seconds: Seconds without use after which a session is gone; None for never.
            key_prefix: What all keys begin with; applications with the same one share their sessions.
            connection: See `ConnectionOptions`.
        """
        super().__init__(
            RedisJournals(
                redis_url,
                redis_client,
                connection,
                place=(key_prefix, "history"),
                most_entries=max_messages_per_session,
                ttl_seconds=ttl_seconds,
            )
        )
