"""Managers that beat by themselves, with a Redis, without one, and alone."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis_server import RedisServer

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.membership import (
    DEAD_AFTER,
    LocalMembership,
    Membership,
    RedisMembership,
)
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink

_numbers = itertools.count()


async def test_managers_beat_and_take_turns_by_themselves(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits to lead does when the leader ends; whoever waits for the end of its own does, too."""
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.membership.BEAT_EVERY", 0.02)
    link = RedisLink(redis_server.url)
    installation = f"beating-{next(_numbers)}"
    first, second = (RedisMembership(link, installation, name) for name in ("a", "b"))
    async with asyncio.timeout(10), AsyncExitStack() as stack:
        stack.push_async_callback(link.aclose)
        await stack.enter_async_context(second_life := AsyncExitStack())
        first_life = await stack.enter_async_context(AsyncExitStack())
        await first_life.enter_async_context(first.alive())
        await second_life.enter_async_context(second.alive())
        await first.wait_until_leader()
        await second.wait_until_follower()
        await first.wait_until_lost()
        await first.declare_whole()
        await second.wait_until_whole()
        waiting = asyncio.ensure_future(second.wait_until_leader())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await first_life.aclose()
        await waiting
        assert not first.is_leader


async def test_without_redis_nothing_is_known_and_nobody_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of a leadership comes by itself; when Redis is back, deaths have to be proved anew."""
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.membership.BEAT_EVERY", 0.02)
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.membership.RETRY_EVERY", 0.02)
    now = 0.0
    with RedisServer(tmp_path) as server:
        link = RedisLink(server.url)
        membership = RedisMembership(link, "alone", "a", clock=lambda: now)
        async with asyncio.timeout(20), membership.alive():
            now += DEAD_AFTER
            await membership.look()
            now += 9
            await membership.look()
            now += 9
            await membership.look()
            assert membership.is_dead("mgr-unknown")
            before = membership.fence
            server.stop()
            over = asyncio.ensure_future(membership.wait_until_follower())
            while "no beats" not in caplog.text:  # noqa: ASYNC110 - nothing else says that a beat failed
                await asyncio.sleep(0.01)
            assert not membership.is_dead("mgr-unknown")
            assert membership.is_leader
            now += 9
            await over
            with pytest.raises(StoreUnavailable):
                await membership.declare_whole()
            server.start()
            await membership.wait_until_leader()
            assert membership.fence >= before
            assert not membership.is_dead("mgr-unknown")
        await link.aclose()


async def test_no_redis_at_the_start_is_an_error() -> None:
    """A manager that nobody can see alive must not begin."""
    link = RedisLink("redis://127.0.0.1:1/0")
    membership = RedisMembership(link, "alone", "a")
    with pytest.raises(StoreUnavailable):
        async with membership.alive():
            raise AssertionError("it began")
    await link.aclose()


async def test_a_manager_alone_leads_and_its_lock_is_its_proof(tmp_path: Path) -> None:
    """As with many, without anything to wait for."""
    membership: Membership = LocalMembership(tmp_path, "mgr-1")
    async with membership.alive():
        assert not membership.is_dead("mgr-1")
        assert membership.is_dead("mgr-0")
        assert (membership.is_leader, membership.fence, membership.is_whole) == (True, 0, True)
        await membership.wait_until_leader()
        await membership.wait_until_whole()
        assert await membership.declare_whole()
        for never in (membership.wait_until_follower(), membership.wait_until_lost()):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await never
        (tmp_path / "managers" / "mgr-0.lock").touch()
        (tmp_path / "managers" / "mgr-9.lock").touch()
        await membership.forget_dead(but=["mgr-9"])
        assert sorted(path.stem for path in (tmp_path / "managers").iterdir()) == ["mgr-1", "mgr-9"]
    assert membership.is_dead("mgr-1")


async def test_beats_go_on_whatever_goes_wrong(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A manager that works would be taken for dead."""
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.membership.BEAT_EVERY", 0.01)
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.membership.RETRY_EVERY", 0.01)
    looked = asyncio.Queue[None]()
    link = RedisLink(redis_server.url)
    membership = RedisMembership(link, f"beating-{next(_numbers)}", "a")

    async def wrong() -> None:
        looked.put_nowait(None)
        raise ValueError("unheard of")

    async with asyncio.timeout(10), membership.alive():
        monkeypatch.setattr(membership, "look", wrong)
        for _ in range(3):
            await looked.get()
    assert "a beat failed" in caplog.text
    await link.aclose()
