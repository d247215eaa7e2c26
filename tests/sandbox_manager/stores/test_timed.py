"""Timing changes nothing but the time that is told."""

from __future__ import annotations

import pytest

from agentscope_runtime.sandbox.errors import SandboxNotFound, StoreUnavailable
from agentscope_runtime.sandbox_manager.states import Census
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore
from agentscope_runtime.sandbox_manager.stores.timed import timed


class Away(MemoryStore):
    """A store that is not there."""

    async def census(self) -> dict[str, Census]:
        """Fail."""
        raise StoreUnavailable("away")


async def test_verbs_answer_as_before_and_are_told() -> None:
    """Their names, and that they were served, be it with an error of the domain."""
    seen: list[tuple[str, bool]] = []
    store = timed(MemoryStore("mgr-1"), lambda verb, seconds, served: seen.append((verb, served and seconds >= 0)))
    assert store.manager == "mgr-1"
    assert await store.census() == {}
    with pytest.raises(SandboxNotFound):
        await store.get("sbx-1")
    assert seen == [("census", True), ("get", True)]


async def test_a_store_that_is_away_is_told_apart() -> None:
    """The error passes."""
    seen: list[bool] = []
    store = timed(Away("mgr-1"), lambda verb, seconds, served: seen.append(served))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.census()
    assert seen == [False, False]
