"""A manager with its store in memory, killed wherever it is: its successor leaves nothing, and serves everybody."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from chaos import remote
from chaos.rounds import all_is_well, everybody_runs, kill_at_all, kill_for
from chaos.sessions import Violation
from chaos.tripwires import all_kills
from chaos.world import world

from agentscope_runtime.sandbox_manager.backends import Blueprint, Order, Owner

pytestmark = pytest.mark.slow

ALWAYS = {
    *("store.claim", "store.record_start", "store.record_container", "store.mark_ready", "store.touch"),
    *("store.end_lease", "store.mark_stopping", "store.forget", "backend.start", "backend.remove"),
}
"""Operations that sessions come by in a moment; others need chance, or another setting."""
OTHERS = 1000 if os.environ.get("CHAOS_DURATION") else 20
"""How many points beside these one run kills at: all of them by `make chaos`."""
FOR_MANY = {"store.adopt", "store.take_over"}
"""Operations of managers that share a store."""


async def test_killed_at_every_point(tmp_path: Path, seed: int) -> None:
    """Before and after operations of store and backend, and within those of the engine."""
    async with world(tmp_path, seed=seed) as w:
        missed = await kill_at_all(w, [each for each in all_kills() if each.point in ALWAYS], look_every=10, within=20)
        assert not missed, [str(kill) for kill in missed]
        others = [kill for kill in all_kills() if kill.point not in ALWAYS | FOR_MANY]
        await kill_at_all(w, w.dice.sample(others, k=min(OTHERS, len(others))), look_every=13)


async def test_killed_at_random(tmp_path: Path, seed: int, duration: float) -> None:
    """Wherever it happens to be."""
    async with world(tmp_path, seed=seed) as w:
        await kill_for(w, duration)


async def test_two_installations_on_one_engine(tmp_path: Path, seed: int, duration: float) -> None:
    """The end of one manager is nothing to the sessions of the other."""
    async with world(tmp_path, seed=seed, installations=2) as w:
        victim, other = w.installations
        other.managers[0].start()
        for session in other.sessions:
            session.keeps = True
        w.victims = victim.managers
        await kill_for(w, duration / 2)


async def test_the_engine_restarts(tmp_path: Path, seed: int) -> None:
    """All boxes end unseen, and for a second nobody can be asked; then sessions get others."""
    async with world(tmp_path, seed=seed) as w:
        await everybody_runs(w)
        async with w.busy():
            for _ in range(2):
                await asyncio.sleep(0.5)
                w.note("the engine, with all boxes")
                w.holdings.dead.update(await w.engine.go_down())
                await asyncio.sleep(1.0)
                await w.engine.come_back()
        await all_is_well(w)


async def test_a_leak_is_found(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests look for is found if it is there: a container that no manager knows."""
    monkeypatch.setattr("chaos.world.SETTLES_WITHIN", 1.0)
    async with world(tmp_path, seed=seed) as w:
        backend = remote.Remote(str(tmp_path / "engine.sock"), Owner("somebody", "else"))
        await backend.start(Order("sbx-leaked", Blueprint("base", "image", 1, 1, 1), 0.0, "token"))
        with pytest.raises(Violation, match=r"leaked containers: \['sbx-leaked'\]"):
            await all_is_well(w)
        await backend.aclose()
