"""Which service keeps the states of ready agents."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import Depends, FastAPI

from agentscope_runtime.adapters.states import OwnStates, conversation_of, states_of_app
from agentscope_runtime.engine.services.agent_state import InMemoryStateService


async def test_it_is_that_of_the_application() -> None:
    """FastAPI finds it where the application has put it; without one there is none."""
    app = FastAPI()

    @app.get("/")
    def tell(states: Any = Depends(states_of_app)) -> str:  # noqa: B008 - as handlers without annotations write it
        return type(states).__name__

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        assert (await client.get("/")).json() == "NoneType"
        app.state.state_service = InMemoryStateService()
        assert (await client.get("/")).json() == "InMemoryStateService"


async def test_without_an_application_it_is_an_own_one() -> None:
    """Always the same, and started; whatever else is given is no service."""
    own, given = OwnStates(), InMemoryStateService()
    assert await own.unless(given) is given
    kept = await own.unless(None)
    await kept.save_state("alice", {"a": 1}, "s")
    assert await (await own.unless(Depends(states_of_app))).export_state("alice", "s") == {"a": 1}


def test_no_two_sessions_are_the_same_conversation() -> None:
    """Of whatever users, and whatever their names contain."""
    keys = [("a", "b:c"), ("a:b", "c"), ('a", "b', "c"), ("a", "b")]
    assert len({conversation_of(user, session) for user, session in keys}) == 4
