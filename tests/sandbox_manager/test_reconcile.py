"""What is removed from the engine, and, more important, what is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
from fake_pool import OWNER, key, kinds, world
from hypothesis import given
from virtual_time import EPOCH, settle, virtual

from agentscope_runtime.sandbox.errors import BackendUnavailable
from agentscope_runtime.sandbox_manager.backends import Found, Order, Owner
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend, FakeEngine
from agentscope_runtime.sandbox_manager.events import OrphanRemoved
from agentscope_runtime.sandbox_manager.liveness import Liveness
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.membership import LocalMembership
from agentscope_runtime.sandbox_manager.reconcile import AGE_GUARD, EVERY, Known, difference
from agentscope_runtime.sandbox_manager.states import SandboxRecord, State

NOW = 1000.0


def record(name: str, state: State = State.WARM, volume: str = "") -> SandboxRecord:
    """Make a record."""
    return SandboxRecord(name, "base", state, "image", 0.0, "token", volume=volume)


managers = st.sampled_from(["me", "alive", "dead"])
found_things = st.builds(
    Found, st.sampled_from("abcdefv"), managers, st.floats(0.0, NOW, allow_nan=False), st.booleans()
)
recorded = st.lists(
    st.builds(record, st.sampled_from("abcd"), st.sampled_from(State), st.sampled_from(["", "v"])),
    unique_by=lambda r: r.sandbox_id,
)


@given(
    before=recorded,
    after=recorded,
    found=st.lists(found_things, unique_by=lambda f: f.sandbox_id),
    shared=st.booleans(),
)
def test_only_what_is_proved_to_be_left_over_is_an_orphan(
    before: list[SandboxRecord], after: list[SandboxRecord], found: list[Found], shared: bool
) -> None:
    """Never what is recorded before or after, and never what is young, of a manager that is not proved to be dead.

    What a living manager made and nobody recorded goes only where it would be in the store that was asked.
    """
    wrong = difference(
        Known(before, after),
        found,
        is_mine=lambda manager: shared or manager == "me",
        is_dead=lambda manager: manager == "dead",
        now=NOW,
    )
    known = {name for each in (*before, *after) for name in (each.sandbox_id, each.volume)}
    for thing in found:
        would_be_recorded = shared or thing.manager == "me"
        left_over = thing.manager == "dead" or (would_be_recorded and NOW - thing.created_at > AGE_GUARD)
        assert (thing in wrong.orphans) == (left_over and thing.sandbox_id not in known)
    running = {thing.sandbox_id for thing in found if thing.running}
    assert {each.sandbox_id for each in wrong.dead} == {
        each.sandbox_id for each in before if each.answers and each.sandbox_id not in running
    }


async def left_behind(engine: FakeEngine, owner: Owner, *names: str) -> None:
    """Have containers of another manager on the engine."""
    backend = FakeBackend(owner, engine=engine, serve=False)
    for name in names:
        await backend.start(Order(name, kinds("base"), created_at=EPOCH, token="t" * 20))


def dead_manager(state_dir: Path) -> str:
    """Return the name of a manager whose process was killed while it held its lock."""
    code = (
        "import os, signal, sys, pathlib\n"
        "from agentscope_runtime.sandbox_manager.liveness import Liveness\n"
        "with Liveness(pathlib.Path(sys.argv[1])).alive('manager-killed'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(state_dir)], env=path, check=False)
    return "manager-killed"


def test_what_a_killed_manager_left_is_removed_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    """At the start, at once: five boxes of the killed one go, those of the one that runs beside us stay."""
    killed = dead_manager(tmp_path)
    assert (tmp_path / "managers" / f"{killed}.lock").exists()

    @virtual
    async def check() -> None:
        engine, liveness = FakeEngine(), Liveness(tmp_path)
        membership = LocalMembership(tmp_path, OWNER.manager)
        alive, elsewhere = Owner(OWNER.installation, "manager-2"), Owner("installation-2", killed)
        await left_behind(engine, Owner(OWNER.installation, killed), *(f"sbx-left{n}" for n in range(5)))
        await left_behind(engine, alive, "sbx-theirs")
        await left_behind(engine, elsewhere, "sbx-elsewhere")
        engine.loose["sbx-volume"] = (OWNER, Found("sbx-volume", killed, EPOCH, running=False))
        with liveness.alive("manager-2"), liveness.alive(OWNER.manager):
            async with world(Policy(targets={"base": 1}), engine=engine, membership=membership) as w:
                await settle()
                (own,) = await w.records()
                assert set(engine.containers) == {own, "sbx-theirs", "sbx-elsewhere"}
                assert not engine.loose
                assert len(w.happenings(OrphanRemoved)) == 6
                await asyncio.sleep(EVERY)
                assert set(liveness.known()) == {OWNER.manager, "manager-2"}

    check()


@virtual
async def test_two_installations_on_one_engine_do_not_touch_each_other() -> None:
    """Each has its pool, and stopping one leaves the other's boxes."""
    engine = FakeEngine()
    async with world(Policy(targets={"base": 2}), engine=engine, owner=Owner("one", "m")) as one:
        async with world(Policy(targets={"base": 2}), engine=engine, owner=Owner("two", "m")) as two:
            await asyncio.sleep(100.0)
            assert (await one.pool.report()).types["base"].ready == 2
            assert (await two.pool.report()).types["base"].ready == 2
            assert len(engine.containers) == 4
        await asyncio.sleep(100.0)
        assert len(engine.containers) == 2


@virtual
async def test_a_container_of_mine_that_nobody_recorded_goes_when_it_is_old_enough() -> None:
    """It slipped through; the age guard leaves what may be about to be recorded."""
    engine = FakeEngine()
    async with world(engine=engine) as w:
        await left_behind(engine, OWNER, "sbx-unknown")
        await asyncio.sleep(AGE_GUARD - EVERY / 2)
        assert "sbx-unknown" in w.containers
        await asyncio.sleep(2 * EVERY)
        assert "sbx-unknown" not in w.containers


@virtual
async def test_a_rebuilt_image_replaces_warm_members_and_no_leased_one() -> None:
    """Sessions keep what they work in; the next one gets the new image."""
    async with world(Policy(targets={"base": 1}, idle_timeout=10_000.0)) as w:
        await settle()
        lease = await w.pool.connect(key(), ["base"])
        await settle()
        (stale,) = w.containers - {lease.sandboxes[0].sandbox_id}
        w.backend.engine.revision += 1
        await asyncio.sleep(EVERY + 1)
        assert stale not in w.containers
        assert await w.pool.leases() == [lease]
        (fresh,) = [each for each in (await w.records()).values() if each.state is State.WARM]
        assert fresh.image_id.endswith("@2")


@virtual
async def test_an_engine_that_is_away_is_asked_again() -> None:
    """The first look fails; a later one still removes what has to go."""
    engine = FakeEngine()
    async with world(engine=engine) as w:
        await left_behind(engine, OWNER, "sbx-unknown")
        w.script.broken["containers"] = BackendUnavailable("away")
        await asyncio.sleep(100.0)
        assert "sbx-unknown" in w.containers
        w.script.broken.clear()
        await asyncio.sleep(EVERY + 1)
        assert "sbx-unknown" not in w.containers
