"""The example of a sandbox of one's own, from its Dockerfile to its tool, by the service and by a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from managers import ROOT, Server

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox.errors import InvalidRequest, StartFailed
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.utils import dynamic_import

pytestmark = pytest.mark.docker
EXAMPLE = ROOT / "examples" / "custom_sandbox"
IMAGE = "example/analyst-sandbox"


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
        "2 rows, 2 columns",
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
    assert "nowhere.csv cannot be read as a table" in missing["content"][0]["text"]
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
