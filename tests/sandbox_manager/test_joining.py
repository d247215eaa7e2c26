"""Where a manager stands: alone by its folder, or among those that share a Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from redis_server import RedisServer

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.joining import joined
from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore
from agentscope_runtime.sandbox_manager.stores.redis.store import RedisStore


def settings(folder: Path, **values: object) -> Settings:
    """Return settings of a manager with a folder of its own."""
    return Settings(**{"state_dir": folder, "redis_url": None, **values})  # type: ignore[arg-type]


async def test_without_a_redis_a_manager_is_alone(tmp_path: Path) -> None:
    """It is known by its folder, and so are those after it."""
    async with joined(settings(tmp_path), "mgr-1") as one, joined(settings(tmp_path), "mgr-2") as two:
        assert isinstance(one.store, MemoryStore) and one.shelf is None
        assert one.identity == two.identity
        assert (one.store.manager, two.store.manager) == ("mgr-1", "mgr-2")
        assert one.membership.is_leader and two.membership.is_leader
        assert not two.membership.is_dead("mgr-1")
    async with joined(settings(tmp_path), "mgr-3") as three:
        assert three.identity == one.identity
        assert three.membership.is_dead("mgr-1")


async def test_managers_that_share_a_redis_are_one_installation(tmp_path: Path) -> None:
    """The first makes name and secret up; folders do not matter. One of them leads."""
    with RedisServer(tmp_path / "redis") as redis:
        url = SecretStr(redis.url)
        async with (
            joined(settings(tmp_path / "1", redis_url=url), "mgr-1") as one,
            joined(settings(tmp_path / "2", redis_url=url), "mgr-2") as two,
        ):
            assert isinstance(one.store, RedisStore) and one.shelf is not None
            assert one.identity == two.identity
            assert len(one.identity.secret) >= 32
            assert [one.membership.is_leader, two.membership.is_leader] == [True, False]
        named = {"installation": "here", "installation_secret": SecretStr("s" * 32)}
        async with joined(settings(tmp_path / "3", redis_url=url, **named), "mgr-3") as three:
            assert (three.identity.installation, three.identity.secret) == ("here", b"s" * 32)
            assert three.membership.is_leader


async def test_a_redis_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Before anything is started."""
    with pytest.raises(StoreUnavailable, match=r"redis://127\.0\.0\.1:1/0"):
        async with joined(settings(tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0")), "mgr-1"):
            pass
