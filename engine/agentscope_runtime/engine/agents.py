"""Ready agents: finding the framework whose adapter can serve one, for `AgentApp(agent=…)`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from agentscope_runtime.engine.errors import InvalidOption, MissingFramework
from agentscope_runtime.engine.frameworks import FRAMEWORKS, TEXT, Framework, load


def handler_of(agent: Any) -> tuple[str, Callable[..., Any]]:
    """Return the framework of an agent, or of what a function makes, and the query handler that runs it.

    Raises:
        InvalidOption: no framework takes it for an agent.
        MissingFramework: one that might cannot be used here.
    """
    unusable: MissingFramework | None = None
    for framework in _candidates(agent):
        try:
            adapter = load(framework.name)
        except MissingFramework as error:
            unusable = error  # and yet the agent may be of another one
            continue
        if (handler := adapter.serve(agent)) is not None:
            return framework.name, handler
    if unusable is not None:
        raise unusable
    raise InvalidOption(
        f"agent={_described(agent)} is no agent of {', '.join(name for name in FRAMEWORKS if name != TEXT.name)}, "
        "and no function that makes one: write a handler for it with @app.query"
    )


def _candidates(agent: Any) -> Iterator[Framework]:
    """Yield the frameworks that an agent may be of, those first that cost no import.

    Whoever has an agent has imported its framework. A function that makes agents may import it later.
    """
    here = [framework for framework in FRAMEWORKS.values() if framework.imports in sys.modules]
    yield from here
    if inspect.isroutine(agent):
        yield from (one for one in FRAMEWORKS.values() if one not in here and one is not TEXT and one.installed)


def _described(agent: Any) -> str:
    return str(getattr(agent, "__name__", None) or f"<{type(agent).__name__}>")
