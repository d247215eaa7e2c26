"""What is started for each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentscope_runtime.sandbox.errors import UnknownSandboxType
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox_manager.backends import Order
from agentscope_runtime.sandbox_manager.kinds import registered_kinds


def test_the_built_in_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base has its kernel at once; a browser has a desktop, more room to draw, and a kernel for whoever asks."""
    monkeypatch.delenv("RUNTIME_SANDBOX_IMAGE_TAG", raising=False)
    kinds = registered_kinds(watchdog_seconds=45.0)
    base, browser = kinds("base"), kinds("browser")
    assert base.image.endswith("/runtime-sandbox-base:latest")
    assert (base.has_desktop, browser.has_desktop) == (False, True)
    assert (base.box_config["kernel"], browser.box_config["kernel"]) == ("eager", "lazy")
    assert browser.shm >= 256 << 20
    assert browser.memory > base.memory
    assert base.box_config["watchdog_s"] == 45.0


def test_kinds_with_a_desktop() -> None:
    """A filesystem box is a base until somebody watches, its kernel included; a gui box starts other things."""
    kinds = registered_kinds(watchdog_seconds=45.0)
    filesystem, gui = kinds("filesystem"), kinds("gui")
    assert filesystem.has_desktop and gui.has_desktop
    assert (filesystem.box_config["kernel"], gui.box_config["kernel"]) == ("eager", "lazy")


@pytest.mark.parametrize(
    ("kind", "of_the_pool", "awaited"),
    [("base", "eager", "eager"), ("filesystem", "eager", "lazy"), ("gui", "lazy", "lazy"), ("stern", "eager", "eager")],
)
def test_who_waits_for_a_kernel(monkeypatch: pytest.MonkeyPatch, kind: str, of_the_pool: str, awaited: str) -> None:
    """A session that waits for files does not wait for Python, the pool does; a registration has the last word."""
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    SandboxRegistry.register("acme/x:1", "stern", runtime_config={"based_on": "filesystem", "kernel": "eager"})
    blueprint = registered_kinds(watchdog_seconds=45.0)(kind)
    lines = [Order("sbx-1", blueprint, 1.0, "secret", awaited=whether).start_line() for whether in (False, True)]
    assert [line["kernel"] for line in lines] == [of_the_pool, awaited]


def test_a_kind_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As base, unless its registration says otherwise; its variables are for the box."""
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    SandboxRegistry.register("acme/robot:1", "robot", environment={"GREETING": "hello"})
    SandboxRegistry.register("acme/eye:1", "eye", runtime_config={"kernel": "lazy", "desktop": True})
    kinds = registered_kinds(watchdog_seconds=45.0)
    robot, eye = kinds("robot"), kinds("eye")
    assert (robot.has_desktop, robot.box_config["kernel"]) == (False, "eager")
    assert robot.environment == {"GREETING": "hello"}
    assert (eye.has_desktop, eye.box_config["kernel"]) == (True, "lazy")


def test_a_kind_that_is_based_on_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that one in all that its registration does not say; the box is told what it has to be made like."""
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    SandboxRegistry.register("acme/shop:1", "shop", runtime_config={"based_on": "browser", "kernel": "eager"})
    SandboxRegistry.register("acme/desk:1", "desk", runtime_config={"based_on": "gui"})
    kinds = registered_kinds(watchdog_seconds=45.0)
    shop, desk, base = kinds("shop"), kinds("desk"), kinds("base")
    assert [(each.has_desktop, each.has_browser) for each in (shop, desk, base)] == [
        (True, True),
        (True, False),
        (False, False),
    ]
    assert [each.box_config["kernel"] for each in (shop, desk)] == ["eager", "lazy"]
    assert [each.box_config["parts"] for each in (shop, desk, base)] == ["browser", "gui", "base"]
    assert shop.shm == kinds("browser").shm


def test_an_unknown_kind_is_an_error() -> None:
    """Never the default kind's image instead."""
    with pytest.raises(UnknownSandboxType, match="nonsense"):
        registered_kinds(watchdog_seconds=60.0)("nonsense")


def test_mcp_servers_of_a_kind_start_with_its_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in the start-up line, and their secrets in no repr."""
    monkeypatch.setattr(SandboxRegistry, "_configs", dict(SandboxRegistry._configs))
    servers = {"time": {"command": "uvx", "args": ["mcp-server-time"], "env": {"KEY": "s3cret"}}}
    SandboxRegistry.register("acme/clock:1", sandbox_type="clock", runtime_config={"mcp_servers": servers})
    order = Order("sbx-1", registered_kinds(watchdog_seconds=60.0)("clock"), created_at=1.0, token="secret")
    assert order.start_line()["options"] == {"environment": {}, "mcp_servers": servers}
    assert "s3cret" not in repr(order)


def test_the_start_up_line_has_all_that_the_box_reads(tmp_path: Path) -> None:
    """Token, identity, watchdog, kernel, certificates, options."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    blueprint = registered_kinds(watchdog_seconds=60.0, ca_bundle=bundle)("base")
    order = Order("sbx-1", blueprint, created_at=1.0, token="secret")
    assert order.start_line() == {
        "token": "secret",
        "generation": 0,
        "sandbox_id": "sbx-1",
        "sandbox_type": "base",
        "watchdog_s": 60.0,
        "kernel": "eager",
        "parts": "base",
        "ca_bundle": "-----BEGIN CERTIFICATE-----\n",
        "options": {"environment": {}},
    }
    assert "secret" not in repr(order)
