"""The frameworks whose agents the engine serves, and what it asks of the adapter of each.

An adapter is found by name and loaded when it is first needed: `find` only looks whether its framework is installed,
which costs no import. Not here: the adapters themselves (`agentscope_runtime.adapters`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from agentscope_runtime.engine.errors import MissingFramework, UnknownFramework
from agentscope_runtime.engine.schemas.agent_schemas import Message
from agentscope_runtime.engine.steps import Step

DISTRIBUTION = "agentscope-runtime-sandboxed"


class Translator(Protocol):
    """Says in steps what a handler's outputs mean; one for each response, sans I/O."""

    def take(self, output: Any) -> Iterable[Step]:
        """Translate one output.

        Raises:
            UnusableOutput: nothing that this framework's handlers yield.
        """
        ...

    def finish(self) -> Iterable[Step]:
        """Say what is left to say when the handler is done."""
        ...


class Adapter(Protocol):
    """What the engine knows of a framework."""

    def messages(self, messages: Sequence[Message], converters: Mapping[str, Callable[[Message], Any]]) -> Any:
        """Return what the handler gets as `msgs`.

        Args:
            messages: The request's input.
            converters: By type of message, what converts it instead of the adapter.
        """
        ...

    def translator(self, converters: Mapping[str, Callable[[Any], Any]]) -> Translator:
        """Make the translator of one response.

        Args:
            converters: By type of block, what makes a message, a part or text of it instead of the adapter.
        """
        ...

    def serve(self, agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
        """Return a query handler that runs a ready agent and keeps its state; None if it is none of this framework."""
        ...


@dataclass(frozen=True)
class Framework:
    """A framework that handlers can be written in."""

    name: str  #: as `@app.query(framework=…)` calls it
    module: str  #: where the adapter is
    imports: str | None = None  #: the package that must be there to be imported
    package: str | None = None  #: the distribution that brings it
    extra: str | None = None  #: of our own distribution, which asks for it

    @property
    def installed(self) -> bool:
        """Whether its package can be found."""
        return self.imports is None or find_spec(self.imports) is not None

    def missing(self, because: str = "") -> MissingFramework:
        """Make the error that says how to get it."""
        cure = f"pip install '{DISTRIBUTION}[{self.extra}]'"
        return MissingFramework(f"framework {self.name!r} needs the package {self.package}{because}: {cure}")


_ADAPTERS = "agentscope_runtime.adapters"

TEXT = Framework("text", f"{_ADAPTERS}.text")
"""Handlers without a framework, which yield strings."""

FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in (
        Framework("agentscope", f"{_ADAPTERS}.agentscope", "agentscope", "agentscope", "agentscope"),
        Framework("langgraph", f"{_ADAPTERS}.langgraph", "langchain_core", "langgraph", "langgraph"),
        Framework("agno", f"{_ADAPTERS}.agno", "agno", "agno", "agno"),
        Framework("autogen", f"{_ADAPTERS}.autogen", "autogen_agentchat", "autogen-agentchat", "autogen"),
        TEXT,
    )
}


def find(name: str | None) -> Framework:
    """Return a framework that can be used here, without importing it; `None` means text.

    Raises:
        UnknownFramework: no adapter of this name.
        MissingFramework: its package is not installed.
    """
    if name is None:
        return TEXT
    if name not in FRAMEWORKS:
        raise UnknownFramework(f"framework must be one of {', '.join(FRAMEWORKS)}; {name!r} is none of them")
    framework = FRAMEWORKS[name]
    if not framework.installed:
        raise framework.missing()
    return framework


def load(name: str | None) -> Adapter:
    """Import the adapter of a framework, and with it the framework.

    Raises:
        UnknownFramework: no adapter of this name.
        MissingFramework: its package is not installed, or does not import.
    """
    framework = find(name)
    try:
        adapter: Adapter = import_module(framework.module).ADAPTER
    except MissingFramework:
        raise
    except ImportError as error:
        if framework.package is None:
            raise
        raise framework.missing(f", which is installed but cannot be imported ({error})") from error
    return adapter
