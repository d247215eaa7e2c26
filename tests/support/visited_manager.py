"""A manager whose boxes in memory pass on to programs on this machine, as real boxes do to those inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web
from served_manager import Manager
from visited_app import Visited

from agentscope_runtime.sandbox_manager.backends import fake_box
from sandbox_server.ports.routes import PortRoutes
from sandbox_server.problems import Handler, problems


class _Ports:
    """What stands in for the fake's ports: the real box's code."""

    def routes(self) -> list[web.RouteDef]:
        """Return its routes, with its problems."""
        self._real = PortRoutes(frozenset({7000}))
        _opened.append(self._real)
        return [web.get(route.path, _told(route.handler), allow_head=False) for route in self._real.routes()[:1]] + [
            web.post(route.path, _told(route.handler)) for route in self._real.routes()[1:]
        ]


_opened: list[PortRoutes] = []


def _told(handler: object) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await problems(request, handler)  # type: ignore[arg-type]

    return answer


@contextmanager
def real_ports() -> Iterator[None]:
    """Make boxes in memory like that while the context is open; `close_ports` closes what they opened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_box, "FakePorts", _Ports)
        yield


async def close_ports() -> None:
    """Close their connections to programs."""
    while _opened:
        await _opened.pop().close(web.Application())


async def link(manager: Manager, sandbox: str, port: int, headers: dict[str, str] | None = None, **body: Any) -> str:
    """Ask for an address."""
    async with manager.http() as http:
        answer = await http.post(f"/v1/sandboxes/{sandbox}/ports", json={"port": port, **body}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["port"] == port
        return str(answer.json()["url"])


class Visitor:
    """A browser, as far as hosts and cookies go: names below localhost are this machine."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self.cookies: dict[str, str] = {}

    async def get(self, url: str, method: str = "GET", **headers: str) -> httpx.Response:
        """Ask for a URL, with the cookies of its host."""
        place = urlsplit(url)
        sent = {"Host": place.netloc, **headers}
        if self.cookies:
            sent.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        async with self._manager.http(key=False) as http:
            answer = await http.request(method, f"{place.path}?{place.query}".rstrip("?"), headers=sent)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer


async def opened(manager: Manager, program: Visited) -> tuple[Visitor, str, str]:
    """Return a visitor who has opened a link, the origin of what he visits, and the sandbox."""
    (sandbox,) = await manager.lease("base")
    visitor = Visitor(manager)
    answer = await visitor.get(url := await link(manager, sandbox, program.port))
    assert answer.status_code == 303
    return visitor, url.partition("/?")[0], sandbox
