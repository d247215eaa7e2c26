"""Who may call an AgentApp: the key, other sites' pages, and what nobody may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asking import body, started

from agentscope_runtime.engine import AgentApp


def echo(app: AgentApp) -> AgentApp:
    """Add a handler."""

    @app.query(framework="text")
    async def answer(self: Any) -> AsyncIterator[str]:
        yield "echo"

    return app


KEY = {"Authorization": "Bearer a-long-secret"}


@pytest.mark.parametrize("where", ["option", "environment"])
async def test_the_key_guards_agents_and_nothing_else(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries and endpoints want it; probes, documents and native routes do not."""
    if where == "environment":
        monkeypatch.setenv("AGENT_BEARER_TOKEN", "a-long-secret")
        app = echo(AgentApp())
    else:
        app = echo(AgentApp(bearer_token="a-long-secret"))
    app.endpoint("/custom")(lambda: "custom")
    app.get("/native")(lambda: "native")
    async with started(app) as client:
        for path in ("/process", "/custom"):
            refused = await client.post(path, json=body())
            assert (refused.status_code, refused.json()["code"]) == (401, "not_authorized")
            assert (await client.post(path, json=body(), headers=KEY)).status_code == 200
        for path in ("/", "/health", "/readiness", "/liveness", "/native", "/openapi.json"):
            assert (await client.get(path)).status_code == 200


async def test_no_other_page_may_call_unless_it_is_listed() -> None:
    """Without `cors_origins` a browser gets no permission; with it, only these origins get one, and no cookies."""
    asking = {"Origin": "https://chat.example.org", "Access-Control-Request-Method": "POST"}
    async with started(echo(AgentApp())) as client:
        assert "access-control-allow-origin" not in (await client.options("/process", headers=asking)).headers
        answer = await client.post("/process", json=body(), headers=asking)
        assert "access-control-allow-origin" not in answer.headers
    app = echo(AgentApp(cors_origins=["https://chat.example.org"], bearer_token="a-long-secret"))
    async with started(app) as client:
        allowed = (await client.options("/process", headers=asking)).headers
        assert allowed["access-control-allow-origin"] == "https://chat.example.org"
        assert "access-control-allow-credentials" not in allowed
        refused = await client.post("/process", json=body(), headers=asking)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, asking["Origin"])
        evil = {**asking, "Origin": "https://evil.example.org"}
        assert "access-control-allow-origin" not in (await client.options("/process", headers=evil)).headers


async def test_nobody_shuts_it_down_from_outside() -> None:
    """There is no such route."""
    async with started(echo(AgentApp())) as client:
        for path in ("/shutdown", "/admin/shutdown", "/admin/status"):
            assert (await client.post(path)).status_code == 404
