"""What a box's failures mean: its problem documents as errors of the family, whichever way they come."""

from __future__ import annotations

import json

import aiohttp

from agentscope_runtime.sandbox.errors import PROBLEM_MEDIA_TYPE, InternalError, SandboxError, from_problem

PROBLEM_LIMIT = 1 << 16
PROBLEM_HEADER = "X-Problem"
"""The problem document of a WebSocket that a box refuses: the body of a refused handshake reaches nobody."""


async def problem_of(response: aiohttp.ClientResponse) -> SandboxError:
    """Return what a box's answer that is a failure means."""
    body = await response.content.read(PROBLEM_LIMIT)
    if response.content_type in (PROBLEM_MEDIA_TYPE, "application/json") and (
        described := _described(body, response.status)
    ):
        return described
    return InternalError(
        f"the sandbox answered {response.method} {response.url.path} with HTTP {response.status}: "
        f"{body[:200].decode(errors='replace')}"
    )


def refusal_of(error: aiohttp.WSServerHandshakeError, path: str) -> SandboxError:
    """Return what a box that refused a WebSocket meant."""
    document = "" if error.headers is None else error.headers.get(PROBLEM_HEADER, "")
    described = _described(document.encode(), error.status)
    return described or InternalError(f"the sandbox answered the WebSocket {path} with HTTP {error.status}")


def _described(document: bytes, status: int) -> SandboxError | None:
    try:
        members = json.loads(document)
    except ValueError:
        return None
    return from_problem(members, status) if isinstance(members, dict) and "code" in members else None
