"""Whether a box is ready: all its parts are, or one says why it never will be."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from aiohttp import web

from sandbox_server.parts import Part, PartFailed
from sandbox_server.problems import invalid_request, start_failed

MAX_WAIT_S = 600.0


async def missing(parts: Sequence[Part], wait: float) -> str:
    """Wait until all parts are ready; return an empty string, or after `wait` seconds what is missing.

    Raises:
        PartFailed: one of them never will be ready; raised at once.
    """
    tasks = {asyncio.create_task(part.ready()): part for part in parts}
    try:
        done, pending = await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    except PartFailed as e:
        raise PartFailed(f"{tasks[task].name}: {e}") from e
    finally:
        for task in tasks:
            task.cancel()
    late = [part for task, part in tasks.items() if task in pending]
    return "; ".join(f"{part.name} is not ready after {wait:g} s{_said(part)}" for part in late)


def _said(part: Part) -> str:
    tail = part.log_tail()
    return f" (its log ends: {tail})" if tail else ""


class Readiness:
    """The route of it."""

    def __init__(self, parts: Sequence[Part], sandbox_type: str) -> None:
        """Ask these parts."""
        self._parts = parts
        self._sandbox_type = sandbox_type

    async def get(self, request: web.Request) -> web.Response:
        """Answer when the box is ready, or after `?wait=` seconds."""
        try:
            wait = float(request.query.get("wait", "0"))
        except ValueError:
            wait = math.nan
        if not 0 <= wait <= MAX_WAIT_S:
            raise invalid_request(f"wait must be a number of seconds from 0 to {MAX_WAIT_S:g}")
        try:
            lacking = await missing(self._parts, wait)
        except PartFailed as e:
            raise start_failed(str(e)) from e
        if lacking:
            raise start_failed(lacking)
        return web.json_response({"ready": True, "sandbox_type": self._sandbox_type})
