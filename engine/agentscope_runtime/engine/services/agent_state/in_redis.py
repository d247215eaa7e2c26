"""States of agents in Redis: a hash for each user and session, which has a field for each round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from agentscope_runtime.engine.services import records
from agentscope_runtime.engine.services.agent_state.state_service import (
    DEFAULT_ROUNDS,
    DEFAULT_SESSION,
    StateService,
    check_max_rounds,
    checked_round,
)
from agentscope_runtime.engine.services.base import ServiceOnAnother
from agentscope_runtime.engine.services.redis_link import (
    DEFAULT_PREFIX,
    DEFAULT_URL,
    Argument,
    ConnectionOptions,
    RedisClient,
    RedisLink,
    key_of,
    milliseconds,
)

_LATEST = """
local ttl = tonumber(ARGV[1])
local rounds, latest = redis.call('HKEYS', KEYS[1]), nil
for _, round in ipairs(rounds) do
  latest = math.max(latest or 0, tonumber(round))
end
local function use()
  if ttl then
    redis.call('PEXPIRE', KEYS[1], ttl)
  else
    redis.call('PERSIST', KEYS[1])
  end
end
local function text(number)
  return string.format('%.0f', number)
end
"""
"""What both scripts begin with. Argument: the time to live."""

_SAVE = f"""{_LATEST}
local saved = ARGV[2]
if saved == '' then
  saved = text((latest or 0) + 1)
end
if redis.call('HSET', KEYS[1], saved, ARGV[4]) == 1 then
  local others = {{}}
  for _, round in ipairs(rounds) do
    others[#others + 1] = tonumber(round)
  end
  table.sort(others)
  for at = 1, #others + 1 - tonumber(ARGV[3]) do
    redis.call('HDEL', KEYS[1], text(others[at]))
  end
end
use()
return saved
"""
"""Further arguments: the round or nothing, how many to keep, the record."""

_EXPORT = f"""{_LATEST}
if not latest then
  return false
end
use()
return redis.call('HGET', KEYS[1], ARGV[2] ~= '' and ARGV[2] or text(latest))
"""
"""Further argument: the round or nothing."""


class RedisStateService(ServiceOnAnother, StateService):
    """Keeps states in Redis, for all processes that use it."""

    def __init__(
        self,
        redis_url: str = DEFAULT_URL,
        redis_client: RedisClient | None = None,
        *,
        ttl_seconds: float | None = 3600,
        max_rounds: int = DEFAULT_ROUNDS,
        key_prefix: str = DEFAULT_PREFIX,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        """Describe the service; nothing connects before the start.

        Args:
            redis_url: Where Redis is.
            redis_client: A client that somebody else made, and will close, instead.
            ttl_seconds: Seconds without use after which a session's states are gone; None for never.
            max_rounds: How many rounds of a session are kept.
            key_prefix: What all keys begin with; applications with the same one share their states.
            connection: See `ConnectionOptions`.
        """
        self._link = RedisLink(redis_url, redis_client, connection)
        super().__init__(self._link)
        self._ttl = milliseconds(ttl_seconds)
        self._max_rounds = check_max_rounds(max_rounds)
        self._prefix = key_prefix

    async def save_state(
        self, user_id: str, state: Mapping[str, Any], session_id: str | None = None, round_id: int | None = None
    ) -> int:
        """See `StateService`."""
        number, record = _text(checked_round(round_id)), records.from_state(state)
        given: list[Argument] = [self._ttl, number, self._max_rounds, record]
        return int(await self._link.run(_SAVE, [self._key(user_id, session_id)], given, again=bool(number)))

    async def export_state(
        self, user_id: str, session_id: str | None = None, round_id: int | None = None
    ) -> dict[str, Any] | None:
        """See `StateService`."""
        given = [self._ttl, _text(checked_round(round_id))]
        record = await self._link.run(_EXPORT, [self._key(user_id, session_id)], given, again=True)
        return None if record is None else records.to_state(record)

    def _key(self, user_id: str, session_id: str | None) -> str:
        return key_of(self._prefix, "state", user_id, ("session_id", session_id or DEFAULT_SESSION))


def _text(round_id: int | None) -> str:
    return "" if round_id is None else str(int(round_id))
