"""Sandboxes of every class driven alike: a check is written once, and runs on the sync and the async twin.

`Driven` calls a method by its plain name: of an async sandbox it takes `name_async`, or `name` where the method itself
is a coroutine, on an event loop that runs in a thread beside the test.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from agentscope_runtime.sandbox.registry import SandboxRegistry


class Driven:
    """A started sandbox, or a part of one such as `fs`, whose methods block."""

    def __init__(self, subject: Any, portal: BlockingPortal | None) -> None:
        self.subject = subject
        """The object itself."""
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.subject, f"{name}_async", None) if self._portal else None
        value = getattr(self.subject, name) if value is None else value
        if inspect.ismethod(value):
            return lambda *given, **named: self._run(value, *given, **named)
        return Driven(value, self._portal) if _is_ours(value) else value

    def __iter__(self) -> Iterator[Any]:
        if self._portal is None:
            yield from self.subject
            return
        chunks = self.subject.__aiter__()
        while True:
            try:
                yield self._portal.call(chunks.__anext__)
            except StopAsyncIteration:
                return

    def __enter__(self) -> Self:
        if self._portal is None:
            self.subject = self.subject.__enter__()
        else:
            self.subject = self._portal.call(self.subject.__aenter__)
        return self

    def __exit__(self, *raised: object) -> None:
        if self._portal is None:
            self.subject.__exit__(*raised)
        else:
            self._portal.call(self.subject.__aexit__, *raised)

    def tool(self, name: str, /, *, within_s: float | None = None, **arguments: Any) -> dict[str, Any]:
        """Call a tool by its name and return its result, whatever it says."""
        result = self.call_tool(name, arguments, within_s)
        assert isinstance(result, dict)
        assert set(result) >= {"meta", "content", "isError"}
        return result

    def _run(self, method: Any, *given: Any, **named: Any) -> Any:
        value = self._portal.call(_finished, method, given, named) if self._portal else method(*given, **named)
        return Driven(value, self._portal) if _is_ours(value) else value


@dataclass(frozen=True, slots=True)
class Subject:
    """A sandbox under test, and what it is."""

    kind: str
    mode: str
    twin: str
    box: Driven


def _is_ours(value: object) -> bool:
    """Tell what has methods of its own to be driven: parts of sandboxes, streams, commands; not plain data."""
    return type(value).__module__.startswith("agentscope_runtime.sandbox._") and not isinstance(
        value, (str, dict, list)
    )


async def _finished(method: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
    value = method(*given, **named)
    return await value if inspect.isawaitable(value) else value


@contextmanager
def driven(kind: str, *, asynchronous: bool, base_url: str | None = None, key: str | None = None) -> Iterator[Driven]:
    """Start a sandbox of a kind, of its sync or async class; without a `base_url` its manager runs in this process."""
    (cls,) = (cls for cls in classes(kind) if hasattr(cls, "__aenter__") is asynchronous)
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal()) if asynchronous else None
        yield stack.enter_context(Driven(cls(base_url=base_url, bearer_token=key), portal))


def classes(kind: str) -> list[type]:
    """Return the two classes that the package offers for a kind."""
    import agentscope_runtime.sandbox as package

    offered = [getattr(package, name) for name in package.__all__ if "Sandbox" in name and isinstance(name, str)]
    attached = SandboxRegistry.get_classes_by_type(kind)
    return [cls for cls in offered if cls in attached]


def said(result: dict[str, Any], what: str = "stdout") -> str:
    """Return what a result says under a description."""
    return "".join(item["text"] for item in result["content"] if item.get("description") == what)


def text(result: dict[str, Any]) -> str:
    """Return all text of a result that is no error."""
    assert result["isError"] is False, result
    return "\n".join(item["text"] for item in result["content"] if item["type"] == "text")


def failure(result: dict[str, Any]) -> str:
    """Return all text of a result that is an error."""
    assert result["isError"] is True, result
    return "\n".join(item["text"] for item in result["content"] if item["type"] == "text")
