"""The Debian that all images stand on: pulled by digest where a registry answers, else made from Debian's packages.

Both are the same release with little but apt in it. What was found or made once is used again, without asking anyone.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors

from agentscope_runtime.sandbox.registry import build_image_uri
from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed
from agentscope_runtime.sandbox_manager.builder.progress import Progress

SUITE = "bookworm"
REPOSITORY = "debian"
# The index of debian:bookworm-slim for all processors. To take a newer one: `docker pull debian:bookworm-slim`, then
# `docker image inspect --format '{{.RepoDigests}}' debian:bookworm-slim`.
DIGEST = "sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716"
PULLED = f"{REPOSITORY}@{DIGEST}"

FIRST_WORD = 8.0
"""Seconds until a registry must have named the first layer; networks without one often drop packets silently."""
SILENCE = 60.0
"""Seconds without any progress after which a pull that had begun is given up."""

_SLIM = [
    # What the official slim image leaves out, too; dpkg keeps to it for everything that is installed later.
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    '--aptopt=Acquire::Languages "none"',
]


def bootstrapped() -> str:
    """Return the name of the base that is made from packages; it is of this host, so no registry is in it."""
    return build_image_uri("runtime-debian", tag=SUITE, registry="")


def find(
    engine: docker.DockerClient, progress: Progress, log: Path, chosen: str | None = None, platform: str | None = None
) -> str:
    """Return the name of a Debian image that the engine has, pulling or making it if need be.

    Args:
        engine: The container engine.
        progress: Where to say what is done.
        log: Where the output of mmdebstrap goes.
        chosen: The image that the user wants as base instead.
        platform: Another one than the engine's own, such as `linux/arm64`.
    """
    if chosen is not None:
        if not _has(engine, chosen, platform):
            with progress.doing(f"pulling {chosen}"):
                _pull_chosen(engine, chosen, platform)
        return chosen
    for name in (PULLED, bootstrapped()):
        if _has(engine, name, platform):
            return name
    if pull(engine, progress, platform=platform):
        return PULLED
    if platform is not None:
        what = f"no registry gives a Debian for {platform}, and one that is made here is of this machine's kind"
        raise BuildFailed(what, "Name a base image of that platform: --base IMAGE.")
    bootstrap(engine, progress, log)
    return bootstrapped()


def _has(engine: docker.DockerClient, name: str, platform: str | None = None) -> bool:
    try:
        image = engine.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return platform is None or platform == f"{image.attrs['Os']}/{image.attrs['Architecture']}"


def _pull_chosen(engine: docker.DockerClient, name: str, platform: str | None) -> None:
    try:
        engine.images.pull(name, platform=platform)
    except docker.errors.APIError as error:
        what = f"{name} cannot be pulled: {error.explanation}"
        raise BuildFailed(what, "Name an image that the engine has.") from error


def pull(
    engine: docker.DockerClient, progress: Progress, first_word: float = FIRST_WORD, platform: str | None = None
) -> bool:
    """Pull the official slim image; False, within seconds, if no registry gives it."""
    began = time.monotonic()
    with progress.doing(f"asking a registry for {REPOSITORY}:{SUITE}-slim"):
        reason = _pull(engine, progress, first_word, platform)
    if reason:
        progress.line(f"base     no registry gives {REPOSITORY}:{SUITE}-slim ({reason})")
        return False
    progress.line(f"base     pulled {PULLED[:32]}… in {time.monotonic() - began:.1f} s")
    return True


def _pull(engine: docker.DockerClient, progress: Progress, first_word: float, platform: str | None) -> str:
    """Pull; return why it did not work, or nothing."""
    events: queue.SimpleQueue[dict[str, Any] | str] = queue.SimpleQueue()

    def listen() -> None:
        # The engine answers nothing at all while it waits for a registry that is not there, and the SDK has no
        # time-out that would end only this: hence a thread that may be left behind (it ends with the process).
        try:
            for event in engine.api.pull(REPOSITORY, tag=DIGEST, stream=True, decode=True, platform=platform):
                events.put(event)
            events.put("")
        except (docker.errors.DockerException, OSError) as error:
            events.put(_short(getattr(error, "explanation", None) or error))

    threading.Thread(target=listen, daemon=True).start()
    patience = first_word
    while True:
        try:
            event = events.get(timeout=patience)
        except queue.Empty:
            return f"silent for {patience:g} s"
        if isinstance(event, str):
            return event
        if "error" in event:
            return _short(event["error"])
        patience = SILENCE
        progress.output(f"{event.get('status', '')} {event.get('progress', '')}")


def _short(error: object) -> str:
    return " ".join(str(error).split())[:120]


def bootstrap(engine: docker.DockerClient, progress: Progress, log: Path) -> None:
    """Make the base from Debian's packages with mmdebstrap, and give it to the engine."""
    _ensure_mmdebstrap(progress, log)
    began = time.monotonic()
    progress.line(f"base     making {bootstrapped()} from Debian packages (mmdebstrap)")
    command = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates", *_SLIM, SUITE, "-"]
    with log.open("ab") as out, tempfile.TemporaryFile() as tar, progress.doing("mmdebstrap"):
        status = subprocess.run(command, stdout=tar, stderr=out, check=False).returncode  # noqa: S603 - fixed words
        if status:
            raise BuildFailed(
                f"mmdebstrap ended with status {status}",
                "It needs a Debian mirror, and root or user namespaces; or name a base image: --base IMAGE.",
                log,
                "\n".join(log.read_text(errors="replace").splitlines()[-30:]),
            )
        tar.seek(0)
        _import(engine, _blocks(tar))
    progress.line(f"base     made {bootstrapped()} in {time.monotonic() - began:.1f} s")


def _blocks(file: Any) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block


def _import(engine: docker.DockerClient, tar: Iterator[bytes]) -> None:
    repository, _, tag = bootstrapped().rpartition(":")
    changes = ['CMD ["bash"]', f"LABEL agentscope_runtime.bootstrapped={SUITE}"]
    answer = engine.api.import_image_from_stream(tar, repository=repository, tag=tag, changes=changes)
    if '"error"' in str(answer):
        what = f"the engine refused the base image: {_short(answer)}"
        raise BuildFailed(what, "Is its disk full (docker system df)?")


def _ensure_mmdebstrap(progress: Progress, log: Path) -> None:
    """Install mmdebstrap if this is a Debian where we may."""
    if shutil.which("mmdebstrap"):
        return
    apt = shutil.which("apt-get")
    root = [] if os.geteuid() == 0 else [sudo] if (sudo := shutil.which("sudo")) else None
    if apt is None or root is None:
        raise BuildFailed(
            "no container registry answers, and mmdebstrap, which could make the base image, is not installed",
            "As root on Debian or Ubuntu: apt-get install mmdebstrap debian-archive-keyring. Elsewhere load a Debian "
            "image into the engine (docker load) and name it: --base IMAGE.",
        )
    progress.line("base     installing mmdebstrap")
    with log.open("ab") as out, progress.doing("apt-get install mmdebstrap"):
        for arguments in (["update", "-q"], ["install", "-y", "-q", "mmdebstrap", "debian-archive-keyring"]):
            command = [*root, "env", "DEBIAN_FRONTEND=noninteractive", apt, *arguments]
            done = subprocess.run(command, stdout=out, stderr=out, check=False)  # noqa: S603 - fixed words
    if done.returncode:
        raise BuildFailed("mmdebstrap cannot be installed", f"apt-get's output is in {log}.", log)
