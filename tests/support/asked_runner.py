"""Runners without an application, and how they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strict_reader import Reading, read

from agentscope_runtime.engine.runner import Runner

HELLO = {"input": [{"role": "user", "content": "hello"}]}


def answering(handler: Callable[..., Any]) -> Runner:
    """Make a runner whose handler is a function without `self`."""
    runner = Runner()
    runner.query_handler = handler  # type: ignore[method-assign]
    return runner


async def ask(runner: Runner, request: Any = None, **kwargs: Any) -> Reading:
    """Return what a strict reader reads of an answer."""
    async with runner:
        events = [event async for event in runner.stream_query(request or HELLO, **kwargs)]
    return read([event.model_dump(mode="json") for event in events])
