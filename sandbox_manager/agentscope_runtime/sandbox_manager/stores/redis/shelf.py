"""Short texts that all managers of an installation find for a while: secrets' hashes, with what they open."""

from __future__ import annotations

from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink, prefix_of, script


class RedisShelf:
    """See `api.grants.Shelf`; what is on it goes by itself. An empty text counts as none."""

    def __init__(self, link: RedisLink, installation: str) -> None:
        self._link = link
        self._prefix = prefix_of(installation)

    async def put(self, name: str, text: str, seconds: float) -> None:
        """Keep a text for so long.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        await self._ask("put", name, text, str(max(1, int(seconds * 1000))))

    async def get(self, name: str) -> str | None:
        """Return it; None if there is none (any more).

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        return await self._ask("get", name) or None

    async def take(self, name: str) -> str | None:
        """Return it and forget it, in one step.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        return await self._ask("take", name) or None

    async def _ask(self, verb: str, name: str, *args: str) -> str:
        return str(await self._link.run(script("shelf"), self._prefix, verb, name, *args))
