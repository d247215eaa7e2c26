"""Functions that make agents: `AgentApp(agent=make_agent)` has one made for each run, so that runs go side by side."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, get_args, get_type_hints

from agentscope_runtime.engine.errors import InvalidOption

AgentT = TypeVar("AgentT")


def maker_of(agent: Any, *kinds: type) -> Callable[[], Any] | None:
    """Return what was given if it makes agents of these kinds; None if it is something else.

    A function is known by what it says it returns, else by what it makes when it is called here. One that is async
    has to say it: nobody waits for it here.
    """
    if not (inspect.isclass(agent) or inspect.isroutine(agent) or isinstance(agent, partial)) or _wants_more(agent):
        return None
    promised = (agent,) if inspect.isclass(agent) else _promised(agent)
    if promised:
        return agent if any(issubclass(one, kinds) for one in promised) else None
    if inspect.iscoroutinefunction(agent):
        return None
    return agent if isinstance(agent(), kinds) else None


async def made_by(make: Callable[[], Any], *kinds: type) -> Any:
    """Return a new agent.

    Raises:
        InvalidOption: this time it was something else.
    """
    made = make()
    agent = await made if inspect.isawaitable(made) else made
    if not isinstance(agent, kinds):
        raise InvalidOption(f"agent= is a function that made {type(agent).__name__}, not {kinds[0].__name__}")
    return agent


def _wants_more(function: Callable[..., Any]) -> bool:
    """Say whether it cannot be called without arguments."""
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):  # it takes some; nobody knows
        return True
    return False


def _promised(function: Callable[..., Any]) -> tuple[type, ...]:
    """Return the classes that a function says it returns one of."""
    inner = function.func if isinstance(function, partial) else function
    try:
        promise = get_type_hints(inner).get("return")
    except (NameError, TypeError):  # imported for type checkers only; something without annotations
        return ()
    return tuple(getattr(one, "__origin__", one) for one in get_args(promise) or (promise,) if _is_class(one))


def _is_class(annotation: Any) -> bool:
    return inspect.isclass(getattr(annotation, "__origin__", annotation))
