"""Long-term memory in Redis: a list for each user."""

from __future__ import annotations

from typing import Unpack

from agentscope_runtime.engine.services.memory.journaled import JournaledMemoryService
from agentscope_runtime.engine.services.memory.memory_service import DEFAULT_MESSAGES
from agentscope_runtime.engine.services.redis_journals import RedisJournals
from agentscope_runtime.engine.services.redis_link import DEFAULT_PREFIX, DEFAULT_URL, ConnectionOptions, RedisClient

DEFAULT_TTL = 90 * 24 * 3600
"""Seconds: who was away for a quarter of a year begins anew. An hour, as sessions have, is no long term."""


class RedisMemoryService(JournaledMemoryService):
    """Remembers in Redis, for all processes that use it."""

    def __init__(
        self,
        redis_url: str = DEFAULT_URL,
        redis_client: RedisClient | None = None,
        *,
        max_messages: int | None = DEFAULT_MESSAGES,
        ttl_seconds: float | None = DEFAULT_TTL,
        key_prefix: str = DEFAULT_PREFIX,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        """Describe the service; nothing connects before the start.

        Args:
            redis_url: Where Redis is.
            redis_client: A client that somebody else made, and will close, instead.
            max_messages: How many messages of a user are remembered, the newest; None for no limit.
            ttl_seconds: Seconds without use after which a user is forgotten; None for never.
            key_prefix: What all keys begin with; applications with the same one share their memories.
            connection: See `ConnectionOptions`.
        """
        super().__init__(
            RedisJournals(
                redis_url,
                redis_client,
                connection,
                place=(key_prefix, "memory"),
                most_entries=max_messages,
                ttl_seconds=ttl_seconds,
            )
        )
