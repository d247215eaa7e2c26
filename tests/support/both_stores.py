"""Two stores as one: each verb is asked of both, and what they answer has to be the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import fields, is_dataclass
from typing import Any

from agentscope_runtime.sandbox.errors import SandboxError, StoreUnavailable
from agentscope_runtime.sandbox_manager.stores import Store


class Both:
    """Passes for a store; answers as the first does."""

    def __init__(self, first: Store, second: Store) -> None:
        self._stores = first, second

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        """Ask both."""

        async def ask(*args: Any, **kwargs: Any) -> Any:
            said, too = [await _outcome(getattr(store, verb)(*args, **kwargs)) for store in self._stores]
            if isinstance(too, StoreUnavailable):
                raise too  # a busy machine, and no difference
            assert plain(said) == plain(too), f"{verb} is not the same in both stores"
            if isinstance(said, SandboxError):
                raise said
            return said

        return ask


async def _outcome(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except SandboxError as e:
        return e


def plain(said: Any) -> Any:
    """Return an answer without the order of what has none: leases, what is in them, and what ended together."""
    if isinstance(said, SandboxError):
        return type(said), said.detail, said.extras
    if isinstance(said, dict):
        return {name: plain(value) for name, value in said.items()}
    if is_dataclass(said) and not isinstance(said, type):
        return type(said), *(plain(getattr(said, field.name)) for field in fields(said))
    if isinstance(said, list | tuple):
        return sorted((plain(each) for each in said), key=repr)
    return said
