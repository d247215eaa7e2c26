"""What a manager knows while the store is away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Never

import pytest
from fake_pool import ids, key, world
from virtual_time import clock, settle, virtual

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager import known as module
from agentscope_runtime.sandbox_manager.events import SandboxRemoved, SandboxStopping, SandboxSuspended
from agentscope_runtime.sandbox_manager.freezing import touch
from agentscope_runtime.sandbox_manager.known import Known
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.reaper import Activity
from agentscope_runtime.sandbox_manager.states import SandboxRecord, State

ONE = SandboxRecord("sbx-1", "base", State.LEASED, "image", 0.0, "token")
TWO, THREE = replace(ONE, sandbox_id="sbx-2"), replace(ONE, sandbox_id="sbx-3")


def test_the_newest_word_counts() -> None:
    """And nothing is known of what was never told."""
    known = Known()
    known.note(ONE)
    known.note(replace(ONE, generation=2))
    assert known.records() == [replace(ONE, generation=2)] == [known.get("sbx-1")]
    assert known.get("sbx-2") is None


def test_uses_are_owed_until_the_store_hears_of_one() -> None:
    """The last time of each counts; what is not known is not owed."""
    known = Known()
    known.note(ONE)
    known.owe("sbx-1", 5.0)
    known.owe("sbx-1", 6.0)
    known.owe("sbx-2", 7.0)
    assert known.owed() == {"sbx-1": 6.0}
    known.note(ONE)
    assert known.owed() == {}


def test_what_is_out_of_use_is_known_no_more() -> None:
    """It ended, or rests; what is only removed had ended before."""
    known = Known()
    for record in (ONE, TWO, THREE):
        known.note(record)
    known.owe("sbx-1", 5.0)
    known.hear(SandboxStopping("sbx-1", "base", None, "was released"))
    known.hear(SandboxSuspended("sbx-2", "base"))
    known.hear(SandboxRemoved("sbx-3", "base"))
    assert known.records() == [THREE]
    assert known.owed() == {}


def test_it_is_bounded() -> None:
    """Those that were used least lately give way."""
    known = Known()
    for number in range(module.MOST):
        known.note(replace(ONE, sandbox_id=f"sbx-{number}"))
    known.note(replace(ONE, sandbox_id="sbx-0"))
    known.note(replace(ONE, sandbox_id="sbx-new"))
    assert len(known.records()) == module.MOST
    assert known.get("sbx-0") is not None and known.get("sbx-1") is None


@virtual
async def test_what_the_store_could_not_be_told_it_is_told_later() -> None:
    """Calls go on meanwhile; the time of the last one counts, and then nothing is owed, whatever became of the box."""
    async with world(Policy(targets={"base": 2}, idle_timeout=300.0)) as w:
        await settle()
        means = replace(w.means, shared=True)
        names = [ids(await w.pool.connect(key(session), ["base"]))[0] for session in ("s1", "s2")]
        for name in names:
            await touch(means, name, now=clock())
        tell = w.means.store.touch

        async def away(sandbox_id: str, *, now: float) -> Never:
            raise StoreUnavailable("away")

        w.means.store.touch = away  # type: ignore[method-assign]
        await asyncio.sleep(10.0)
        for name in names:
            assert (await touch(means, name, now=clock())).sandbox_id == name
        with pytest.raises(StoreUnavailable):
            await touch(means, "sbx-unknown", now=clock())
        used = clock()
        await asyncio.sleep(10.0)
        w.means.store.touch = tell  # type: ignore[method-assign]
        await w.pool.release(key("s2"))
        await Activity().touch(means)
        assert (await w.records())[names[0]].last_active_at == used
        assert means.known.owed() == {}
        assert [record.sandbox_id for record in means.known.records()] == names[:1]
