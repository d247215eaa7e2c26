"""The service with the real manager: one in this process, with boxes from memory instead of containers."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BaseSandbox, BrowserSandboxAsync
from agentscope_runtime.sandbox.errors import SandboxNotFound, UnknownSandboxType


@pytest.fixture(autouse=True)
def boxes_from_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the manager of this process run no containers, and keep its own state."""
    monkeypatch.setenv("CONTAINER_DEPLOYMENT", "fake")
    monkeypatch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("POOL_SIZE", raising=False)


async def test_a_service_brings_its_manager() -> None:
    """From the start to the stop there is a manager, and the sessions are its own."""
    async with SandboxService() as service:
        assert await service.health()
        browser, base = await service.connect_async("s", "u", ["browser", "base"])
        assert type(browser) is BrowserSandboxAsync
        (again,) = service.connect("s", "u", ["base"])
        assert type(again) is BaseSandbox
        assert again.sandbox_id == base.sandbox_id
        assert again.get_info()["user_id"] == "u"
        again.fs.write("note", "x")
        assert await base.fs.read_async("note") == "x"
        assert service.release("s", "u") is True
        with pytest.raises(SandboxNotFound):
            await base.run_shell_command("true")
        (fresh,) = service.connect("s", "u")
        assert fresh.sandbox_id != base.sandbox_id
    assert not await service.health()


async def test_all_or_none() -> None:
    """One type that cannot be had leaves the session with nothing."""
    async with SandboxService() as service:
        with pytest.raises(UnknownSandboxType, match="toaster"):
            service.connect("s", "u", ["base", "toaster"])
        origin = service._way.link().origin
        answer = httpx.get(f"{origin.base_url}/v1/leases", headers={"Authorization": f"Bearer {origin.key}"})
        assert answer.json() == {"leases": []}


async def test_services_and_sandboxes_share_one_manager() -> None:
    """Everything in one process that names no address uses the same manager."""
    async with SandboxService() as service:
        (box,) = service.connect("s")
        with BaseSandbox() as other:
            assert other.base_url == box.base_url
        box.run_shell_command("still here")
