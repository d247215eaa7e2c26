"""Functions that make agents, told apart from everything else."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from agentscope_runtime.adapters.makers import made_by, maker_of
from agentscope_runtime.engine.errors import InvalidOption


class Agent:
    """An agent."""

    def __call__(self) -> str:
        """Answer: an agent that can be called makes no agents."""
        return "hello"


class Special(Agent):
    """An agent, too."""


class Team:
    """Another kind of agent."""


def promising() -> Agent:
    """Say what it makes."""
    raise AssertionError("it need not be called to know")


def promising_either() -> Special | Team:
    """Say what it makes."""
    raise AssertionError("it need not be called to know")


async def promising_later() -> Agent:
    """Say what it makes."""
    return Agent()


def promising_else() -> str:
    """Say what it makes."""
    raise AssertionError("it need not be called to know")


async def silent_later():  # type: ignore[no-untyped-def]  # noqa: D103 – it says nothing
    return Agent()


MAKERS = [
    Agent,
    Special,
    Team,
    promising,
    promising_either,
    promising_later,
    lambda: Agent(),
    partial(lambda _: Team(), 1),
]
OTHERS = [Agent(), "agent", str, promising_else, silent_later, lambda: "agent", lambda wanted: Agent(), print]


@pytest.mark.parametrize("make", MAKERS)
def test_what_makes_agents_is_known(make: Any) -> None:
    """By what it says, or else by what it makes."""
    assert maker_of(make, Agent, Team) is make


@pytest.mark.parametrize("other", OTHERS)
def test_what_makes_none_is_known(other: Any) -> None:
    """Agents themselves are none, even where they can be called."""
    assert maker_of(other, Agent, Team) is None


async def test_makers_may_be_async() -> None:
    """They are awaited."""
    assert isinstance(await made_by(promising_later, Agent), Agent)
    assert isinstance(await made_by(Special, Agent), Special)


async def test_a_maker_that_makes_something_else_is_told() -> None:
    """The error says what came."""
    with pytest.raises(InvalidOption, match="a function that made str, not Agent"):
        await made_by(lambda: "agent", Agent)
