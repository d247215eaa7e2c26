"""Readiness, over parts that are made up here: what is missing is named, with what it printed last."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sandbox_server.parts import PartFailed, Tool
from sandbox_server.readiness import missing


class Slow:
    """A part that becomes ready when it is told so."""

    name = "engine room"

    def __init__(self, said: str = "") -> None:
        """Have printed this."""
        self.up = asyncio.Event()
        self.failure = ""
        self._said = said

    async def start(self) -> None:
        """Do nothing."""

    async def ready(self) -> None:
        """Wait until told."""
        await self.up.wait()
        if self.failure:
            raise PartFailed(self.failure)

    def tools(self) -> Sequence[Tool]:
        """Bring none."""
        return ()

    def log_tail(self) -> str:
        """Return what it was made with."""
        return self._said

    async def close(self) -> None:
        """Do nothing."""


async def test_nothing_is_missing() -> None:
    """As soon as all parts are ready."""
    part = Slow()
    part.up.set()
    assert await missing([part], 5) == ""


async def test_what_is_missing_is_named_with_its_last_words() -> None:
    """Where a part has printed nothing, only its name."""
    said = await missing([Slow("cannot open display"), Slow()], 0.01)
    assert said == (
        "engine room is not ready after 0.01 s (its log ends: cannot open display); "
        "engine room is not ready after 0.01 s"
    )


async def test_a_failure_does_not_wait_for_the_others() -> None:
    """The box never will be ready."""
    failed = Slow()
    failed.failure = "no screen"
    failed.up.set()
    with pytest.raises(PartFailed, match="engine room: no screen"):
        await missing([Slow(), failed], 60)
