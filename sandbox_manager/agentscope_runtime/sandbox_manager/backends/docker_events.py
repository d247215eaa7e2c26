"""What the engine tells of containers that end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress

import aiodocker
import aiohttp
from aiodocker.events import DockerEvents

from agentscope_runtime.sandbox_manager.backends import Death, Labels, Owner

KILLED = 137
"""The exit code of a process that got SIGKILL: from `docker kill`, `docker rm`, or the kernel for want of memory."""


async def deaths(
    docker: aiodocker.Docker, owner: Owner, since: int, *, of_all: bool = False
) -> AsyncGenerator[Death, None]:
    """Yield each death of a container of this manager since that second; ends when the engine ends the stream.

    Args:
        docker: The engine.
        owner: Whose containers.
        since: Seconds since the epoch.
        of_all: Whether to tell of those of all managers of the installation.
    """
    labels = [f"{Labels.INSTALLATION}={owner.installation}"]
    if not of_all:
        labels.append(f"{Labels.MANAGER}={owner.manager}")
    filters = {"type": ["container"], "event": ["die", "oom"], "label": labels}
    events = DockerEvents(docker)  # type: ignore[no-untyped-call]
    subscriber = events.subscribe(create_task=False)  # type: ignore[no-untyped-call]
    listening = asyncio.create_task(events.run(since=since, filters=json.dumps(filters)))
    out_of_memory: set[str] = set()
    try:
        while (event := await subscriber.get()) is not None:
            attributes = event["Actor"]["Attributes"]
            sandbox_id = attributes.get(Labels.SANDBOX_ID, "")
            if event["Action"] == "oom":  # of any of its processes: whether it was the end, the next event tells
                out_of_memory.add(sandbox_id)
            else:
                yield Death(sandbox_id, _reason(attributes, sandbox_id in out_of_memory))
                out_of_memory.discard(sandbox_id)
        await listening  # it has ended: raise why
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError, aiodocker.DockerError, aiohttp.ClientError, OSError):
            await listening


def _reason(attributes: dict[str, str], out_of_memory: bool) -> str:
    code = int(attributes.get("exitCode", -1))
    return f"ended with exit code {code}" + (": it ran out of memory" if out_of_memory and code == KILLED else "")
