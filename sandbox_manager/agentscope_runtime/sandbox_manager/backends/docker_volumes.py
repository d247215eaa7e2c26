"""The workspaces on a Docker Engine: volumes that outlive containers, found by what their labels say.

A container's own workspace has no name, so that the engine removes it with the container. One that was kept, when its
container was removed, is found by the sandbox's label and mounted by the name that the engine gave it. From then on the
engine leaves it when the container goes, and it has to be removed by itself.
"""

from __future__ import annotations

from typing import Any

import aiodocker

from agentscope_runtime.sandbox_manager.backends import Labels, Owner

GONE = 404


async def volumes(docker: aiodocker.Docker, owner: Owner, *labels: str, **filters: list[str]) -> list[dict[str, Any]]:
    """Return the volumes of an installation that have these labels (`name=value`), as the engine describes them."""
    wanted = [f"{Labels.INSTALLATION}={owner.installation}", *labels]
    listed = await docker.volumes.list(filters={"label": wanted, **filters})  # type: ignore[no-untyped-call]
    return listed["Volumes"] or []


async def kept(docker: aiodocker.Docker, owner: Owner, sandbox_id: str) -> str | None:
    """Return the engine's name of the workspace that a container left, or of a shared one; None if there is none."""
    left = await volumes(docker, owner, f"{Labels.SANDBOX_ID}={sandbox_id}")
    return str(left[0]["Name"]) if left else None


async def remove(docker: aiodocker.Docker, owner: Owner, sandbox_id: str) -> None:
    """Remove the workspace that a container left, or a shared one by its name; fine if there is none."""
    for volume in await volumes(docker, owner, f"{Labels.SANDBOX_ID}={sandbox_id}"):
        try:
            await aiodocker.volumes.DockerVolume(docker, volume["Name"]).delete()  # type: ignore[no-untyped-call]
        except aiodocker.DockerError as e:
            if e.status != GONE:
                raise
