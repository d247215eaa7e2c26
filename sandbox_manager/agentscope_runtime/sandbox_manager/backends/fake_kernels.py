"""The kernels of a fake box: names and states, and nothing that runs."""

from __future__ import annotations

from aiohttp import web

from agentscope_runtime.sandbox.errors import NotFound


class FakeKernels:
    """Has `main`, idle, until that is stopped."""

    def __init__(self) -> None:
        self._names = ["main"]

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, as the real box has them."""
        return [
            web.get("/kernels", self._list),
            web.post("/kernels/{name}/interrupt", self._interrupt),
            web.post("/kernels/{name}/restart", self._restart),
            web.delete("/kernels/{name}", self._stop),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"kernels": [_described(name) for name in self._names]})

    async def _interrupt(self, request: web.Request) -> web.Response:
        self._named(request)
        return web.json_response({"interrupted": False})

    async def _restart(self, request: web.Request) -> web.Response:
        return web.json_response(_described(self._named(request)))

    async def _stop(self, request: web.Request) -> web.Response:
        self._names = [name for name in self._names if name != request.match_info["name"]]
        return web.Response(status=204)

    def _named(self, request: web.Request) -> str:
        name = request.match_info["name"]
        if name not in self._names:
            raise NotFound(f"there is no kernel {name!r}; there are: {', '.join(self._names) or 'none'}")
        return name


def _described(name: str) -> dict[str, object]:
    return {"name": name, "state": "idle", "cells": 0, "waiting": 0, "started_at": 0.0}
