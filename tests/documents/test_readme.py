"""What the README says is true: its Python runs, its links lead somewhere, its settings and targets exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from managers import ROOT, Server, eventually, free_port
from programs import printed
from strict_reader import parse_sse, read

from agentscope_runtime.sandbox_manager.settings import Settings

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
BLOCKS = [block.strip() for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL)]
MANAGER = "http://127.0.0.1:8000"
PYTHONPATH = os.pathsep.join(str(ROOT / part) for part in ("client", "engine", "sandbox_manager"))


def with_text(text: str) -> list[str]:
    """Return the blocks that contain a text."""
    return [block for block in BLOCKS if text in block]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a manager with one warm base sandbox."""
    folder = tmp_path_factory.mktemp("manager")
    manager = Server(folder, folder / "server.log", POOL_SIZE="base=1")
    manager.start().wait_ready()
    yield manager
    manager.end()


def test_every_block_is_run_by_one_of_these_tests() -> None:
    """A new snippet needs a test here, or fits one of the kinds below."""
    assert len(BLOCKS) == 5
    kinds = [
        with_text("with BaseSandbox() "),
        with_text("with BrowserSandbox() "),
        with_text("asyncio.run"),
        remote(),
        handler(),
    ]
    assert sorted(BLOCKS) == sorted(block for kind in kinds for block in kind)


def remote() -> list[str]:
    """Return the blocks that are scripts for a running manager."""
    return [block for block in with_text(MANAGER) if "AgentApp" not in block]


def handler() -> list[str]:
    """Return the blocks that are applications for a running manager."""
    return with_text("AgentApp(")


@pytest.mark.docker
def test_the_base_script_prints_what_it_says(tmp_path: Path) -> None:
    """Files and cells, without a server."""
    (block,) = with_text("with BaseSandbox() ")
    assert printed(block, tmp_path).splitlines()[:1] == ["42"]
    assert "28 notes/today.txt" in printed(block, tmp_path)


@pytest.mark.docker
@pytest.mark.slow
def test_the_browser_script_clicks_and_prints_a_link(tmp_path: Path) -> None:
    """The block asserts that the click worked; the link carries its secret in the fragment."""
    (block,) = with_text("with BrowserSandbox() ")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/desktop/[\w-]+#\S+", printed(block, tmp_path).strip())


@pytest.mark.docker
def test_the_asynchronous_script_prints_what_it_says(tmp_path: Path) -> None:
    """The value of the last expression comes as IPython prints it."""
    (block,) = with_text("asyncio.run")
    assert printed(block, tmp_path).strip() == "Out[1]: 45"


@pytest.mark.docker
def test_the_remote_script_gets_a_warm_sandbox(tmp_path: Path, server: Server) -> None:
    """It finds the key of a manager on this machine by itself."""
    (block,) = remote()
    told = printed(block.replace(MANAGER, server.url), tmp_path, AGENTSCOPE_RUNTIME_STATE_DIR=str(server.state_dir))
    assert told.startswith("True ")
    assert "run_shell_command" in told


@pytest.mark.docker
def test_the_handler_keeps_a_sessions_variables(tmp_path: Path, server: Server) -> None:
    """Two turns of one session share a sandbox; another user's session of the same name does not."""
    (block,) = handler()
    (tmp_path / "handler.py").write_text(block.replace(MANAGER, server.url))
    port = free_port()
    environment = {"PYTHONPATH": PYTHONPATH, "AGENTSCOPE_RUNTIME_STATE_DIR": str(server.state_dir)}
    with subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "handler:app", "--port", str(port), "--log-level", "warning"],
        cwd=tmp_path,
        env={**os.environ, **environment},
    ) as application:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=90, trust_env=False) as client:
                eventually(lambda: answers(client), 30, "the application serves")

                def turn(user: str, code: str) -> str:
                    question = {"role": "user", "content": [{"type": "text", "text": code}]}
                    body = {"session_id": "one", "user_id": user, "input": [question]}
                    events, done = parse_sse(client.post("/process", json=body).raise_for_status().text)
                    assert done
                    return read(events).text

                turn("alice", "name = 'Alice'")
                assert turn("alice", "print(name)") == "Alice\n"
                assert "Alice" not in turn("bob", "print(globals().get('name'))")
        finally:
            application.terminate()
    with server.http() as manager:
        eventually(lambda: manager.get("/v1/leases").json() == {"leases": []}, 20, "stopping released the sessions")


def answers(client: httpx.Client) -> bool:
    """Tell whether the application serves yet."""
    try:
        return client.get("/openapi.json").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every link to a file of ours finds it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    here = (ROOT / page).parent
    assert [link for link in targets if "://" not in link and not (here / link).exists()] == []


def test_the_settings_are_the_managers() -> None:
    """The table names every setting, and none that does not exist."""
    table = README.partition("## Settings")[2].partition("## ")[0]
    named = {
        name for row in re.findall(r"^\|([^|]+)\|", table, re.M) for name in re.findall(r"`([A-Z][A-Z_]{3,})`", row)
    }
    fields = {name.upper() for name in Settings.model_fields} - {"STATE_DIR"} | {"AGENTSCOPE_RUNTIME_STATE_DIR"}
    rarely = {"CONTAINER_DEPLOYMENT", "WATCHER_SCAN_INTERVAL"}  # for tests and tuning; their docstrings are enough
    of_the_client = {name for name in named if name.startswith("RUNTIME_SANDBOX_")}
    assert named - of_the_client == fields - rarely


def test_the_targets_exist() -> None:
    """Each `make target` that a page names is in the Makefile, and `make help` lists every target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]+)", text, re.MULTILINE))
        assert named <= targets, page
    shown = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown.splitlines() if line.startswith("  make ")} == targets
