"""The examples that serve agents, run as programs beside the scripted model and asked by their curl lines."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import body, heard
from managers import ROOT, Server, containers_of, eventually, free_port
from programs import Program, running
from strict_reader import Reading

EXAMPLES = ROOT / "examples"


@dataclass
class Example:
    """An example that runs, and where."""

    name: str
    url: str
    program: Program

    def ask(self, text: str, session: str = "s1", user: str | None = None) -> Reading:
        """Ask its agent."""
        ids = {"session_id": session, **({"user_id": user} if user else {})}
        return heard(self.post("/process", body(text, **ids)))

    def post(self, path: str, content: Any = None) -> httpx.Response:
        """Post JSON to it."""
        return httpx.post(self.url + path, json=content, timeout=120, trust_env=False)

    def curl(self) -> Reading:
        """Do what the curl line of its docstring does."""
        words = ast.get_docstring(ast.parse((EXAMPLES / self.name).read_text())) or ""
        (line,) = re.findall(r"^ *(curl .*?}')$", words, re.DOTALL | re.MULTILINE)
        command, option, url, header_, header, data_, data = shlex.split(line)
        assert (command, option, header_, data_) == ("curl", "-N", "-H", "-d")
        assert url == "http://127.0.0.1:8090/process"
        name, _, value = header.partition(": ")
        answer = httpx.post(f"{self.url}/process", headers={name: value}, content=data, timeout=120, trust_env=False)
        return heard(answer)


@pytest.fixture(scope="module")
def scripted_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the scripted model as the examples say; yield where it is."""
    port, folder = str(free_port()), tmp_path_factory.mktemp("model")
    with running(EXAMPLES / "scripted_model.py", "--port", port, folder=folder) as program:
        program.wait_answers(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"
        assert program.end() in (0, -15), program.said


MODELS = {
    "scripted": {"SCRIPTED_MODEL": "{}/api/v1"},
    "dashscope": {"DASHSCOPE_API_KEY": "none", "DASHSCOPE_HTTP_BASE_URL": "{}/api/v1"},
    "openai": {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "{}/v1", "MODEL": "any"},
}
"""The variables of examples/friday_model.py that choose a model, all of which lead to the scripted one here."""


@pytest.fixture
def friday(request: pytest.FixtureRequest, scripted_model: str, tmp_path: Path) -> Iterator[Example]:
    """Run examples/agent_app.py."""
    port = str(free_port())
    model = {
        name: value.format(scripted_model) for name, value in MODELS[getattr(request, "param", "scripted")].items()
    }
    with running(EXAMPLES / "agent_app.py", folder=tmp_path, PORT=port, **model) as program:
        program.wait_answers(f"http://127.0.0.1:{port}/")
        yield Example("agent_app.py", f"http://127.0.0.1:{port}", program)
        assert program.end() in (0, -15), program.said
        assert "Traceback" not in program.said and "Unclosed" not in program.said, program.said


@pytest.mark.parametrize("friday", MODELS, indirect=True)
def test_the_agent_remembers(friday: Example) -> None:
    """The curl line's session is known by its name; the other routes answer beside it."""
    assert friday.curl().text == "Nice to meet you, Alice."
    assert friday.ask("What is my name?").text == "Your name is Alice."
    assert friday.ask("What is my name?", session="s2").text == "You have not told me your name."
    info = httpx.get(f"{friday.url}/info", trust_env=False).json()
    assert info == {"app name": "Friday", "app description": "A helpful assistant", "turns": 3}
    counted = [json.loads(line[6:]) for line in friday.post("/countdown?start=1").text.splitlines() if line]
    assert counted == ["1 …", "lift-off"]


def test_the_agent_can_be_stopped_and_goes_on(friday: Example) -> None:
    """Stopped while its code runs, the session's next request knows what was said before."""
    friday.ask("My name is Alice.")
    with ThreadPoolExecutor(1) as threads:
        running_ = threads.submit(friday.ask, "Run `import time; time.sleep(5)`")

        def stopped() -> bool:
            return bool(friday.post("/stop", {"input": [], "session_id": "s1"}).json()["stopped"])

        eventually(stopped, 10, "there is something to stop")
        assert running_.result(20).response["status"] == "canceled"
    assert not stopped()
    assert friday.ask("What is my name?").text == "Your name is Alice."


@pytest.fixture
def browsing(scripted_model: str, tmp_path: Path) -> Iterator[Example]:
    """Run examples/browser_agent.py with a manager in its own process."""
    port, state = str(free_port()), tmp_path / "state"
    variables = {"AGENTSCOPE_RUNTIME_STATE_DIR": str(state), "POOL_SIZE": "browser=1"}
    command = EXAMPLES / "browser_agent.py"
    with running(
        command, folder=tmp_path, PORT=port, SCRIPTED_MODEL=f"{scripted_model}/api/v1", **variables
    ) as program:
        program.wait_answers(f"http://127.0.0.1:{port}/", within=90)
        yield Example("browser_agent.py", f"http://127.0.0.1:{port}", program)
        assert program.end() in (0, -15), program.said
        assert "Traceback" not in program.said, program.said
        eventually(lambda: containers_of(state) == [], 20, "nothing is left")


@pytest.mark.docker
@pytest.mark.slow
def test_the_browser_agent_reads_a_page(browsing: Example) -> None:
    """The curl line's page; the same browser at the next turn; a link to watch it; given back when it is closed."""
    assert "The page says: Hello" in browsing.curl().text
    assert browsing.ask("Look again!").text == "The page says: Hello"
    assert "Hello" not in browsing.ask("Look again!", session="s2").text
    link = browsing.post("/watch", {"input": [], "session_id": "s1"}).json()["url"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/desktop/[\w-]+#\S+", link)
    assert browsing.post("/close", {"input": [], "session_id": "s1"}).json() == {"released": True}
    assert "Hello" not in browsing.ask("Look again!").text


@pytest.mark.docker
@pytest.mark.slow
def test_the_browser_agent_uses_a_manager_that_runs(scripted_model: str, tmp_path: Path) -> None:
    """MANAGER says where it is; its key is found by itself; the end of the application gives back what it leased."""
    port = str(free_port())
    with (
        Server.temporary(POOL_SIZE="browser=1") as manager,
        running(
            EXAMPLES / "browser_agent.py",
            folder=tmp_path,
            PORT=port,
            SCRIPTED_MODEL=f"{scripted_model}/api/v1",
            MANAGER=manager.url,
            AGENTSCOPE_RUNTIME_STATE_DIR=str(manager.state_dir),
        ) as program,
    ):
        program.wait_answers(f"http://127.0.0.1:{port}/")
        assert "The page says: Hello" in Example("browser_agent.py", f"http://127.0.0.1:{port}", program).curl().text
        with manager.http() as http:
            assert [lease["session_id"] for lease in http.get("/v1/leases").json()["leases"]] == ["s1"]
            assert program.end() in (0, -15), program.said
            assert http.get("/v1/leases").json() == {"leases": []}
