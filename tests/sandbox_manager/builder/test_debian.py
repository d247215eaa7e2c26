"""Where the Debian base comes from; the registry is a fake, since on most test machines none answers."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker
import docker.errors
import pytest

from agentscope_runtime.sandbox_manager.builder import debian
from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed
from agentscope_runtime.sandbox_manager.builder.progress import Progress


class Engine:
    """As much of an engine as finding the base needs: images by name, and a registry that behaves as told."""

    def __init__(self, *present: str, registry: list[dict[str, str]] | Exception | None = None) -> None:
        """Have these images; `registry` is what a pull yields or raises, None for one that never answers."""
        self.present = set(present)
        self.registry = registry
        self.images = self
        self.api = self
        self.imported: list[str] = []
        self.over = threading.Event()

    def get(self, name: str) -> object:
        """Return an image, or raise as the SDK does."""
        if name not in self.present:
            raise docker.errors.ImageNotFound(name)
        return SimpleNamespace(attrs={"Os": "linux", "Architecture": "amd64"})

    def pull(self, repository: str, tag: str, **_: Any) -> Iterator[dict[str, str]]:
        """Pull, as the fake registry allows."""
        if self.registry is None:
            self.over.wait(30)
            return
        if isinstance(self.registry, Exception):
            raise self.registry
        yield from self.registry
        if any("error" in event for event in self.registry):
            return
        self.present.add(f"{repository}@{tag}")

    def import_image_from_stream(self, stream: Iterator[bytes], repository: str, tag: str, **_: Any) -> str:
        """Take an image as a tar."""
        self.imported.append(f"{repository}:{tag}: {b''.join(stream).decode()}")
        self.present.add(f"{repository}:{tag}")
        return '{"status": "sha256:1"}'


def as_client(engine: Engine) -> docker.DockerClient:
    """Pass the fake where the SDK's client is expected."""
    return cast("docker.DockerClient", engine)


@pytest.fixture
def mmdebstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an mmdebstrap on the path that writes a short tar, so to speak."""
    command = tmp_path / "bin" / "mmdebstrap"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\nprintf 'a root for '; for last; do :; done; printf %s \"$last\"\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    return command


def test_a_registry_that_answers_is_used(tmp_path: Path) -> None:
    """The official image is pulled by its digest, and found without asking the next time."""
    engine = Engine(registry=[{"status": "Pulling fs layer"}, {"status": "Download complete"}])
    out = io.StringIO()
    assert debian.find(as_client(engine), Progress(out), tmp_path / "log") == debian.PULLED
    engine.registry = RuntimeError("asked again")
    assert debian.find(as_client(engine), Progress(out), tmp_path / "log") == debian.PULLED


@pytest.mark.parametrize(
    "registry",
    [docker.errors.APIError("no such host"), [{"status": "Pulling"}, {"error": "denied"}]],
    ids=["down", "denied"],
)
def test_without_a_registry_the_base_is_made(tmp_path: Path, mmdebstrap: Path, registry: Any) -> None:
    """The base is then made from packages once, and said so."""
    engine, out = Engine(registry=registry), io.StringIO()
    assert debian.find(as_client(engine), Progress(out), tmp_path / "log") == debian.bootstrapped()
    assert engine.imported == [f"{debian.bootstrapped()}: a root for -"]
    assert "no registry gives" in out.getvalue()
    engine.registry = RuntimeError("asked again")
    assert debian.find(as_client(engine), Progress(out), tmp_path / "log") == debian.bootstrapped()
    assert len(engine.imported) == 1


def test_a_registry_that_never_answers_costs_seconds_only() -> None:
    """A network that drops packets does not hold up the build for the engine's own minutes."""
    engine, out = Engine(registry=None), io.StringIO()
    began = time.monotonic()
    assert not debian.pull(as_client(engine), Progress(out), first_word=0.3)
    assert time.monotonic() - began < 2
    assert "silent for 0.3 s" in out.getvalue()
    engine.over.set()


def test_a_chosen_base_is_neither_pulled_nor_made(tmp_path: Path) -> None:
    """--base with an image that the engine has asks nobody."""
    engine = Engine("acme/debian:12", registry=RuntimeError("asked"))
    assert (
        debian.find(as_client(engine), Progress(io.StringIO()), tmp_path / "log", "acme/debian:12") == "acme/debian:12"
    )


def test_a_failed_bootstrap_shows_its_output(tmp_path: Path, mmdebstrap: Path) -> None:
    """What mmdebstrap wrote last is what the person needs."""
    mmdebstrap.write_text("#!/bin/sh\necho 'E: no mirror' >&2\nexit 25\n")
    engine = Engine(registry=docker.errors.APIError("no such host"))
    with pytest.raises(BuildFailed, match="status 25") as failure:
        debian.find(as_client(engine), Progress(io.StringIO()), tmp_path / "log")
    assert "E: no mirror" in failure.value.tail
    assert engine.imported == []


def test_without_mmdebstrap_and_apt_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system that is no Debian nothing is installed; the message says what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = Engine(registry=docker.errors.APIError("no such host"))
    with pytest.raises(BuildFailed, match="mmdebstrap") as failure:
        debian.find(as_client(engine), Progress(io.StringIO()), tmp_path / "log")
    assert "--base" in failure.value.cure


def test_another_platform_is_another_image(tmp_path: Path) -> None:
    """What the engine has of its own kind will not do: it is pulled, and where nobody gives it, it cannot be made."""
    engine = Engine(debian.PULLED, registry=RuntimeError("asked"))
    assert debian.find(as_client(engine), Progress(io.StringIO()), tmp_path / "log", platform="linux/amd64")
    offline = Engine(debian.PULLED, debian.bootstrapped(), registry=docker.errors.APIError("denied"))
    with pytest.raises(BuildFailed, match="no registry gives a Debian for linux/arm64"):
        debian.find(as_client(offline), Progress(io.StringIO()), tmp_path / "log", platform="linux/arm64")
