"""The private network of an installation: a bridge on which boxes reach the world and the host reaches them, but not
one box another. Made by the first start that finds it missing, removed by the last manager that ends.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiodocker

from agentscope_runtime.sandbox.errors import BackendUnavailable
from agentscope_runtime.sandbox_manager.backends import Labels, Owner

IN_USE, GONE, CONFLICT = 403, 404, 409


def is_network_trouble(error: aiodocker.DockerError) -> bool:
    """Tell whether a start failed because the network is missing, or there are two of its name."""
    message = error.message.lower()
    return "network" in message and ("not found" in message or "ambiguous" in message)


class Network:
    """The bridge of one installation."""

    def __init__(self, owner: Owner) -> None:
        self.name = f"agentscope-runtime-{owner.installation}"
        self.reference = self.name
        """How to name it to the engine: the id once it is known, since names need not be unique there."""
        self._owner = owner
        self._lock = asyncio.Lock()

    @property
    def is_known(self) -> bool:
        """Whether it was there lately."""
        return self.reference != self.name

    async def ensure(self, docker: aiodocker.Docker) -> None:
        """Make it, unless it is there; several managers may do so at the same time, and end up with the same one."""
        async with self._lock:
            existing = await self._existing(docker)
            if not existing:
                await self._create(docker)
                existing = await self._existing(docker)
            # The engine's check for duplicates has a gap. Everybody agrees on the oldest; the maker of another one
            # removes it, which the engine refuses as long as somebody uses it.
            for network in existing[1:]:
                await _delete(docker, network["Id"])
            self.reference = existing[0]["Id"]

    async def remove(self, docker: aiodocker.Docker) -> None:
        """Remove it, unless somebody uses it; fine if there is none."""
        self.reference = self.name
        for network in await self._existing(docker):
            await _delete(docker, network["Id"])

    async def _create(self, docker: aiodocker.Docker) -> None:
        try:
            await self._ask(docker)
        except aiodocker.DockerError as e:
            if "address pool" not in e.message:
                raise
            # An engine has room for some thirty bridges. What killed managers of whatever installation left is unused
            # and made again when it is missed, so removing it harms nobody.
            await docker.networks.prune(filters={"label": [Labels.INSTALLATION]})
            try:
                await self._ask(docker)
            except aiodocker.DockerError as still:
                raise BackendUnavailable(
                    f"no room for another network; `docker network prune` may help: {still.message}"
                ) from still

    async def _ask(self, docker: aiodocker.Docker) -> None:
        config = {
            "Name": self.name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Labels": {Labels.INSTALLATION: self._owner.installation},
            "Options": {"com.docker.network.bridge.enable_icc": "false"},
        }
        try:
            await docker.networks.create(config)
        except aiodocker.DockerError as e:
            if e.status != CONFLICT:  # another manager was faster
                raise

    async def _existing(self, docker: aiodocker.Docker) -> list[dict[str, Any]]:
        listed = await docker.networks.list(filters={"name": [self.name]})  # which finds parts of names, too
        named = [network for network in listed if network["Name"] == self.name]
        return sorted(named, key=lambda network: (network["Created"], network["Id"]))


async def _delete(docker: aiodocker.Docker, network_id: str) -> None:
    try:
        await (await docker.networks.get(network_id)).delete()
    except aiodocker.DockerError as e:
        if e.status not in (IN_USE, GONE):
            raise
