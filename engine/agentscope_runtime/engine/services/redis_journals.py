"""Journals in Redis: a list each, and an index for each user, which says which there are and when they were last used.

Entries are appended, never rewritten. The index decides what exists: an empty journal has no list, and one out of time
is struck from the index whenever somebody looks. All keys of a user have one hash tag, so each step is one script.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from agentscope_runtime.engine.services.journals import Entry, Journals, check_most
from agentscope_runtime.engine.services.keys import plain, quoted
from agentscope_runtime.engine.services.redis_link import (
    Argument,
    ConnectionOptions,
    RedisClient,
    RedisLink,
    as_bytes,
    key_of,
    milliseconds,
)

_LOOK = """
local index, journal = KEYS[1], KEYS[2]
local name, ttl = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
if ttl then
  redis.call('ZREMRANGEBYSCORE', index, '-inf', string.format('%.6f', now - ttl / 1000))
end
local there = redis.call('ZSCORE', index, name)
local function use()
  redis.call('ZADD', index, string.format('%.6f', now), name)
  for _, key in ipairs({index, journal}) do
    if ttl then
      redis.call('PEXPIRE', key, ttl)
    else
      redis.call('PERSIST', key)
    end
  end
end
"""
"""What each script about one journal begins with. Arguments: the journal's name, its time to live."""

_APPEND = f"""{_LOOK}
if not there then
  redis.call('DEL', journal)
end
for at = 4, #ARGV do
  redis.call('RPUSH', journal, ARGV[at])
end
if ARGV[3] ~= '' then
  redis.call('LTRIM', journal, -tonumber(ARGV[3]), -1)
end
use()
"""
"""Further arguments: how many entries to keep, the entries."""

_READ = f"""{_LOOK}
if not there then
  return false
end
use()
return redis.call('LRANGE', journal, ARGV[3], ARGV[4])
"""
"""Further arguments: the first place, the last one."""

_STRIKE = f"""{_LOOK}
if not there then
  return 0
end
local gone, struck = {{}}, 0
for at = 3, #ARGV do
  gone[ARGV[at]] = true
end
for at, entry in ipairs(redis.call('LRANGE', journal, 0, -1)) do
  if gone[string.match(entry, '^[^ ]*')] then
    redis.call('LSET', journal, at - 1, '')
    struck = struck + 1
  end
end
if struck > 0 then
  redis.call('LREM', journal, 0, '')
end
use()
return struck
"""
"""Further arguments: the labels."""

_NAMES = f"""{_LOOK}
return redis.call('ZRANGE', index, 0, -1)
"""

_DROP = """
for at, name in ipairs(ARGV) do
  redis.call('DEL', KEYS[at + 1])
  redis.call('ZREM', KEYS[1], name)
end
"""
"""Keys: the index, then the journals; arguments: their names."""


class RedisJournals(RedisLink, Journals):
    """See `Journals`; the bound on bytes is Redis's own (`maxmemory`)."""

    def __init__(
        self,
        url: str,
        client: RedisClient | None,
        options: ConnectionOptions,
        *,
        place: tuple[str, str],
        most_entries: int | None,
        ttl_seconds: float | None,
    ) -> None:
        """Describe them.

        Args:
            url: Where Redis is.
            client: One that is connected already, instead.
            options: How to connect.
            place: What all keys begin with: the application's prefix, and what is kept.
            most_entries: How many entries a journal has at most; None for no limit.
            ttl_seconds: Seconds without use after which a journal is gone; None for never.
        """
        super().__init__(url, client, options)
        check_most(most_entries)
        self._place = place
        self._most_entries = "" if most_entries is None else str(most_entries)
        self._ttl = milliseconds(ttl_seconds)

    async def begin(self, owner: str, name: str) -> None:
        """See `Journals`."""
        await self._step(_APPEND, owner, name, self._most_entries, again=True)

    async def append(self, owner: str, name: str, entries: Collection[Entry]) -> None:
        """See `Journals`."""
        records = [label.encode() + b" " + record for label, record in entries]
        await self._step(_APPEND, owner, name, self._most_entries, *records, again=not records)

    async def read(self, owner: str, name: str, start: int = 0, stop: int | None = None) -> list[bytes] | None:
        """See `Journals`."""
        last = -1 if stop is None else stop - 1
        entries = await self._step(_READ, owner, name, start, last, again=True)
        return None if entries is None else [as_bytes(entry).partition(b" ")[2] for entry in entries]

    async def strike(self, owner: str, name: str, labels: Collection[str]) -> int:
        """See `Journals`."""
        return int(await self._step(_STRIKE, owner, name, *labels, again=False) or 0)

    async def drop(self, owner: str, *names: str) -> None:
        """See `Journals`."""
        keys = [self._keys(owner, name)[1] for name in names]
        plain_names = [quoted(name, "session_id") for name in names]
        await self.run(_DROP, [self._keys(owner, "")[0], *keys], plain_names, again=True)

    async def names(self, owner: str) -> list[str]:
        """See `Journals`."""
        found = await self._step(_NAMES, owner, "", again=True)
        return [plain(as_bytes(name).decode()) for name in found]

    async def clear(self) -> None:
        """See `Journals`."""
        begin = re.sub(r"([*?\[\]\\^])", r"\\\1", ":".join(self._place))
        await self.forget(f"{begin}:{{u:*")

    def _keys(self, owner: str, name: str) -> tuple[str, str]:
        return key_of(*self._place, owner), key_of(*self._place, owner, ("session_id", name))

    async def _step(self, script: str, owner: str, name: str, *args: Argument, again: bool) -> Any:
        given: list[Argument] = [quoted(name, "session_id"), self._ttl, *args]
        return await self.run(script, self._keys(owner, name), given, again=again)
