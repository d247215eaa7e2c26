"""What the engine says of one container: how it was made, and what it uses."""

from __future__ import annotations

from typing import Any

from aiodocker import DockerError
from aiodocker.containers import DockerContainer


async def shown(container: DockerContainer) -> dict[str, Any] | None:
    """Return all that the engine says of a container; None if there is none."""
    try:
        return await container.show()
    except DockerError as e:
        if e.status == 404:
            return None
        raise


def has_named_workspace(said: dict[str, Any] | None) -> bool:
    """Tell whether what the engine says of a container names its volume: one that stays when the container goes."""
    mounts = [] if said is None else said["HostConfig"].get("Mounts") or []
    return any(mount.get("Source") for mount in mounts)


async def memory_used(container: DockerContainer) -> int | None:
    """Return the bytes that a container uses, without the files that the kernel would give up; None if it does not run.

    Takes the engine one to two seconds, nearly all of it waiting.
    """
    try:
        (stats,) = await container.stats(stream=False)
    except DockerError as e:
        if e.status in (404, 409):
            return None
        raise
    memory = stats["memory_stats"]
    if "usage" not in memory:  # it does not run
        return None
    details = memory.get("stats", {})
    cache = details.get("inactive_file", details.get("total_inactive_file", 0))  # control groups v2, v1
    return max(0, int(memory["usage"]) - int(cache))
