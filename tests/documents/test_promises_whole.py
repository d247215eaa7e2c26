"""What the documents say of the whole: S14, S60 to S63, S95, S101, S103."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import httpx
from asking import body, heard
from managers import ROOT, free_port
from programs import Program, environment, running
from redis_server import RedisServer

from agentscope_runtime.engine.frameworks import FRAMEWORKS

IMPORTS = """
from agentscope_runtime.engine import AgentApp, Runner
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.engine.services.agent_state import InMemoryStateService
from agentscope_runtime.engine.services.session_history import InMemorySessionHistoryService
from agentscope_runtime.adapters.agentscope.memory import AgentScopeSessionHistoryMemory
from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BrowserSandbox
print("✅ 依赖导入成功")
agent_app = AgentApp(app_name="Friday", app_description="A helpful assistant")
print("✅ Agent App创建成功")
"""

APP = """
from agentscope_runtime.engine import AgentApp

app = AgentApp(app_name="Counter")

@app.query(framework="text")
async def count(self, request, **kwargs):
    states, key = app.state.state_service, {"user_id": request.user_id, "session_id": request.session_id}
    turn = (await states.export_state(**key) or {"turn": 0})["turn"] + 1
    await states.save_state(**key, state={"turn": turn})
    return f"turn {turn}"

if __name__ == "__main__":
    app.run(host="127.0.0.1")
"""


def test_S14_S60_S61_S62_S63_the_documents_imports_work() -> None:
    """Each name where the documents import it from, and nothing is said but what they print."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["✅ 依赖导入成功", "✅ Agent App创建成功"]
    assert done.stderr == ""


def test_S95_one_program_serves_development_and_production(tmp_path: Path) -> None:
    """The same file: alone, in memory, open to this machine; and on several processes, with a key, over one Redis."""
    (tmp_path / "counter.py").write_text(APP)
    ports = [str(free_port()) for _ in range(3)]
    with running("counter.py", folder=tmp_path, PORT=ports[0]) as program:
        assert [turn(program, ports[0]) for _ in range(2)] == ["turn 1", "turn 2"]
    with RedisServer(tmp_path / "redis") as redis:
        settings = {
            "STATE_BACKEND": "redis",
            "STATE_REDIS_REDIS_URL": redis.url,
            "AGENT_BEARER_TOKEN": "of the production",
        }
        serve = ("-m", "uvicorn", "counter:app", "--port")
        with (
            running(*serve, ports[1], folder=tmp_path, **settings) as one,
            running(*serve, ports[2], folder=tmp_path, **settings) as other,
        ):
            key = settings["AGENT_BEARER_TOKEN"]
            assert [turn(one, ports[1], key), turn(other, ports[2], key)] == ["turn 1", "turn 2"]
            assert httpx.post(f"http://127.0.0.1:{ports[1]}/process", json=body()).status_code == 401


def turn(program: Program, port: str, key: str = "") -> str:
    """Ask once, in always the same session."""
    url = f"http://127.0.0.1:{port}"
    program.wait_answers(f"{url}/liveness")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return heard(httpx.post(f"{url}/process", json=body(session_id="s"), headers=headers)).text


def test_S101_the_parts_are_engine_sandbox_and_tools() -> None:
    """Each is found under its name; tools are made for each framework, without a need for the others."""
    frameworks = [name for name in FRAMEWORKS if name != "text"]
    tools = "".join(
        f"from agentscope_runtime.adapters.{name}.tool import sandbox_tool_adapter\n" for name in frameworks
    )
    lines = f"import agentscope_runtime.engine\nimport agentscope_runtime.sandbox\n{tools}"
    subprocess.run([sys.executable, "-c", lines], env=environment(), check=True)
    assert set(frameworks) == {"agentscope", "langgraph", "agno", "autogen"}


def test_S103_name_python_and_licence_are_as_documented_or_said_to_differ() -> None:
    """Apache-2.0; the two deviations, which stand in the README, are the distribution's name and Python 3.11."""
    project = importlib.metadata.metadata("agentscope-runtime-sandboxed")
    assert project["License-Expression"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert project["Requires-Python"] == ">=3.11"
    assert {"agentscope", "langgraph", "agno", "autogen"} <= set(project.get_all("Provides-Extra") or ())
    readme = (ROOT / "README.md").read_text()
    assert "This distribution replaces `agentscope-runtime`" in readme
    assert "Python 3.11 or newer" in " ".join(readme.split())
