"""The pool as sessions see it, on the fake backend and in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from fake_pool import filled, ids, key, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import InvalidRequest, SandboxNotFound, UnknownSandboxType
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import State


@virtual
async def test_a_warm_claim_touches_no_engine() -> None:
    """A session that finds its sandbox ready gets it without a call to the engine or the box, in no time."""
    async with world(Policy(targets={"base": 1}), loops=False) as w:
        await filled(w)
        before = w.script.seen.total()
        began = asyncio.get_running_loop().time()
        lease = await w.pool.connect(key(), ["base"])
        assert w.script.seen.total() == before
        assert asyncio.get_running_loop().time() == began
        (record,) = lease.sandboxes
        assert (record.state, record.warm, record.generation, record.key) == (State.LEASED, True, 1, key())


@virtual
async def test_a_claim_is_replaced_and_release_destroys() -> None:
    """What a session takes is replaced; what it releases is destroyed, never handed out again."""
    async with world(Policy(targets={"base": 1})) as w:
        await filled(w)
        first = ids(await w.pool.connect(key("s1"), ["base"]))
        await filled(w)
        await w.pool.release(key("s1"))
        await settle()
        assert first[0] not in w.containers
        second = ids(await w.pool.connect(key("s2"), ["base"]))
        assert first != second
        with pytest.raises(SandboxNotFound, match="was released"):
            await w.pool.sandbox(first[0])


@virtual
async def test_a_cold_connect_starts_what_is_missing() -> None:
    """Without a pool a session waits for a start of its own, and the answer says that it was not warm."""
    async with world() as w:
        w.script.takes["ready"] = 3.0
        began = asyncio.get_running_loop().time()
        lease = await w.pool.connect(key(), ["browser", "base"])
        assert asyncio.get_running_loop().time() - began == pytest.approx(3.0)
        assert [record.sandbox_type for record in lease.sandboxes] == ["browser", "base"]
        assert not any(record.warm for record in lease.sandboxes)
        report = await w.pool.report()
        assert (report.types["base"].misses, report.types["base"].hits, report.types["base"].leased) == (1, 0, 1)


@virtual
async def test_connecting_again_gives_the_same_sandboxes_and_adds_new_kinds() -> None:
    """A lease is idempotent, answers in the asked order, and grows by kinds that it did not have."""
    async with world() as w:
        base = ids(await w.pool.connect(key(), ["base"]))
        both = ids(await w.pool.connect(key(), ["browser", "base"]))
        assert both[1] == base[0]
        assert ids(await w.pool.connect(key(), ["base", "browser"])) == both[::-1]
        assert ids(await w.pool.connect(key(), ["browser"])) == both[:1]
        (lease,) = await w.pool.leases()
        assert set(ids(lease)) == set(both)


@virtual
async def test_names_that_join_to_the_same_string_do_not_share() -> None:
    """The key is a tuple: (`a_b`, `c`) and (`a`, `b_c`) are two users."""
    async with world() as w:
        one = await w.pool.connect(key("a_b", "c"), ["base"])
        other = await w.pool.connect(key("a", "b_c"), ["base"])
        assert ids(one) != ids(other)


@pytest.mark.parametrize(
    ("types", "error"),
    [([], InvalidRequest), (["base", "base"], InvalidRequest), (["base", "nonsense"], UnknownSandboxType)],
)
def test_a_wrong_request_starts_nothing(types: list[str], error: type[Exception]) -> None:
    """No kind, one twice, or one that nobody knows: an error before anything happens."""

    @virtual
    async def check() -> None:
        async with world() as w:
            with pytest.raises(error):
                await w.pool.connect(key(), types)
            assert not w.script.seen["create"]

    check()


@virtual
async def test_release_is_idempotent() -> None:
    """Nothing to release, or again: fine."""
    async with world() as w:
        lease = await w.pool.connect(key(), ["base"])
        for _ in range(2):
            await w.pool.release(key())
            await w.pool.release_sandbox(ids(lease)[0])
        await w.pool.release_sandbox("sbx-unheard-of")


@virtual
async def test_one_sandbox_of_a_lease_can_go() -> None:
    """The rest stays; the kind that went is fresh when it is asked for again."""
    async with world() as w:
        base, browser = ids(await w.pool.connect(key(), ["base", "browser"]))
        await w.pool.release_sandbox(browser)
        (lease,) = await w.pool.leases()
        assert ids(lease) == [base]
        again = ids(await w.pool.connect(key(), ["base", "browser"]))
        assert again[0] == base
        assert again[1] != browser
