"""An agent that remembers, served over HTTP: it can be asked, watched while it answers, and stopped.

    python examples/scripted_model.py --port 8900 &     unless DASHSCOPE_API_KEY or OPENAI_API_KEY is set
    python examples/agent_app.py

    curl -N http://127.0.0.1:8090/process -H 'Content-Type: application/json' -d '{"session_id": "s1",
        "input": [{"role": "user", "content": [{"type": "text", "text": "My name is Alice."}]}]}'

Ask in the same session "What is my name?", and it knows.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agentscope.agent import ReActAgent
from agentscope.memory import InMemoryMemory
from agentscope.message import Msg
from agentscope.pipeline import stream_printing_messages
from agentscope.tool import Toolkit, execute_python_code
from fastapi import FastAPI
from friday_model import friday_model

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest

logger = logging.getLogger("friday")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what all requests share; here only a note of how many there were."""
    app.state.turns = 0
    yield
    logger.info("good-bye after %d turns", app.state.turns)


app = AgentApp(app_name="Friday", app_description="A helpful assistant", lifespan=lifespan)


@app.query(framework="agentscope")
async def answer(self: Any, msgs: list[Msg], request: AgentRequest, **kwargs: Any) -> AsyncIterator[Any]:
    """Answer one turn of a session: an agent of its own, with the state that the last turn left."""
    app.state.turns += 1
    key = {"session_id": request.session_id, "user_id": request.user_id}
    states = app.state.state_service
    model, formatter = friday_model()
    toolkit = Toolkit()
    toolkit.register_tool_function(execute_python_code)
    agent = ReActAgent(
        name="Friday",
        sys_prompt="You are Friday, a helpful assistant.",
        model=model,
        formatter=formatter,
        toolkit=toolkit,
        memory=InMemoryMemory(),
    )
    agent.set_console_output_enabled(enabled=False)
    if state := await states.export_state(**key):
        agent.load_state_dict(state)
    try:
        async for pair in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
            yield pair  # the agent's message so far, and whether it is whole
    except asyncio.CancelledError:
        logger.info("session %s was stopped", request.session_id)
        await agent.interrupt()
        raise
    finally:
        await states.save_state(**key, state=agent.state_dict())


@app.post("/stop")
async def stop(request: AgentRequest) -> dict[str, Any]:
    """Stop what a session is doing; the next request goes on from where it was."""
    stopped = await app.stop_chat(user_id=request.user_id or request.session_id, session_id=request.session_id)
    return {"status": "ok", "stopped": stopped}


@app.get("/info")
async def info() -> dict[str, Any]:
    """Say who this is: a route of FastAPI's, like any other."""
    return {"app name": app.app_name, "app description": app.app_description, "turns": app.state.turns}


@app.endpoint("/countdown")
async def countdown(start: int = 3) -> AsyncIterator[str]:
    """Count down: what a generator yields is streamed as server-sent events."""
    for number in range(start, 0, -1):
        yield f"{number} …"
    yield "lift-off"


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8090")))
