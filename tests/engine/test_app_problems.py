"""How an application answers when one of its own routes fails."""

from __future__ import annotations

from typing import Any

from asking import body, started
from fastapi import Request
from starlette.responses import JSONResponse

from agentscope_runtime.engine import AgentApp
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
