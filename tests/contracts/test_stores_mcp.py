"""What every store promises about the MCP servers of sandboxes, and what is left of them when one dies."""

from __future__ import annotations

from stores import ALICE, BOB, DEATH, ENDING, claim, ids, leased, warm

from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import NO_OPTIONS, LeaseKey
from agentscope_runtime.sandbox_manager.stores import Store

A, B, C = {"command": "a"}, {"command": "b"}, {"command": "c"}


async def _servers(store: Store, sandbox_id: str) -> dict[str, object]:
    return dict((await store.get(sandbox_id)).mcp_servers)


async def _again(store: Store, key: LeaseKey = ALICE, options: LeaseOptions = NO_OPTIONS) -> dict[str, object]:
    """Return the servers of the next base sandbox that the key gets."""
    await warm(store)
    (sandbox_id,) = ids(await claim(store, key, "base", options=options))
    return await _servers(store, sandbox_id)


async def test_servers_are_added_overwritten_and_removed(store: Store) -> None:
    """A name that is taken stays what it was, unless it is to be overwritten; others' sandboxes hear of nothing."""
    (base,) = await leased(store, ALICE, "base")
    (other,) = await leased(store, BOB, "base")
    await store.change_mcp_servers(base, {"x": A})
    await store.change_mcp_servers(base, {"x": B, "y": B})
    assert await _servers(store, base) == {"x": A, "y": B}
    await store.change_mcp_servers(base, {"x": C}, overwrite=True)
    await store.change_mcp_servers(base, {}, removed="y")
    await store.change_mcp_servers(base, {}, removed="missing")
    assert await _servers(store, base) == {"x": C}
    assert await _servers(store, other) == {}


async def test_nothing_is_recorded_of_what_is_not_leased(store: Store) -> None:
    """A free sandbox, one that just died, and an unknown one."""
    free = await warm(store)
    (base,) = await leased(store, BOB, "browser")
    await store.mark_stopping(base, DEATH)
    for sandbox_id in (free, base, "sbx-none"):
        await store.change_mcp_servers(sandbox_id, {"x": A})
    assert not any(record.mcp_servers for record in await store.sandboxes())


async def test_the_options_of_a_lease_are_the_first_servers(store: Store) -> None:
    """One that was removed comes back when the options name it again."""
    asked = LeaseOptions(mcp_servers={"x": A})
    assert await _again(store, options=asked) == {"x": A}
    (base,) = ids(await claim(store, ALICE, "base"))
    await store.change_mcp_servers(base, {}, removed="x")
    await claim(store, ALICE, "base")
    assert await _servers(store, base) == {}
    await claim(store, ALICE, "base", options=asked)
    assert await _servers(store, base) == {"x": A}


async def test_one_in_the_place_of_a_dead_one_has_what_that_one_had(store: Store) -> None:
    """For the same key and kind only; what is asked for anew is stronger; a second death changes nothing."""
    base, browser = await leased(store, ALICE, "base", "browser")
    await store.change_mcp_servers(base, {"x": A, "y": B})
    await store.mark_stopping(base, DEATH)
    assert await _again(store, BOB) == {}
    assert await _again(store) == {"x": A, "y": B}
    assert await _servers(store, browser) == {}
    (second,) = ids(await claim(store, ALICE, "base"))
    await store.change_mcp_servers(second, {}, removed="x")
    await store.mark_stopping(second, DEATH)
    assert await _again(store, options=LeaseOptions(mcp_servers={"y": C, "z": A})) == {"y": C, "z": A}


async def test_nothing_is_left_of_a_lease_that_ends_in_good_order(store: Store) -> None:
    """Released as a whole (after a death, too) or one sandbox of it, or idle for too long since a death."""
    for end in ("release", "release one", "death, release", "death, idle"):
        (base,) = await leased(store, ALICE, "base", now=100.0)
        await store.change_mcp_servers(base, {"x": A})
        if end.startswith("death"):
            await store.mark_stopping(base, DEATH)
        if end == "release one":
            await store.mark_stopping(base, ENDING)
        elif end.endswith("release"):
            await store.end_lease(ALICE, ENDING)
        else:
            await store.end_idle(idle_since=99.0, ending=ENDING)
            await store.end_idle(idle_since=100.0, ending=ENDING)
        assert await _again(store) == {}, end
        await store.end_lease(ALICE, ENDING)


async def test_a_death_is_remembered_for_as_long_as_a_lease_may_be_idle(store: Store) -> None:
    """Not a moment less."""
    (base,) = await leased(store, ALICE, "base", now=100.0)
    await store.change_mcp_servers(base, {"x": A})
    await store.mark_stopping(base, DEATH)
    await store.end_idle(idle_since=99.0, ending=ENDING)
    assert await _again(store) == {"x": A}
