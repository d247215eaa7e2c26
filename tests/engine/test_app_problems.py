"""How an application answers when one of its own routes fails."""

from __future__ import annotations

from typing import Any

import pytest
from asking import body, friday, started
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.problems import MOST_CHARACTERS, MOST_ERRORS, MOST_VALUES
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.sandbox.errors import PoolExhausted, SandboxError


async def test_a_stop_that_names_no_session_is_the_clients_mistake() -> None:
    """In the documents' own route, too, which passes on what it was given."""
    app = AgentApp()

    @app.post("/stop")
    async def stop(request: AgentRequest) -> bool:
        return await app.stop_chat(user_id=request.user_id, session_id=request.session_id)

    async with started(app) as client:
        refused = await client.post("/stop", json=body(user_id="u"))
        assert (refused.status_code, refused.json()["code"]) == (422, "missing_session")
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert "which session?" in refused.json()["detail"]


async def test_sandbox_errors_of_native_routes_keep_their_status() -> None:
    """Unless the application has an answer of its own."""

    async def own(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse("come back later", 418)

    async def status(**options: Any) -> int:
        app = AgentApp(**options)

        @app.get("/watch")
        async def watch() -> None:
            raise PoolExhausted("all 8 sandboxes are leased")

        async with started(app) as client:
            return (await client.get("/watch")).status_code

    assert await status() == 503
    assert await status(exception_handlers={SandboxError: own}) == 418


async def test_what_is_wrong_with_a_request_is_told_as_fastapi_tells_it() -> None:
    """Kind, place, words, and what stood there, whole if it is small."""
    wrong = {"role": "user", "content": [{"type": "song", "text": "la"}]}
    async with started(friday()) as client:
        refused = await client.post("/process", json={"input": [wrong]})
        assert refused.status_code == 422
        (told,) = refused.json()["detail"]
        assert (told["type"], told["loc"]) == ("union_tag_invalid", ["body", "input", 0, "content", 0])
        assert told["msg"].endswith("'video', 'file', 'refusal'")
        assert told["input"] == {"type": "song", "text": "la"}
        assert told["ctx"]["tag"] == "song"


@pytest.mark.parametrize(
    "content",
    [
        b'{"input": [' + b"1," * 100_000 + b"1]}",
        b'{"input": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
        b'{"input": {"' + b"x" * 100_000 + b'": 1}}',
        b'{"input": [{"content": [{"type": "' + b"x" * 100_000 + b'"}]}]}',
    ],
)
async def test_little_is_told_of_much(content: bytes) -> None:
    """A body with an error in each of its items is answered by the first few, however large and deep they are."""
    async with started(friday()) as client:
        refused = await client.post("/process", content=content, headers={"Content-Type": "application/json"})
        assert refused.status_code == 422
        assert len(refused.json()["detail"]) <= MOST_ERRORS
        assert len(refused.content) < MOST_ERRORS * (MOST_VALUES + MOST_CHARACTERS) * 10


@pytest.mark.parametrize(
    "content",
    [b'{"input": NaN}', b'{"input": [-Infinity]}', b'{"input": {"\\ud800": "\\udc00"}}', b'{"input": [1e999]}'],
)
async def test_what_json_cannot_repeat_is_refused_all_the_same(content: bytes) -> None:
    """Numbers that are none, and halves of characters."""
    async with started(friday()) as client:
        refused = await client.post("/process", content=content, headers={"Content-Type": "application/json"})
        assert refused.status_code == 422, refused.text
        assert refused.json()["detail"][0]["loc"][:2] == ["body", "input"]


async def test_a_body_of_another_kind_is_told_in_part() -> None:
    """What is not said to be JSON is told as text, as much of it as of any text."""
    async with started(friday()) as client:
        refused = await client.post("/process", content=b"\xff" * 100_000, headers={"Content-Type": "text/plain"})
        assert refused.status_code == 422
        assert refused.json()["detail"][0]["input"] == "\ufffd" * MOST_CHARACTERS + "…"


async def test_an_application_may_tell_errors_of_requests_itself() -> None:
    """Its own handler goes before ours."""

    async def own(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse("what?", 400)

    async with started(friday(exception_handlers={RequestValidationError: own})) as client:
        assert (await client.post("/process", json={})).status_code == 400
