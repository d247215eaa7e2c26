"""The example of a sandbox of one's own, from its Dockerfile to its tool, by the service and by a server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from browser_box import NAMES
from managers import ROOT, Server
from real_box import network_gateway
from web_site import web_site

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BrowserSandbox, GuiSandbox
from agentscope_runtime.sandbox.errors import InvalidRequest, StartFailed
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.utils import dynamic_import

pytestmark = pytest.mark.docker
EXAMPLE = ROOT / "examples" / "custom_sandbox"
IMAGE = "example/analyst-sandbox"
COOKIES = "<script>document.title = document.cookie || 'none'; document.cookie = 'mine=1; max-age=3600'</script>"


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The example's image, laid on the base image that the tests run on."""
    engine = docker.from_env()
    tag = f"{IMAGE}:test"
    try:
        base = SandboxRegistry.get_image_by_type("base")
        engine.images.build(path=str(EXAMPLE), tag=tag, buildargs={"BASE": base}, rm=True)
        yield tag
        engine.images.remove(tag, force=True)
    finally:
        engine.close()


@pytest.fixture(scope="module")
def extension(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example's registration, with the name of this image, known here."""
    path = tmp_path_factory.mktemp("extension") / "analyst_under_test.py"
    path.write_text((EXAMPLE / "analyst.py").read_text().replace(f"{IMAGE}:1.0", image))
    dynamic_import(str(path))
    yield path
    del sys.modules["analyst_under_test"]
    del SandboxRegistry._configs["analyst"], SandboxRegistry._classes["analyst"]


@pytest.fixture(scope="module")
def server(extension: Path) -> Iterator[Server]:
    """A server that keeps one of them warm."""
    with Server.temporary("--extension", str(extension), DEFAULT_SANDBOX_TYPE="analyst", POOL_SIZE="1") as running:
        yield running


async def test_its_tool_works_as_the_built_in_ones(server: Server) -> None:
    """Listed with its schema, called by method and by name, sync and async, and checked before it runs."""
    service = SandboxService(server.url, server.key)
    (box,) = service.connect("s", "u", ["analyst"])
    assert type(box).__name__ == "AnalystSandbox"
    box.fs.write("sales.csv", "city,sold\nOslo,3\nRome,11\n")
    described = box.describe_table("sales.csv", rows=1)
    assert described["isError"] is False
    assert described["content"][0]["text"].splitlines() == [
        "rows: 2, columns: 2",
        "- city: text",
        "- sold: integer",
        '{"city": "Oslo", "sold": "3"}',
    ]
    tool = box.list_tools("analyst")["analyst"]["describe_table"]["json_schema"]["function"]
    assert tool["parameters"]["required"] == ["path"]
    with pytest.raises(InvalidRequest, match="argument 'rows' must be 100 or less"):
        box.describe_table("sales.csv", rows=1000)
    missing = box.call_tool("describe_table", {"path": "nowhere.csv"})
    assert missing["isError"] is True
    assert "nowhere.csv cannot be read: No such file or directory" in missing["content"][0]["text"]
    (box_async,) = await service.connect_async("s", "u", ["analyst"])
    assert await box_async.describe_table("sales.csv") == box.describe_table("sales.csv")
    await service.stop()


def test_it_is_a_sandbox_like_the_others(server: Server) -> None:
    """Its limits and variables are those of the registration; cells and commands run; its files cannot be changed."""
    with SandboxService(server.url, server.key) as service:
        (box,) = service.connect("s", "u", ["analyst"])
        engine = docker.from_env()
        try:
            host = engine.containers.get(box.get_info()["container_id"]).attrs["HostConfig"]
        finally:
            engine.close()
        assert (host["Memory"], host["NanoCpus"]) == (1500 << 20, 1_000_000_000)
        said = box.run_shell_command("echo $PANDAS_DISPLAY $SANDBOX_TYPE; touch /etc/sandbox/tools/x.toml")
        assert said["content"][0]["text"] == "wide analyst\n"
        assert "Read-only" in said["content"][1]["text"]
        assert box.run_ipython_cell("print(6 * 7)")["content"][0]["text"] == "42\n"


def test_an_image_whose_tools_are_wrong_says_so(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting fails with the file and what is wrong in it, not with a box that lacks a tool."""
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nCOPY broken.toml /etc/sandbox/tools/\n")
    (tmp_path / "broken.toml").write_text('command = ["true"]\n')
    monkeypatch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    SandboxRegistry.register(f"{image}-broken", sandbox_type="analyst")
    engine = docker.from_env()
    try:
        engine.images.build(path=str(tmp_path), tag=f"{image}-broken", rm=True)
        wrong = r"/etc/sandbox/tools/broken\.toml: description is missing"
        with SandboxService() as service, pytest.raises(StartFailed, match=wrong):
            service.connect("s", "u", ["analyst"])
        engine.images.remove(f"{image}-broken", force=True)
    finally:
        engine.close()


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Makes an image of two lines on one of ours, and registers it as `laid`; all is forgotten again."""
    monkeypatch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    monkeypatch.setattr(SandboxRegistry, "_classes", dict(SandboxRegistry._classes))
    engine, tag = docker.from_env(), "example/laid-sandbox:test"

    def laid(on: str, **runtime_config: object) -> None:
        (tmp_path / "Dockerfile").write_text(f"FROM {SandboxRegistry.get_image_by_type(on)}\nENV SANDBOX_TYPE=laid\n")
        engine.images.build(path=str(tmp_path), tag=tag, rm=True)
        SandboxRegistry.register(tag, "laid", runtime_config=runtime_config)

    try:
        yield laid
        engine.images.remove(tag, force=True)
    finally:
        engine.close()


def test_one_that_is_laid_on_gui_has_its_desktop_and_its_tools(register: Callable[..., None]) -> None:
    """And its class; a program of the user's reaches the screen."""
    register("gui", based_on="gui")
    with SandboxService() as service:
        (box,) = service.connect("s", "u", ["laid"], resolution="1000x700")
        assert isinstance(box, GuiSandbox)
        assert "computer_use" in box.list_tools("computer-use")["computer-use"]
        screenshot = box.computer_use("get_screenshot")
        assert screenshot["isError"] is False
        assert [item["type"] for item in screenshot["content"]] == ["text", "image"]
        assert "1000" in screenshot["content"][0]["text"]
        assert box.desktop_url.startswith("http")
        assert box.run_shell_command("echo $SANDBOX_TYPE; test -S /tmp/.X11-unix/X*")["isError"] is False


def test_one_that_is_laid_on_browser_has_profiles(register: Callable[..., None]) -> None:
    """A cookie of one session is there in the next one."""
    register("browser", based_on="browser")
    with web_site({"/": COOKIES}, NAMES) as site, SandboxService() as service:
        address, titles = f"http://{network_gateway()}:{site.http_port}/", []
        for _ in range(2):
            (box,) = service.connect("s", "u", ["laid"], profile="work")
            assert isinstance(box, BrowserSandbox)
            titles.append(str(box.browser_navigate(address)))
            assert box.get_cdp_url().startswith("ws://")
            service.release("s", "u")
    assert ["mine=1" in title for title in titles] == [False, True]


def test_one_that_says_to_be_laid_on_something_else_does_not_start(register: Callable[..., None]) -> None:
    """The error names both, and the cure."""
    register("browser")
    wrong = r"laid on 'browser', not on 'base': register it with runtime_config=\{'based_on': 'browser'\}"
    with SandboxService() as service, pytest.raises(StartFailed, match=wrong):
        service.connect("s", "u", ["laid"])
