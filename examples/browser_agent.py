"""An agent with a browser of its own for each session, which a person can watch.

    python examples/scripted_model.py --port 8900 &     unless DASHSCOPE_API_KEY or OPENAI_API_KEY is set
    python examples/browser_agent.py

    curl -N http://127.0.0.1:8090/process -H 'Content-Type: application/json' -d '{"session_id": "s1",
        "input": [{"role": "user", "content": "Open data:text/html,%3Ch1%3EHello%3C/h1%3E and say what it says."}]}'

All turns of a session act in the same browser. MANAGER names a manager that runs (`make run`); without it, one runs in
this process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agentscope.agent import ReActAgent
from agentscope.message import Msg
from agentscope.pipeline import stream_printing_messages
from agentscope.tool import Toolkit
from fastapi import FastAPI
from friday_model import friday_model

from agentscope_runtime.adapters.agentscope.memory import AgentScopeSessionHistoryMemory
from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.engine.services.sandbox import SandboxService

TOOLS = ("browser_navigate", "browser_snapshot", "browser_take_screenshot", "browser_click", "browser_type")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the sandboxes' service once for all requests; its end gives back what they leased."""
    async with SandboxService(base_url=os.environ.get("MANAGER")) as app.state.sandboxes:
        yield


app = AgentApp(app_name="Browser Friday", app_description="Looks things up in a real browser", lifespan=lifespan)


@app.query(framework="agentscope")
async def answer(self: Any, msgs: list[Msg], request: AgentRequest, **kwargs: Any) -> AsyncIterator[Any]:
    """Answer one turn: with the session's browser, and with what was said in it before."""
    assert request.session_id  # the engine gives one to requests without
    (browser,) = await app.state.sandboxes.connect_async(request.session_id, request.user_id, ["browser"])
    toolkit = Toolkit()
    for tool in TOOLS:
        toolkit.register_tool_function(getattr(browser, tool))
    model, formatter = friday_model()
    agent = ReActAgent(
        name="Friday",
        sys_prompt="You are Friday. Use the browser to find out what you do not know.",
        model=model,
        formatter=formatter,
        toolkit=toolkit,
        memory=AgentScopeSessionHistoryMemory(
            service=app.state.session_service, session_id=request.session_id, user_id=request.user_id
        ),
    )
    agent.set_console_output_enabled(enabled=False)
    async for pair in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
        yield pair  # the agent's message so far, and whether it is whole


@app.post("/watch")
async def watch(request: AgentRequest) -> dict[str, str]:
    """Give a person a link, which opens once, to the screen of a session's browser."""
    user = request.user_id or request.session_id
    (browser,) = await app.state.sandboxes.connect_async(request.session_id, user, ["browser"])
    return {"url": await browser.get_desktop_url_async()}


@app.post("/close")
async def close(request: AgentRequest) -> dict[str, Any]:
    """Give a session's browser back before it is idle for long."""
    user = request.user_id or request.session_id
    return {"released": await app.state.sandboxes.release_async(request.session_id, user)}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8090")))
