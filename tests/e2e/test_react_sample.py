"""The ReAct sample of the first API, as its document has it, run as a program of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from asking import body, heard
from managers import containers_of, eventually, free_port
from model_server import ModelServer
from programs import running
from strict_reader import Reading

pytestmark = [pytest.mark.docker, pytest.mark.slow]

SAMPLE = """
import os

from agentscope.agent import ReActAgent
from agentscope.formatter import DashScopeChatFormatter
from agentscope.model import DashScopeChatModel
from agentscope.pipeline import stream_printing_messages
from agentscope.tool import Toolkit

from agentscope_runtime.adapters.agentscope.memory import AgentScopeSessionHistoryMemory
from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.engine.services.agent_state import InMemoryStateService
from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.engine.services.session_history import InMemorySessionHistoryService

PORT = int(os.environ["PORT"])

agent_app = AgentApp(app_name="Friday", app_description="A helpful assistant with a browser")


@agent_app.init
async def init_func(self):
    self.state_service = InMemoryStateService()
    self.session_service = InMemorySessionHistoryService()
    self.sandbox_service = SandboxService()
    await self.state_service.start()
    await self.session_service.start()
    await self.sandbox_service.start()


@agent_app.shutdown
async def shutdown_func(self):
    await self.sandbox_service.stop()
    await self.session_service.stop()
    await self.state_service.stop()


@agent_app.query(framework="agentscope")
async def query_func(self, msgs, request: AgentRequest = None, **kwargs):
    session_id = request.session_id
    user_id = request.user_id
    state = await self.state_service.export_state(session_id=session_id, user_id=user_id)

    sandboxes = self.sandbox_service.connect(session_id=session_id, user_id=user_id, sandbox_types=["browser"])
    browser = sandboxes[0]
    toolkit = Toolkit()
    toolkit.register_tool_function(browser.browser_navigate)
    toolkit.register_tool_function(browser.browser_snapshot)
    toolkit.register_tool_function(browser.browser_take_screenshot)
    toolkit.register_tool_function(browser.browser_click)
    toolkit.register_tool_function(browser.browser_type)

    agent = ReActAgent(
        name="Friday",
        model=DashScopeChatModel(
            "qwen-turbo", api_key=os.getenv("DASHSCOPE_API_KEY"), enable_thinking=True, stream=True
        ),
        sys_prompt="You're a helpful assistant named Friday",
        toolkit=toolkit,
        memory=AgentScopeSessionHistoryMemory(service=self.session_service, session_id=session_id, user_id=user_id),
        formatter=DashScopeChatFormatter(),
    )
    agent.set_console_output_enabled(enabled=False)
    if state:
        agent.load_state_dict(state)

    async for msg, last in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
        yield msg, last

    await self.state_service.save_state(user_id=user_id, session_id=session_id, state=agent.state_dict())


if __name__ == "__main__":
    agent_app.run(host="127.0.0.1", port=PORT)
"""

PAGE = "data:text/html," + quote(
    """<h1 id=h>The lamp is out</h1><button onclick="h.textContent='It burns'">Light it</button>""", safe=""
)
"""A page that needs no server."""


@dataclass
class Sample:
    """The program, and the model that it asks."""

    url: str
    model: ModelServer

    def ask(self, text: str, **ids: str) -> Reading:
        """Ask it over HTTP."""
        answer = httpx.post(f"{self.url}/process", json=body(text, **ids), timeout=120, trust_env=False)
        return heard(answer)


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    """Run the sample; its model's address and key are all that it is told."""
    port = free_port()
    (tmp_path / "react_agent.py").write_text(SAMPLE)
    state = tmp_path / "state"
    with (
        ModelServer() as model,
        running(
            "react_agent.py",
            folder=tmp_path,
            PORT=str(port),
            DASHSCOPE_API_KEY="none",
            DASHSCOPE_HTTP_BASE_URL=model.dashscope,
            AGENTSCOPE_RUNTIME_STATE_DIR=str(state),
            POOL_SIZE="browser=1",
        ) as program,
    ):
        program.wait_answers(f"http://127.0.0.1:{port}/", within=90)
        yield Sample(f"http://127.0.0.1:{port}", model)
        assert len(containers_of(state)) > 0
        assert program.end() in (0, -15), program.said
        assert "Traceback" not in program.said
        eventually(lambda: containers_of(state) == [], 20, "nothing is left")


def test_S14_S37_S63_S65_S70_S71_the_react_sample_runs_as_it_stands(sample: Sample) -> None:
    """Two turns by session_id alone: the agent knows the name, and finds its browser as it left it."""
    told = sample.ask(f'My name is Alice. Open {PAGE} and click "Light it".', session_id="s1")
    assert "The page says: It burns" in told.text
    tools: list[Any] = [part["data"]["name"] for message in told.messages for part in calls(message)]
    assert tools[:3] == ["browser_navigate", "browser_snapshot", "browser_click"]
    assert sample.ask("What is my name?", session_id="s1").text == "Your name is Alice."
    assert sample.ask("Look again!", session_id="s1").text == "The page says: It burns"
    assert sample.ask("What is my name?", session_id="s2").text == "You have not told me your name."
    offered = sample.model.asked[0].tools
    assert offered == {
        "browser_navigate",
        "browser_snapshot",
        "browser_take_screenshot",
        "browser_click",
        "browser_type",
    }


def calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the calls in a message."""
    return message["content"] if message["type"] == "plugin_call" else []
