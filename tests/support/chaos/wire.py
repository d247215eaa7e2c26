"""What travels between the processes of a chaos test: whole Python values over a Unix socket, between our own only."""

from __future__ import annotations

import asyncio
import pickle
import struct
from typing import Any

from agentscope_runtime.sandbox.errors import SandboxError, from_problem

HEAD = struct.Struct("!I")


async def read(reader: asyncio.StreamReader) -> Any:
    """Return the next message.

    Raises:
        EOFError: The other side is gone.
    """
    try:
        (length,) = HEAD.unpack(await reader.readexactly(HEAD.size))
        return pickle.loads(await reader.readexactly(length))  # noqa: S301 - the sender is a process of this test
    except (asyncio.IncompleteReadError, OSError) as e:
        raise EOFError from e


def write(writer: asyncio.StreamWriter, message: Any) -> None:
    """Send a message, whole; one to nobody is lost."""
    data = pickle.dumps(message)
    writer.write(HEAD.pack(len(data)) + data)


def packed(error: SandboxError) -> tuple[dict[str, Any], int]:
    """Return an error as it travels."""
    return error.to_problem(), error.status


def unpacked(problem: tuple[dict[str, Any], int]) -> SandboxError:
    """Return the error that was sent."""
    return from_problem(*problem)
