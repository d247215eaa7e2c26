"""The memory of sandboxes is sampled while nobody waits."""

from __future__ import annotations

import pytest
from fake_pool import filled, world
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.errors import BackendUnavailable
from agentscope_runtime.sandbox_manager.backends.fake import MEMORY
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.memory_use import FRESH_FOR, PARALLEL, SAMPLE, MemoryUse


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@virtual
async def test_the_first_question_starts_a_look_and_is_not_kept_waiting() -> None:
    """What the look found is told to those who ask later; not before it is old is there another."""
    async with world(Policy(targets={"base": 2, "browser": 1})) as w:
        await filled(w, "base", 2)
        await filled(w, "browser", 1)
        clock = Clock()
        use = MemoryUse(w.backend, clock=clock)
        assert use.means() == {}
        await settle()
        assert use.means() == {"base": MEMORY, "browser": MEMORY}
        assert w.script.seen["memory_used"] == 3
        clock.now = FRESH_FOR
        use.means()
        await settle()
        assert w.script.seen["memory_used"] == 6
        await use.aclose()


@virtual
async def test_a_look_asks_about_a_few_of_many_and_a_few_at_a_time() -> None:
    """Thousands of sandboxes must not make the engine answer thousands of questions."""
    async with world(Policy(targets={"base": 3 * SAMPLE}, parallel=9)) as w:
        await filled(w, "base", 3 * SAMPLE)
        w.script.takes["memory_used"] = 2.0
        await MemoryUse(w.backend).look()
        assert w.script.seen["memory_used"] == SAMPLE
        assert w.script.most_at_once["memory_used"] == PARALLEL


@virtual
async def test_an_engine_that_is_away_spoils_nothing() -> None:
    """What was seen before stands."""
    async with world(Policy(targets={"base": 1})) as w:
        await filled(w)
        clock = Clock()
        use = MemoryUse(w.backend, clock=clock)
        await use.look()
        w.script.broken["containers"] = BackendUnavailable("no answer")
        with pytest.raises(BackendUnavailable):
            await use.look()
        use.means()
        await settle()
        assert use.means() == {"base": MEMORY}
        await use.aclose()
        w.script.broken.clear()
