"""Which class serves a kind of sandbox: its module is imported when somebody asks.

The registry knows classes that are imported already; here is how the built-in ones get there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from agentscope_runtime import sandbox
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.types import plain_type

if TYPE_CHECKING:
    from agentscope_runtime.sandbox._async.sandbox import SandboxAsync
    from agentscope_runtime.sandbox._sync.sandbox import Sandbox

_T = TypeVar("_T")


def class_for(sandbox_type: str) -> type[Sandbox]:
    """Return the class that serves a kind: the newest that was registered for it, else that of what it is based on."""
    from agentscope_runtime.sandbox._sync.base import BaseSandbox
    from agentscope_runtime.sandbox._sync.sandbox import Sandbox

    return _newest(sandbox_type, "_sync", Sandbox) or BaseSandbox


def async_class_for(sandbox_type: str) -> type[SandboxAsync]:
    """Return the asynchronous class that serves a kind, as `class_for`."""
    from agentscope_runtime.sandbox._async.base import BaseSandboxAsync
    from agentscope_runtime.sandbox._async.sandbox import SandboxAsync

    return _newest(sandbox_type, "_async", SandboxAsync) or BaseSandboxAsync


def _newest(sandbox_type: str, twin: str, above: type[_T]) -> type[_T] | None:
    kind = plain_type(sandbox_type)
    module = f"{twin}.{kind}"
    built_in: list[type] = [getattr(sandbox, name) for name, place in sandbox._CLASSES.items() if place == module]
    known = (*SandboxRegistry.get_classes_by_type(kind), *built_in)
    if (found := next((cls for cls in known if issubclass(cls, above)), None)) is not None:
        return found
    config = SandboxRegistry.list_all_sandboxes().get(kind)
    return None if config is None or config.based_on == kind else _newest(config.based_on, twin, above)
