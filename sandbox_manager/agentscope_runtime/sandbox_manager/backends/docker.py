"""Containers on a Docker Engine, by aiodocker.

Talks to the engine and to nothing else. What a container is given stands in `docker_config`, the network in
`docker_network`, workspaces in `docker_volumes`, what is said to a container and what it says while it starts in
`docker_console`, how its death is heard of in `docker_events`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import aiodocker
import aiohttp
from aiodocker.containers import DockerContainer

from agentscope_runtime.sandbox.errors import BackendUnavailable, ImageMissing, SandboxDied, SandboxError, StartFailed
from agentscope_runtime.sandbox_manager.backends import (
    BOX_PORT,
    DESKTOP_PORT,
    Blueprint,
    Death,
    Found,
    Labels,
    Order,
    Owner,
    Started,
    WatchBegins,
    WatchLost,
    docker_volumes,
)
from agentscope_runtime.sandbox_manager.backends.docker_config import container_config, seccomp_profile
from agentscope_runtime.sandbox_manager.backends.docker_console import Console
from agentscope_runtime.sandbox_manager.backends.docker_events import deaths
from agentscope_runtime.sandbox_manager.backends.docker_inspection import has_named_workspace, memory_used, shown
from agentscope_runtime.sandbox_manager.backends.docker_listing import listed_container, listed_volume
from agentscope_runtime.sandbox_manager.backends.docker_network import Network, is_network_trouble
from agentscope_runtime.sandbox_manager.states import Address
from agentscope_runtime.sandbox_manager.uninterrupted import uninterrupted

CALL_TIMEOUT = 60.0
"""Seconds for one call to the engine; a start under heavy load takes some seconds."""
WATCH_AGAIN = 0.5
"""Seconds until a lost stream of events is taken up again."""
GONE_WITHIN = 10.0
"""Seconds to wait for a container that the engine is removing already."""


class DockerBackend:
    """See the module. Nothing is opened before it is needed, so that an engine which is not there is no error yet."""

    def __init__(self, owner: Owner, *, publish: bool | None = None) -> None:
        """Prepare.

        Args:
            owner: What the labels say.
            publish: Whether boxes are reached through ports published on 127.0.0.1, as they must be where the
                engine's networks cannot be routed to (it runs in a virtual machine: macOS, Windows). Else by their
                addresses on the bridge. By default by the operating system.
        """
        self.owner = owner
        self._publish = sys.platform != "linux" if publish is None else publish
        self._client: aiodocker.Docker | None = None
        self._network = Network()
        self._consoles: dict[str, Console] = {}

    # --- one container

    async def start(self, order: Order) -> Started:
        """See `Backend.start`."""
        # The engine goes on with what it was asked for: only when it is through is there nothing more to appear.
        return await uninterrupted(self._make(order))

    async def _make(self, order: Order) -> Started:
        with _translated(order.blueprint.image):
            docker = self._docker()
            try:
                return await self._run(docker, order)
            except aiodocker.DockerError as e:
                if not is_network_trouble(e):
                    raise
            # The first start on this engine, or the first after a prune. Trying first saves every other one a call.
            await self._remove(order.sandbox_id, keep_workspace=order.restored)
            await self._network.ensure(docker)
            return await self._run(docker, order)

    async def _run(self, docker: aiodocker.Docker, order: Order) -> Started:
        blueprint = order.blueprint
        config = container_config(
            order,
            self.owner,
            network=self._network.reference,
            publish=self._publish,
            seccomp=seccomp_profile(),
            workspace=await self._kept(docker, order) if order.restored else "",
        )
        container = await docker.containers.create(config, name=order.sandbox_id)
        # Attached before it runs, so that none of its output is missed. The line may wait in the pipe.
        console = await Console.attach(container)
        self._consoles[order.sandbox_id] = console
        await console.say(order.start_line())
        await container.start()
        said = await container.show()
        return Started(container.id, said["Image"], self._address(said, blueprint))

    async def _kept(self, docker: aiodocker.Docker, order: Order) -> str:
        workspace = await docker_volumes.kept(docker, self.owner, order.volume or order.sandbox_id)
        if workspace is None:  # a container with an empty one would look as if nothing had happened
            raise SandboxDied(f"the workspace of sandbox {order.sandbox_id} is gone; connect again to get a fresh one")
        return workspace

    def _address(self, said: dict[str, Any], blueprint: Blueprint) -> Address:
        settings = said["NetworkSettings"]
        if not said["State"]["Running"]:
            # It ended before we looked; whoever waits for it to get ready finds out why.
            return Address("127.0.0.1", 9)
        if not self._publish:
            (endpoint,) = settings["Networks"].values()
            return Address(endpoint["IPAddress"], BOX_PORT, DESKTOP_PORT if blueprint.has_desktop else None)

        def published(port: int) -> int:
            return int(settings["Ports"][f"{port}/tcp"][0]["HostPort"])

        return Address("127.0.0.1", published(BOX_PORT), published(DESKTOP_PORT) if blueprint.has_desktop else None)

    async def remove(self, sandbox_id: str, *, keep_workspace: bool = False) -> None:
        """See `Backend.remove`."""
        with _translated():
            await self._remove(sandbox_id, keep_workspace=keep_workspace)

    async def _remove(self, sandbox_id: str, *, keep_workspace: bool) -> None:
        if console := self._consoles.pop(sandbox_id, None):
            await console.aclose()
        container = self._container(sandbox_id)
        # A workspace that has a name by now stays when the container goes; so does one that somebody has just kept.
        stays = not keep_workspace and has_named_workspace(await shown(container))
        try:
            await container.delete(force=True, v=not keep_workspace)
        except aiodocker.DockerError as e:
            if e.status == 409:  # it ended by itself, or somebody else removes it: the engine is at it already
                await self._until_gone(container)
            elif e.status != 404:
                raise
            stays = not keep_workspace
        if stays:
            await docker_volumes.remove(self._docker(), self.owner, sandbox_id)

    async def _until_gone(self, container: DockerContainer) -> None:
        try:
            async with asyncio.timeout(GONE_WITHIN):
                await container.wait(condition="removed")
        except aiodocker.DockerError as e:
            if e.status != 404:
                raise

    async def alive(self, sandbox_id: str) -> bool:
        """See `Backend.alive`."""
        with _translated():
            said = await shown(self._container(sandbox_id))
        return said is not None and bool(said["State"]["Running"])

    async def pause(self, sandbox_id: str) -> None:
        """See `Backend.pause`."""
        with _translated(), _unless_done("already paused", "not running"):
            await self._container(sandbox_id).pause()

    async def unpause(self, sandbox_id: str) -> None:
        """See `Backend.unpause`."""
        with _translated(), _unless_done("not paused", "not running"):
            await self._container(sandbox_id).unpause()

    async def memory_used(self, sandbox_id: str) -> int | None:
        """See `Backend.memory_used`."""
        with _translated():
            return await memory_used(self._container(sandbox_id))

    async def last_words(self, sandbox_id: str) -> str:
        """See `Backend.last_words`."""
        console = self._consoles.get(sandbox_id)
        return "" if console is None else await console.last_words()

    def settle(self, sandbox_id: str) -> None:
        """See `Backend.settle`."""
        if console := self._consoles.pop(sandbox_id, None):
            console.close_soon()

    # --- all of them

    async def image_id(self, image: str) -> str | None:
        """See `Backend.image_id`."""
        with _translated():
            try:
                return str((await self._docker().images.inspect(image))["Id"])
            except aiodocker.DockerError as e:
                if e.status == 404:
                    return None
                raise

    async def containers(self) -> list[Found]:
        """See `Backend.containers`."""
        filters = json.dumps({"label": [f"{Labels.INSTALLATION}={self.owner.installation}"]})
        with _translated():
            listed = await self._docker().containers.list(all=True, filters=filters)
        return [listed_container(item, publish=self._publish) for item in listed]

    async def loose_volumes(self) -> list[Found]:
        """See `Backend.loose_volumes`."""
        with _translated():
            listed = await docker_volumes.volumes(self._docker(), self.owner, dangling=["true"])
        return [listed_volume(volume) for volume in listed]

    async def remove_volume(self, sandbox_id: str) -> None:
        """See `Backend.remove_volume`."""
        with _translated():
            await docker_volumes.remove(self._docker(), self.owner, sandbox_id)

    # --- what happens

    async def watch(self, *, of_all: bool = False) -> AsyncIterator[WatchBegins | Death | WatchLost]:
        """See `Backend.watch`."""
        while True:
            try:
                with _translated():
                    since = int(time.time())
                    await self._docker().version()
                    # From that moment on: the engine repeats what happened until we listen.
                    yield WatchBegins()
                    async with aclosing(deaths(self._docker(), self.owner, since, of_all=of_all)) as stream:
                        async for death in stream:
                            yield death
                yield WatchLost("the engine ended its stream of events")
            except SandboxError as e:
                yield WatchLost(e.detail)
            await asyncio.sleep(WATCH_AGAIN)

    async def aclose(self) -> None:
        """See `Backend.aclose`."""
        consoles = list(self._consoles.values())
        self._consoles.clear()
        for console in consoles:
            await console.aclose()
        if self._client is not None:
            await self._client.close()

    def _docker(self) -> aiodocker.Docker:
        if self._client is None:
            try:
                self._client = aiodocker.Docker(timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT))
            except (AssertionError, ValueError) as e:  # aiodocker asserts that there is a socket
                raise BackendUnavailable(
                    "no Docker Engine found: install and start it (`make run` does), or set DOCKER_HOST"
                ) from e
        return self._client

    def _container(self, sandbox_id: str) -> DockerContainer:
        return self._docker().containers.container(sandbox_id)


@contextmanager
def _unless_done(*states: str) -> Iterator[None]:
    """Let pass that a container is gone, or in one of these states, in which there is nothing to do."""
    try:
        yield
    except aiodocker.DockerError as e:  # what the engine calls it has differed: 304, 409 or 500
        if e.status != 404 and not any(state in e.message for state in states):
            raise


@contextmanager
def _translated(image: str = "") -> Iterator[None]:
    """Turn what the engine, or the way to it, says into errors of the family."""
    try:
        yield
    except aiodocker.DockerError as e:
        if e.status == 404 and "no such image" in e.message.lower():
            raise ImageMissing(f"there is no image {image} on the engine; run `make images`", image=image) from e
        if e.status >= 900:
            raise BackendUnavailable(f"{e.message}; is the Docker Engine running?") from e
        if image and e.status < 500:
            raise StartFailed(f"the Docker Engine refused to start {image}: {e.message}") from e
        raise BackendUnavailable(f"the Docker Engine failed: {e.message}") from e
    except TimeoutError as e:
        raise BackendUnavailable(f"the Docker Engine did not answer within {CALL_TIMEOUT:g} s") from e
    except (aiohttp.ClientError, OSError) as e:
        raise BackendUnavailable(f"the Docker Engine does not answer: {e}") from e
