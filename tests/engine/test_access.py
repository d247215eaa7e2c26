"""Who may call an agent."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from agentscope_runtime.engine.access import Access
from agentscope_runtime.engine.errors import EngineError
from agentscope_runtime.engine.problems import answer

KEY = "a key with ünïcode"


def make_app(key: str | None) -> FastAPI:
    """Make an application with an agent's route and a native one."""
    app = FastAPI(exception_handlers={EngineError: answer})

    async def agent(request: Request) -> str:
        return (await request.body()).decode() or "nothing"

    async def strict(body: dict[str, int]) -> dict[str, int]:
        return body

    access = Access(key)
    access.add_route(app, "/agent", agent, ["POST", "GET"])
    access.add_route(app, "/strict", strict, ["POST"])
    app.get("/native")(lambda: "native")
    return app


@pytest.fixture
def guarded() -> Iterator[TestClient]:
    """An application with a key."""
    with TestClient(make_app(KEY)) as client:
        yield client


def shown(key: str, scheme: str = "Bearer") -> list[tuple[bytes, bytes]]:
    """Return the header that shows a key."""
    return [(b"Authorization", f"{scheme} {key}".encode())]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_key_opens(guarded: TestClient, scheme: str) -> None:
    """Whoever shows it is served; the name of the scheme has no case."""
    assert guarded.post("/agent", headers=shown(KEY, scheme), content="hi").json() == "hi"


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ([], "no key: send the header"),
        (shown(KEY, "Basic"), "no key: send the header"),
        (shown(KEY + "x"), "the key is wrong"),
        (shown(""), "the key is wrong"),
        ([(b"Authorization", b"Bearer \xff\xfe")], "the key is wrong"),
    ],
)
def test_nothing_else_does(guarded: TestClient, headers: list[tuple[bytes, bytes]], detail: str) -> None:
    """Without the key, or with another one, it is 401 with what to do, on every method."""
    for method in ("POST", "GET"):
        refused = guarded.request(method, "/agent", headers=headers)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["code"] == "not_authorized"
        assert detail in refused.json()["detail"]
        assert KEY not in refused.text


def test_it_is_asked_for_before_the_body_is_read(guarded: TestClient) -> None:
    """A caller without the key does not even hear that its body is no JSON."""
    broken = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    assert guarded.post("/strict", **broken).status_code == 401  # type: ignore[arg-type]
    assert guarded.post("/strict", content=b"{", headers=shown(KEY)).status_code == 422


def test_native_routes_stay_native(guarded: TestClient) -> None:
    """What the application adds by FastAPI's own decorators is its own business."""
    assert guarded.get("/native").json() == "native"


def test_the_document_says_where_the_key_goes(guarded: TestClient) -> None:
    """The page /docs has its Authorize button, and shows which routes need it."""
    document = guarded.get("/openapi.json").json()
    assert document["components"]["securitySchemes"] == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}
    assert document["paths"]["/strict"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/native"]["get"]


def test_without_a_key_everybody_may() -> None:
    """No key was set: no question is asked, and a key that is shown all the same does no harm."""
    with TestClient(make_app(None)) as client:
        assert client.post("/agent").status_code == 200
        assert client.post("/agent", headers=shown("x")).status_code == 200
        assert "securitySchemes" not in client.get("/openapi.json").text


async def test_in_another_application_the_door_stays_shut() -> None:
    """Mounted, or with its routes included elsewhere, an agent asks for its key all the same."""
    app = make_app(KEY)
    outer = FastAPI(exception_handlers={EngineError: answer})
    outer.mount("/mounted", app)
    outer.include_router(app.router, prefix="/included")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://test") as client:
        for folder in ("mounted", "included"):
            assert (await client.post(f"/{folder}/agent")).status_code == 401
            assert (await client.post(f"/{folder}/agent", headers=shown(KEY))).status_code == 200
