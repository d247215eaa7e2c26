"""Sandboxes are made what their leases ask for, and what shall outlive them is taken out in time."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import filled, ids, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import SandboxNotFound, Unavailable
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager import outfitting
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import SandboxRecord, State

WORK = LeaseOptions(profile="work")


class Hook:
    """Notes what it is called with, and does what it is told."""

    def __init__(self, error: Exception | None = None, takes: float = 0.0) -> None:
        self.calls: list[tuple[str, State, LeaseOptions]] = []
        self._error = error
        self._takes = takes

    async def __call__(self, record: SandboxRecord, options: LeaseOptions) -> None:
        """Be called."""
        self.calls.append((record.sandbox_id, record.state, options))
        await asyncio.sleep(self._takes)
        if self._error is not None:
            raise self._error


@virtual
async def test_a_warm_sandbox_is_outfitted_before_the_session_has_it() -> None:
    """The answer waits for the outfitter, which gets the leased record and the options."""
    async with world(Policy(targets={"browser": 1})) as w:
        hook = Hook(takes=2.0)
        w.means.outfitters.append(hook)
        await filled(w, "browser")
        began = asyncio.get_running_loop().time()
        (sandbox_id,) = ids(await w.pool.connect(key(), ["browser"], WORK))
        assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)
        assert hook.calls == [(sandbox_id, State.LEASED, WORK)]
        await w.pool.connect(key(), ["browser"])
        assert len(hook.calls) == 1, "nothing new was asked for"
        await w.pool.connect(key(), ["browser"], LeaseOptions(resolution="800x600"))
        assert hook.calls[1][2] == LeaseOptions(profile="work", resolution="800x600")


@virtual
async def test_what_cannot_be_outfitted_is_not_leased() -> None:
    """The connect fails with the outfitter's error, and the sandbox is gone; what was held before stays."""
    async with world() as w:
        (held,) = ids(await w.pool.connect(key(), ["extra"]))
        w.means.outfitters.append(Hook(Unavailable("no profile today")))
        with pytest.raises(Unavailable, match="no profile today"):
            await w.pool.connect(key(), ["base"], WORK)
        (lease,) = await w.pool.leases()
        assert ids(lease) == [held]
        await settle()
        assert w.containers == {held}


@virtual
async def test_an_outfitter_has_its_time() -> None:
    """One that hangs is an error that says so."""
    async with world() as w:
        w.means.outfitters.append(Hook(takes=1000))
        with pytest.raises(Unavailable, match="within 30 s"):
            await w.pool.connect(key(), ["base"])
        assert not await w.pool.leases()


@virtual
async def test_a_farewell_comes_between_the_end_of_the_lease_and_the_removal() -> None:
    """Release answers at once; the sandbox is out of use, and its container stays until the farewell is said."""
    async with world() as w:
        hook = Hook(takes=3.0)
        w.means.farewells.append(hook)
        (sandbox_id,) = ids(await w.pool.connect(key(), ["base"], WORK))
        began = asyncio.get_running_loop().time()
        await w.pool.release(key())
        assert asyncio.get_running_loop().time() == began
        with pytest.raises(SandboxNotFound, match="was released"):
            await w.pool.sandbox(sandbox_id)
        await asyncio.sleep(2.9)
        assert sandbox_id in w.containers
        assert await w.pool.retirement.drained(within=10) == 0
        assert not w.containers
        assert [(called, options) for called, _, options in hook.calls] == [(sandbox_id, WORK)]


@virtual
@pytest.mark.parametrize("hook", [Hook(takes=1000), Hook(Unavailable("gone")), Hook(LookupError("a bug"))])
async def test_a_farewell_that_fails_or_hangs_keeps_nothing(hook: Hook) -> None:
    """The container goes all the same, after a few seconds at most."""
    async with world() as w:
        w.means.farewells.append(hook)
        await w.pool.connect(key(), ["base"])
        began = asyncio.get_running_loop().time()
        await w.pool.release(key())
        assert await w.pool.retirement.drained(within=100) == 0
        assert asyncio.get_running_loop().time() - began <= outfitting.FAREWELL_WITHIN
        assert not w.containers


@virtual
async def test_nobody_says_farewell_to_the_dead_or_the_unused() -> None:
    """A container that ended answers nothing, and one that no session had has nothing to keep."""
    async with world(Policy(targets={"base": 1})) as w:
        hook = Hook()
        w.means.farewells.append(hook)
        await filled(w)
        (sandbox_id,) = ids(await w.pool.connect(key(), ["base"]))
        await w.backend.die(sandbox_id)
        await settle()
        await w.pool.aclose(destroy=True, within=10)
        assert not hook.calls
