"""Sandboxes as the documents use them: S63, S68 to S70, S73. What agents do with them: tests/e2e/test_agents.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import docker
import pytest
from mcp_servers import SMALL

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BaseSandbox, BrowserSandbox
from agentscope_runtime.sandbox.registry import SandboxRegistry

PAGE = "data:text/html," + quote("<title>Greeting</title><h1>Good morning</h1>")


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the managers that run in this process an installation of their own."""
    monkeypatch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", str(tmp_path))
    yield


def test_S68_images_have_the_documented_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, and below the registry that is set, from which `docker pull` and `docker tag` bring them."""
    assert SandboxRegistry.get_image_by_type("browser") == "agentscope/runtime-sandbox-browser:latest"
    assert SandboxRegistry.get_image_by_type("base") == "agentscope/runtime-sandbox-base:latest"
    monkeypatch.setenv("RUNTIME_SANDBOX_REGISTRY", "registry.example")
    assert SandboxRegistry.get_image(BrowserSandbox) == "registry.example/agentscope/runtime-sandbox-browser:latest"


@pytest.mark.docker
def test_S68_the_built_images_have_these_names() -> None:
    """The engine knows them by the names that the documents tag them with."""
    engine = docker.from_env()
    try:
        for kind in ("base", "browser", "filesystem", "gui"):
            assert engine.images.get(f"agentscope/runtime-sandbox-{kind}:latest").tags
    finally:
        engine.close()


@pytest.mark.docker
@pytest.mark.slow
def test_S63_S69_a_browser_in_a_with_block(own_state: None) -> None:
    """Its tools are listed, it goes to a page, and tells what it shows; no server, no settings."""
    with BrowserSandbox() as box:
        listed = box.list_tools()
        assert {"browser_navigate", "browser_snapshot"} <= {name for tools in listed.values() for name in tools}
        assert box.browser_navigate(PAGE)["isError"] is False
        assert 'heading "Good morning"' in box.browser_snapshot()["content"][0]["text"]


@pytest.mark.docker
@pytest.mark.slow
async def test_S70_a_service_gives_a_session_its_sandbox_again(own_state: None) -> None:
    """start, synchronous connect, stop: a list, whose sandbox is the same at each turn, and another's is another."""
    service = SandboxService()
    await service.start()
    try:
        boxes = service.connect(session_id="s1", user_id="alice", sandbox_types=["browser"])
        assert [type(box) for box in boxes] == [BrowserSandbox]
        boxes[0].call_tool("browser_navigate", {"url": PAGE})
        (again,) = service.connect(session_id="s1", user_id="alice", sandbox_types=["browser"])
        assert again.sandbox_id == boxes[0].sandbox_id
        assert "Good morning" in again.call_tool("browser_snapshot")["content"][0]["text"]
        (other,) = service.connect(session_id="s1", user_id="bob", sandbox_types=["base"])
        assert other.sandbox_id != again.sandbox_id
    finally:
        await service.stop()
    assert not await service.health()


@pytest.mark.docker
def test_S73_mcp_tools_come_into_a_sandbox(own_state: None) -> None:
    """A server of the user's runs in the sandbox; its tools are listed beside the others, and called like them."""
    with BaseSandbox() as box:
        box.add_mcp_servers({"mcpServers": {"mine": {"command": "python3", "args": ["-c", SMALL, "echo"]}}})
        assert set(box.list_tools("mine")["mine"]) == {"echo"}
        assert "Alice" in box.call_tool("echo", {"name": "Alice"})["content"][0]["text"]
