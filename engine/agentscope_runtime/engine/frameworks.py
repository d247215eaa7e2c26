"""The frameworks whose agents the engine serves, and what it asks of the adapter of each.

An adapter is found by name and loaded when it is first needed: `find` only looks whether its framework is installed,
which costs no import. Not here: the adapters themselves (`agentscope_runtime.adapters`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


Converters = Mapping[str, Callable[[Any], Any]]
"""What users convert by functions of their own: by type of message on the way in, by type of block on the way out."""

Messages = Callable[[Sequence[Message], Converters], Any]
"""Makes of a request's input what the handler gets as `msgs`."""

Serve = Callable[[Any], Callable[..., AsyncIterator[Any]] | None]
"""Makes a query handler that runs a ready agent and keeps its state; None if it is none of this framework."""


@dataclass(frozen=True)
class Adapter:
    """What the engine knows of a framework."""

    messages: Messages
    translator: Callable[[Converters], Translator]  #: makes the translator of one response
    serve: Serve


@dataclass(frozen=True, kw_only=True)
class Framework:
    """A framework that handlers can be written in."""

    name: str  #: as `@app.query(framework=…)` calls it, and our own extra and the adapter's module
    imports: str | None = None  #: the package that must be there to be imported
    package: str | None = None  #: the distribution that brings it

    @property
    def module(self) -> str:
        """Where the adapter is."""
        return f"agentscope_runtime.adapters.{self.name}"

    @property
    def cure(self) -> str:
        """The command that installs it."""
        return f"pip install '{DISTRIBUTION}[{self.name}]'"

    @property
    def installed(self) -> bool:
        """Whether its package can be found."""
        return self.imports is None or find_spec(self.imports) is not None

    def missing(self, because: str = "") -> MissingFramework:
        """Make the error that says how to get it."""
        return MissingFramework(f"framework {self.name!r} needs the package {self.package}{because}: {self.cure}")


TEXT = Framework(name="text")
"""Handlers without a framework, which yield strings."""

FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in (
        Framework(name="agentscope", imports="agentscope", package="agentscope"),
        Framework(name="langgraph", imports="langchain_core", package="langgraph"),
        Framework(name="agno", imports="agno", package="agno"),
        Framework(name="autogen", imports="autogen_agentchat", package="autogen-agentchat"),
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
    adapter: Adapter = import_module(find(name).module).ADAPTER
    return adapter


@contextmanager
def importing(name: str) -> Iterator[Framework]:
    """Have imports of a framework fail with the cure, whoever imports its adapter; for the adapters.

    Raises:
        MissingFramework: its package is not installed, or does not import.
    """
    framework = find(name)
    try:
        yield framework
    except MissingFramework:
        raise
    except ImportError as error:
        raise framework.missing(f", which is installed but cannot be imported ({error})") from error
