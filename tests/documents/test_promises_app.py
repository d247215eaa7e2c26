"""AgentApp as the documents present it, and what clients of it see: S1 to S16, S23 to S29, S53, S54."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
from asking import QUESTION, WORDS, ask, body, friday, heard, started
from fastapi import FastAPI, Request
from managers import free_port
from programs import running

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest


def test_S1_S3_S4_S16_an_application_is_made_in_one_line() -> None:
    """With a name and a description, which can be read, or with nothing at all."""
    app = AgentApp(app_name="Friday", app_description="A helpful assistant")
    assert (app.app_name, app.app_description) == ("Friday", "A helpful assistant")
    assert AgentApp().app_name


async def test_S2_S33_S53_S54_it_is_a_fastapi_application() -> None:
    """Native routes, middleware and app.state work beside the agent's."""
    app = friday()

    @app.middleware("http")
    async def mark(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["X-Seen"] = app.state.seen
        return response

    @app.get("/info")
    async def info() -> dict[str, str]:
        return {"app name": app.app_name, "app description": app.app_description, "custom_metadata": "v1.0.0"}

    @app.post("/update_config")
    async def update_config(data: dict[str, Any]) -> dict[str, Any]:
        return {"status": "updated", **data}

    app.state.seen = "yes"
    assert isinstance(app, FastAPI)
    async with started(app) as client:
        answer = await client.get("/info")
        assert answer.json() == {
            "app name": "Friday",
            "app description": "A helpful assistant",
            "custom_metadata": "v1.0.0",
        }
        assert answer.headers["X-Seen"] == "yes"
        assert (await client.post("/update_config", json={"a": 1})).json() == {"status": "updated", "a": 1}
        assert (await client.post("/process", json=body())).headers["X-Seen"] == "yes"


async def test_S6_there_is_no_business_route_before_a_handler() -> None:
    """POST /process is 404 until @app.query, and 200 after it."""
    async with started(AgentApp()) as client:
        assert (await client.post("/process", json=body())).status_code == 404
    async with started(friday()) as client:
        assert (await client.post("/process", json=body())).status_code == 200


async def test_S7_a_handler_may_be_a_function_of_any_kind() -> None:
    """Plain, async, generator, async generator: clients see the same."""
    app = AgentApp()

    def plain(self: Any, request: AgentRequest) -> str:
        return "".join(WORDS)

    async def coroutine(self: Any, request: AgentRequest) -> str:
        return "".join(WORDS)

    def generator(self: Any, request: AgentRequest) -> Iterator[str]:
        yield from WORDS

    async def streaming(self: Any, request: AgentRequest) -> AsyncIterator[str]:
        for word in WORDS:
            yield word

    handlers = [plain, coroutine, generator, streaming]
    for handler in handlers:
        app.query(framework="text", path=f"/{handler.__name__}")(handler)
    async with started(app) as client:
        for handler in handlers:
            assert (await ask(client, path=f"/{handler.__name__}")).text == "".join(WORDS)


async def test_S7_a_handler_that_blocks_holds_nobody_up() -> None:
    """A plain function and a generator wait, blocking, for something that a later request does."""
    app = AgentApp()
    later = threading.Event()

    @app.query(framework="text", path="/plain")
    def plain(self: Any, request: AgentRequest) -> str:
        return "freed" if later.wait(20) else "alone"

    @app.query(framework="text", path="/generator")
    def generator(self: Any, request: AgentRequest) -> Iterator[str]:
        yield "freed" if later.wait(20) else "alone"

    @app.query(framework="text", path="/later")
    async def free(self: Any, request: AgentRequest) -> str:
        later.set()
        return "freeing"

    async with started(app) as client:
        waiting = [asyncio.create_task(ask(client, path=path)) for path in ("/plain", "/generator")]
        assert (await ask(client, path="/later")).text == "freeing"
        assert [(await one).text for one in waiting] == ["freed", "freed"]


APP = """
from agentscope_runtime.engine import AgentApp

app = AgentApp(app_name="Friday", app_description="A helpful assistant")

@app.query(framework="text")
async def answer(self, request=None, **kwargs):
    yield "The capital of France is Paris."

if __name__ == "__main__":
    app.run(host="127.0.0.1", port={port})
"""


def test_S8_S9_S10_S11_S12_S13_S15_run_serves_what_the_curl_lines_ask(tmp_path: Path) -> None:
    """`app.run` in a process of its own: the four curl lines answer 200, /process streams, and a signal ends it."""
    port = free_port()
    url = f"http://localhost:{port}"
    (tmp_path / "friday.py").write_text(APP.format(port=port))
    with running("friday.py", folder=tmp_path) as program:
        program.wait_answers(url)
        health = httpx.get(f"{url}/health").raise_for_status().json()
        assert health["status"] == "healthy"
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", health["timestamp"])
        for path in ("/readiness", "/liveness", "/"):
            assert httpx.get(url + path).status_code == 200
        named = re.findall(r'"(/[^"]*)"', httpx.get(url + "/").text)
        known = httpx.get(f"{url}/openapi.json").json()["paths"]
        assert named and set(named) <= {*known, "/docs", "/openapi.json"}, "the welcome page names what is not there"
        assert heard(httpx.post(f"{url}/process", json=body())).text == "The capital of France is Paris."
        assert program.end() in (0, -15), program.said


async def test_S11_it_is_not_ready_before_its_start() -> None:
    """/readiness is 503 where the lifespan did not run, while /liveness is 200."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(friday()), base_url="http://agent") as client:
        assert (await client.get("/readiness")).status_code == 503
        assert (await client.get("/liveness")).status_code == 200


async def test_S23_stream_and_response_type_are_options() -> None:
    """stream=False, of the application or of a request, gives one JSON response."""
    async with started(friday(response_type="sse", stream=True)) as client:
        assert (await client.post("/process", json=body())).headers["content-type"].startswith("text/event-stream")
        whole = (await client.post("/process", json=body(stream=False))).json()
        assert whole["status"] == "completed"
        assert whole["output"][0]["content"][0]["text"] == "".join(WORDS)
    async with started(friday(stream=False)) as client:
        answer = await client.post("/process", json=body())
        assert answer.json()["output"][0]["text"] == "".join(WORDS)


async def test_S24_S29_the_documents_request_is_answered_many_at_once() -> None:
    """Without ids, fifty at once never meet; with ids, they are the response's."""
    async with started(friday()) as client:
        readings = await asyncio.gather(*(ask(client) for _ in range(50)))
        assert {reading.text for reading in readings} == {"".join(WORDS)}
        assert len({reading.response["session_id"] for reading in readings}) == 50
        reading = await ask(client, session_id="ss-123", user_id="uu-123")
        assert reading.response["session_id"] == "ss-123"


async def test_S25_S26_S27_S28_the_stream_is_as_documented() -> None:
    """Its objects and statuses in their order, deltas, the full text in the completed message, numbers, [DONE]."""
    async with started(friday()) as client:
        answer = await client.post("/process", json=body(QUESTION))
        lines = [line for line in answer.text.splitlines() if line]
    assert lines.pop() == "data: [DONE]"
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [(event["object"], event["status"]) for event in events] == [
        ("response", "created"),
        ("response", "in_progress"),
        ("message", "in_progress"),
        *[("content", "in_progress")] * len(WORDS),
        ("content", "completed"),
        ("message", "completed"),
        ("response", "completed"),
    ]
    assert [event["text"] for event in events if event["object"] == "content" and event["delta"]] == WORDS
    message = next(event for event in events if (event["object"], event["status"]) == ("message", "completed"))
    assert message["text"] == "The capital of France is Paris."
