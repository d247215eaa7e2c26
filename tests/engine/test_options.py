"""What the constructor of an application refuses, and what FastAPI gets of it."""

from __future__ import annotations

from typing import Any

import pytest
from asking import body, started

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.settings import MAX_BODY_SIZE


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"runner": 5}, "runner=5 must be a Runner"),
        ({"interrupt_backend": 5}, "interrupt_backend=5 must be a BaseInterruptBackend"),
        ({"before_start": 5}, "before_start=5 must be a function"),
        ({"after_finish": "x"}, "after_finish='x' must be a function"),
        ({"lifespan": 5}, "lifespan=5 must be a function"),
        ({"custom_endpoints": 5}, "custom_endpoints=5 must be a list"),
        ({"custom_endpoints": [5]}, "custom_endpoints has 5"),
        ({"custom_endpoints": [{"path": "/x"}]}, "custom_endpoints has {'path': '/x'}"),
        ({"appname": "Friday"}, "there is no option appname=: is app_name= meant?"),
        ({"docs_ulr": None}, "there is no option docs_ulr=: is docs_url= meant?"),
        ({"max_body_size": "1 GB"}, "max_body_size='1 GB' must be a number of bytes"),
        ({"quux": 5}, "there is no option quux="),
    ],
)
def test_an_option_of_the_wrong_kind_is_refused_when_the_application_is_made(
    option: dict[str, Any], message: str
) -> None:
    """Not when it starts, and not with the first request."""
    with pytest.raises(InvalidOption, match=message):
        AgentApp(**option)


def test_what_is_not_built_yet_says_so() -> None:
    """As an attribute that is not there: whoever asks with `hasattr` hears the truth."""
    app = AgentApp()
    assert not hasattr(app, "task")
    with pytest.raises(AttributeError, match=r"AgentApp.task is for functions as background tasks, which this version"):
        _ = app.task
    with pytest.raises(AttributeError, match=r"AgentApp.deploy is for serving an application elsewhere"):
        _ = app.deploy


@pytest.mark.parametrize(
    ("options", "status"),
    [({}, 413), ({"max_body_size": None}, 200), ({"max_body_size": MAX_BODY_SIZE + 1000}, 200)],
)
async def test_bodies_have_a_limit(options: dict[str, Any], status: int) -> None:
    """The usual one, unless the user gives another or none."""
    app = AgentApp(**options)

    @app.query(framework=None)
    async def answer(self: Any) -> str:
        return "hello"

    async with started(app) as client:
        much = body("x" * MAX_BODY_SIZE)
        assert (await client.post("/process", json=body())).status_code == 200
        assert (await client.post("/process", json=much)).status_code == status
