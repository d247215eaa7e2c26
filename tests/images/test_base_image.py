"""What the base image is, and what must not be in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from real_box import RealBox, engine_with

from agentscope_runtime.sandbox.registry import SandboxRegistry

pytestmark = pytest.mark.docker

LARGEST = 450 * 10**6
IDLE_LARGEST = 120 << 20


@pytest.fixture(scope="module")
def image() -> dict[str, Any]:
    """Give what the engine says of the image, with its history."""
    uri = SandboxRegistry.get_image_by_type("base")
    with engine_with(uri) as engine:
        found = engine.images.get(uri)
        return {**found.attrs, "History": found.history()}


def test_it_is_small(image: dict[str, Any]) -> None:
    """It stays below what was promised."""
    assert image["Size"] <= LARGEST


def test_it_runs_as_nobody_special(image: dict[str, Any]) -> None:
    """The user is not root, the revision of the source is on a label, and no variable looks like a secret."""
    config = image["Config"]
    assert config["User"] == "agent" and config["WorkingDir"] == "/workspace"
    assert "org.opencontainers.image.revision" in config["Labels"]
    assert not [
        name for name in config["Env"] if any(word in name.upper() for word in ("TOKEN", "SECRET", "KEY", "PIP_"))
    ]


def test_nothing_of_the_build_stays(image: dict[str, Any], shared_box: RealBox) -> None:
    """The certificates of the building host are in no layer's command and no file, and pip is not set up for them."""
    assert "BEGIN CERTIFICATE" not in json.dumps(image["History"])
    assert shared_box.outside("sh", "-c", "ls -d /tmp/ca.pem /etc/pip.conf /opt/*/pip.conf 2>/dev/null; true") == ""
    assert shared_box.outside("sh", "-c", "ls -A /opt /srv /mnt") == "/mnt:\n\n/opt:\nbox\nuser\n\n/srv:\n"


def test_all_of_it_is_compiled(shared_box: RealBox) -> None:
    """The root is read-only, so what is not compiled in the image would be compiled at every start."""
    code = (
        "import pathlib, sys; packages = pathlib.Path('/opt/box/lib/python3.11/site-packages');"
        "print(sorted(str(f) for name in ('sandbox_server', 'aiohttp', 'zmq') for f in (packages / name).rglob('*.py')"
        " if not (f.parent / '__pycache__' / f'{f.stem}.cpython-311.pyc').exists()))"
    )
    assert shared_box.outside("python3", "-c", code) == "[]\n"


def test_idle_memory(fresh_box: RealBox) -> None:
    """A warm box with its kernel takes little: what the cgroup counts, less the file cache that nobody uses."""
    if "memory.current" in fresh_box.outside("ls", "/sys/fs/cgroup"):
        usage, stat, name = "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"
    else:
        folder = "/sys/fs/cgroup/memory"
        usage, stat, name = f"{folder}/memory.usage_in_bytes", f"{folder}/memory.stat", "total_inactive_file"
    counted = dict(line.split() for line in fresh_box.outside("cat", stat).splitlines())
    assert int(fresh_box.outside("cat", usage)) - int(counted[name]) <= IDLE_LARGEST
