"""The command's options, exit status and words."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox_manager.builder import certificates, command, debian
from agentscope_runtime.sandbox_manager.builder.certificates import Authorities
from agentscope_runtime.sandbox_manager.builder.failures import UnverifiedTLS
from agentscope_runtime.sandbox_manager.builder.progress import Progress
from agentscope_runtime.sandbox_manager.builder.recipes import Recipe


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    code = "import sys; from agentscope_runtime.sandbox_manager.builder import main; sys.exit(main())"
    path = ":".join(entry for entry in sys.path if entry)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unknown_image_is_named_with_those_that_exist() -> None:
    """A typing error costs no engine."""
    done = run("brwoser")
    assert done.returncode == 1
    assert "there is no image brwoser" in done.stderr
    assert "base, browser" in done.stderr


def test_no_engine_is_a_message_not_a_trace() -> None:
    """It names the cure."""
    done = run("base", DOCKER_HOST="unix:///nonexistent.sock")
    assert done.returncode == 1
    assert "no container engine answers" in done.stderr
    assert "make docker" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def job(tmp_path: Path) -> Iterator[command.Run]:
    """Make a run of the command over a folder of images of the test's own."""
    engine = docker.from_env()
    folder = tmp_path / "images"
    (folder / "small").mkdir(parents=True)
    (folder / "small" / "Dockerfile").write_text(
        "ARG BASE\nFROM ${BASE}\nCOPY .build/ca.pem /tmp/ca.pem\n"
        "RUN test -s /tmp/ca.pem || { echo certificate verify failed; exit 1; }\nRUN rm /tmp/ca.pem\n"
    )
    yield command.Run(engine, Progress(io.StringIO()), command.parser().parse_args([]), folder, tmp_path / "logs")
    for image in engine.images.list(small(tmp_path).uri.rpartition(":")[0]):
        engine.images.remove(str(image.id), force=True)
    engine.close()


def small(tmp_path: Path) -> Recipe:
    """Return the recipe of the test's image."""
    return Recipe("small", f"builder-test-{tmp_path.name.lower()}")


@pytest.mark.docker
def test_a_build_that_cannot_verify_a_server_is_repeated_with_the_hosts_ca(
    job: command.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index may be fine and another server not; nobody has to know that beforehand."""
    monkeypatch.setattr(certificates, "choose", lambda _: Authorities(may_retry=True))
    monkeypatch.setattr(certificates, "of_host", lambda: Authorities(b"-----BEGIN CERTIFICATE-----"))
    job.make(small(tmp_path))
    assert job.made == 1
    assert job.engine.images.get(small(tmp_path).uri)
    job.make(small(tmp_path))
    assert job.made == 1


@pytest.mark.docker
def test_who_chose_no_ca_gets_no_second_try(job: command.Run, tmp_path: Path) -> None:
    """--ca-bundle none is an answer, not a hint."""
    job.options = command.parser().parse_args(["--ca-bundle", "none", "--base", debian.bootstrapped()])
    job.options.base = debian.find(job.engine, job.progress, tmp_path / "debian.log")
    with pytest.raises(UnverifiedTLS):
        job.make(small(tmp_path))


def test_one_of_ones_own_needs_its_dockerfile_and_its_registration(tmp_path: Path) -> None:
    """What is missing is named with the option that gives it, and every failure has an exit status."""
    extension = tmp_path / "my_robots.py"
    extension.write_text(
        "from agentscope_runtime.sandbox.registry import SandboxRegistry\n"
        "SandboxRegistry.register('acme/robot:1', sandbox_type='robot')\n"
    )
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\n")
    for arguments, message in (
        (["robot", "--extension", str(extension)], "One of your own needs --dockerfile_path"),
        (["robot", "--dockerfile_path", str(dockerfile)], "nobody has registered a sandbox type robot"),
        (["robot", "--dockerfile_path", str(tmp_path / "no"), "--extension", str(extension)], "no Dockerfile"),
        (["--dockerfile_path", str(dockerfile)], "is of one image, and not one is named"),
        (["robot", "--extension", str(tmp_path / "nowhere.py")], "there is no file"),
    ):
        done = run(*arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert message in done.stderr


@pytest.mark.docker
def test_an_image_of_ones_own_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a Dockerfile anywhere, under the name of its registration; again only when it changed; a failure is told."""
    name = f"builder-test-{tmp_path.name.lower().replace('_', '-')}"
    monkeypatch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    SandboxRegistry.register(f"{name}:1", sandbox_type="robot")
    folder = tmp_path / "robot"
    folder.mkdir()
    (folder / "greeting.txt").write_text("hello")
    engine = docker.from_env()
    try:
        below = debian.find(engine, Progress(io.StringIO()), tmp_path / "debian.log")
        (folder / "Dockerfile").write_text(f"FROM {below}\nCOPY . /greetings/\nENV SANDBOX_TYPE=robot\n")
        asked = ["robot", "--dockerfile_path", str(folder / "Dockerfile"), "--ca-bundle", "none"]
        assert command.main(asked) == 0
        assert f"made {name}:1" in capsys.readouterr().out
        made = engine.images.get(f"{name}:1")
        assert "SANDBOX_TYPE=robot" in made.attrs["Config"]["Env"]
        assert command.main(asked) == 0
        assert "up to date" in capsys.readouterr().out
        (folder / "greeting.txt").write_text("good morning")
        assert command.main(asked) == 0
        assert engine.images.get(f"{name}:1").id != made.id
        (folder / "Dockerfile").write_text(f"FROM {below}\nRUN echo so far so good; false\n")
        assert command.main(asked) == 1
        told = capsys.readouterr().err
        assert "so far so good" in told
        assert "the image robot could not be built, at: RUN echo" in told
    finally:
        for image in engine.images.list(name):
            engine.images.remove(str(image.id), force=True)
        engine.close()
