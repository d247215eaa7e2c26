"""The private network of the boxes: a bridge on which they reach the world and the host reaches them, but not one box
another. There is one for the whole engine, whatever the installation: it separates every box from every other anyway,
engines have room for some thirty bridges only, and making one at each start would cost a script 150 ms.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiodocker

from agentscope_runtime.sandbox.errors import BackendUnavailable

NAME = "agentscope-runtime"
IN_USE, GONE, CONFLICT = 403, 404, 409


def is_network_trouble(error: aiodocker.DockerError) -> bool:
    """Tell whether a start failed because the network is missing, or there are two of its name."""
    message = error.message.lower()
    return "network" in message and ("not found" in message or "ambiguous" in message)


class Network:
    """The bridge, as one manager knows it."""

    def __init__(self) -> None:
        self.reference = NAME
        """How to name it to the engine: the id once it is known, since names need not be unique there."""
        self._lock = asyncio.Lock()

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

    async def _create(self, docker: aiodocker.Docker) -> None:
        config = {
            "Name": NAME,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Labels": {NAME: "boxes"},
            "Options": {"com.docker.network.bridge.enable_icc": "false"},
        }
        try:
            await docker.networks.create(config)
        except aiodocker.DockerError as e:
            if "address pool" in e.message:
                raise BackendUnavailable(
                    f"the engine has no room for another network; `docker network prune` may help: {e.message}"
                ) from e
            if e.status != CONFLICT:  # another manager was faster
                raise

    async def _existing(self, docker: aiodocker.Docker) -> list[dict[str, Any]]:
        listed = await docker.networks.list(filters={"name": [NAME]})  # which finds parts of names, too
        named = [network for network in listed if network["Name"] == NAME]
        return sorted(named, key=lambda network: (network["Created"], network["Id"]))


async def _delete(docker: aiodocker.Docker, network_id: str) -> None:
    try:
        await (await docker.networks.get(network_id)).delete()
    except aiodocker.DockerError as e:
        if e.status not in (IN_USE, GONE):
            raise
