"""What managers of an installation say to each other, by publishing; who does not listen, or is away, misses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink, prefix_of, script


class RedisChannel:
    """See `feed.Channel`."""

    def __init__(self, link: RedisLink, installation: str) -> None:
        self._link = link
        self._prefix = prefix_of(installation)

    async def say(self, text: str) -> None:
        """Say it to all who listen, oneself included.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        await self._link.run(script("say"), self._prefix, text)

    def listening(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Hear what is said while the context is open.

        Raises:
            StoreUnavailable: The connection is lost, or there was none.
        """
        return self._link.subscribed(f"{self._prefix}happened")
