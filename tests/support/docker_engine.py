"""The real Docker Engine, for tests: whether it is there, a backend that leaves nothing on it, crashes on demand."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiodocker
from absence import missing

from agentscope_runtime.sandbox.errors import BackendUnavailable
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox_manager.backends import Owner
from agentscope_runtime.sandbox_manager.backends.docker import DockerBackend


@asynccontextmanager
async def docker_backend(kind: str = "base", *, publish: bool | None = None) -> AsyncIterator[DockerBackend]:
    """Open a backend with an installation of its own, and remove everything of that installation at the end.

    Skips the test, and says why, where there is no engine or the image of `kind` was not built.
    """
    backend = DockerBackend(Owner(secrets.token_hex(8), "mgr-1"), publish=publish)
    try:
        image = SandboxRegistry.get_image_by_type(kind)
        try:
            if await backend.image_id(image) is None:
                missing(f"there is no image {image}: run `make images`")
        except BackendUnavailable as e:
            missing(f"no Docker Engine answers: {e.detail}")
        try:
            yield backend
        finally:
            for found in await backend.containers():
                await backend.remove(found.sandbox_id)
    finally:
        await backend.aclose()


async def kill(name: str) -> None:
    """End a container as a crash would."""
    async with aiodocker.Docker() as docker:
        await docker.containers.container(name).kill()


async def inspect(name: str) -> dict[str, Any]:
    """Return what the engine says of a container."""
    async with aiodocker.Docker() as docker:
        return await docker.containers.container(name).show()


async def execute(name: str, *command: str) -> tuple[int, str]:
    """Run a command in a container; return its exit code and output."""
    async with aiodocker.Docker() as docker:
        execution = await docker.containers.container(name).exec(list(command))
        output = b""
        async with execution.start(detach=False) as stream:
            while message := await stream.read_out():
                output += message.data
        code = (await execution.inspect())["ExitCode"]
        return int(code), output.decode(errors="replace")
