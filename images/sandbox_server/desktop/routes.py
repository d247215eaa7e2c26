"""The routes of a desktop: a viewer is announced, and the screen's size is asked for and set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from aiohttp import web

from sandbox_server.desktop.screen import ScreenFailed
from sandbox_server.parts import PartFailed
from sandbox_server.problems import invalid_request, start_failed
from sandbox_server.tools import read_object

SIDES = {"width": (320, 3840), "height": (240, 2160)}
"""The smallest screen on which a panel has a place, and the largest that a viewer's line can carry."""


class Openable(Protocol):
    """What the routes need of a desktop."""

    async def open(self) -> None:
        """Start what does not run yet, and wait until a viewer sees it."""

    async def size(self) -> tuple[int, int]:
        """Return width and height of the screen."""

    async def resize(self, width: int, height: int) -> tuple[int, int]:
        """Give the screen another size; return the size that it has then."""


def desktop_routes(desktop: Openable) -> Sequence[web.RouteDef]:
    """Return the routes of this desktop."""

    async def announced(request: web.Request) -> web.Response:
        try:
            await desktop.open()
        except PartFailed as e:
            raise start_failed(f"the desktop does not start: {e}") from e
        return web.Response(status=204)

    async def size(request: web.Request) -> web.Response:
        try:
            return _answer(*await desktop.size())
        except (ScreenFailed, PartFailed, TimeoutError) as e:
            raise start_failed(f"the screen does not answer: {e}") from e

    async def resize(request: web.Request) -> web.Response:
        width, height = _wanted(await read_object(request))
        try:
            return _answer(*await desktop.resize(width, height))
        except ScreenFailed as e:
            raise invalid_request(str(e)) from e
        except (PartFailed, TimeoutError) as e:
            raise start_failed(f"the screen does not answer: {e}") from e

    return [web.post("/desktop", announced), web.get("/screen", size), web.put("/screen", resize)]


def _wanted(body: dict[str, Any]) -> tuple[int, int]:
    for name, (least, most) in SIDES.items():
        value = body.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise invalid_request(f"{name} must be an integer from {least} to {most}, not {value!r}")
    return body["width"], body["height"]


def _answer(width: int, height: int) -> web.Response:
    return web.json_response({"width": width, "height": height})
