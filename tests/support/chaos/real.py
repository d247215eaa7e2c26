"""The real Docker Engine as chaos tests see it: what is left there of the installations of one test."""

from __future__ import annotations

import json
from pathlib import Path

import aiodocker

from agentscope_runtime.sandbox_manager.backends import Labels, Owner


class RealEngine:
    """Answers what `engine.EngineProcess` does, for what these installations have."""

    def __init__(self, states: list[Path], *names: str) -> None:
        """See what installations with these names have, and those with states in these folders."""
        self._states = states
        self._names = names
        self._docker = aiodocker.Docker()

    async def aclose(self) -> None:
        """Hang up."""
        await self._docker.close()

    async def containers(self) -> dict[str, tuple[Owner, bool]]:
        """Return all containers: whose each is, and whether it runs."""
        found = {}
        for installation in self._installations():
            filters = json.dumps({"label": [f"{Labels.INSTALLATION}={installation}"]})
            for container in await self._docker.containers.list(all=True, filters=filters):
                labels = container["Labels"]
                owner = Owner(installation, labels[Labels.MANAGER])
                found[labels[Labels.SANDBOX_ID]] = (owner, container["State"] in ("running", "paused"))
        return found

    async def volumes(self) -> list[str]:
        """Return all volumes that no container uses, by their sandbox."""
        found = []
        for installation in self._installations():
            filters = {"label": [f"{Labels.INSTALLATION}={installation}"], "dangling": ["true"]}
            volumes = self._docker.volumes
            listed = await volumes.list(filters=filters)  # type: ignore[no-untyped-call]
            found += [volume["Labels"][Labels.SANDBOX_ID] for volume in listed["Volumes"] or ()]
        return found

    async def die(self, sandbox_id: str, *, quietly: bool = False) -> None:
        """Kill a container's programs, if it is there; the engine always tells."""
        del quietly
        try:
            await self._docker.containers.container(sandbox_id).kill()
        except aiodocker.DockerError as e:
            if e.status not in (404, 409):
                raise

    async def fail_start(self) -> None:
        """Do nothing: starts fail often enough."""

    async def failed_starts(self) -> list[str]:
        """Return nothing: whose start failed is not known."""
        return []

    async def sweep(self) -> None:
        """Remove what a test left that failed, or whose managers leave boxes to each other."""
        for sandbox_id in await self.containers():
            await self._docker.containers.container(sandbox_id).delete(force=True, v=True)

    def _installations(self) -> list[str]:
        files = (state / "installation" for state in self._states)
        return [*self._names, *(file.read_text().strip() for file in files if file.exists())]
