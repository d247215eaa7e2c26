"""Ready agents, and the frameworks that take them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest

from agentscope_runtime.engine import agents, frameworks
from agentscope_runtime.engine.agents import handler_of
from agentscope_runtime.engine.errors import InvalidOption, MissingFramework
from agentscope_runtime.engine.frameworks import Framework


class Agent:
    """An agent of a framework of the tests'."""

    def __init__(self, framework: str) -> None:
        self.framework = framework


class FakeAdapter:
    """Takes the agents of one framework, and functions that make some."""

    def __init__(self, name: str) -> None:
        self.name = name

    def serve(self, agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
        """Return a handler that is recognised by its name."""
        made = agent if isinstance(agent, Agent) else agent() if callable(agent) else None

        async def handler() -> AsyncIterator[Any]:
            yield self.name

        return handler if isinstance(made, Agent) and made.framework == self.name else None


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three frameworks: `ink` is imported, `pen` is installed, `wax` cannot be used; what was loaded is noted."""
    noted: list[str] = []

    def load(name: str) -> FakeAdapter:
        noted.append(name)
        if name == "wax":
            raise MissingFramework("wax 2 is too new")
        return FakeAdapter(name)

    three = {name: Framework(name=name, imports=f"tests_{name}", package=name) for name in ("pen", "wax", "ink")}
    monkeypatch.setattr(agents, "FRAMEWORKS", three)
    monkeypatch.setattr(agents, "load", load)
    monkeypatch.setattr(frameworks, "find_spec", lambda name: object() if name != "tests_wax" else None)
    monkeypatch.setitem(sys.modules, "tests_ink", ModuleType("tests_ink"))
    return noted


def test_an_agent_is_taken_by_its_framework(loaded: list[str]) -> None:
    """Only frameworks that are imported are asked: no agent is without its own."""
    framework, handler = handler_of(Agent("ink"))
    assert (framework, handler.__name__, loaded) == ("ink", "handler", ["ink"])


def test_a_function_may_import_its_framework_when_it_is_called(loaded: list[str]) -> None:
    """For functions, the other installed frameworks are asked, too, after the imported ones."""
    framework, _ = handler_of(lambda: Agent("pen"))
    assert (framework, loaded) == ("pen", ["ink", "pen"])


def test_what_nobody_takes_is_refused(loaded: list[str]) -> None:
    """Something that is no agent is refused with its name, the frameworks, and what to do instead."""

    def make_tea() -> str:
        return "tea"

    with pytest.raises(InvalidOption, match=r"agent=<Agent> is no agent of pen, wax, ink.*@app\.query"):
        handler_of(Agent("none"))
    with pytest.raises(InvalidOption, match="agent=make_tea"):
        handler_of(make_tea)


def test_a_framework_that_cannot_be_used_does_not_hide_another(
    monkeypatch: pytest.MonkeyPatch, loaded: list[str]
) -> None:
    """A framework of the wrong version is told only if no other one takes the agent."""
    monkeypatch.setitem(sys.modules, "tests_wax", ModuleType("tests_wax"))
    assert handler_of(Agent("ink"))[0] == "ink"
    assert loaded == ["wax", "ink"]
    with pytest.raises(MissingFramework, match="wax 2 is too new"):
        handler_of(Agent("wax"))
