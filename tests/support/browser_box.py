"""A real browser box for tests: a `real_box` with a site to go to and somebody who checks what its tools say.

Its Chromium finds the names of `NAMES` at the test's own site, and trusts that site's certificates. What its tools say
can be checked by a witness: a second Playwright, attached to the same Chromium through a relay that only tests start.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from managers import eventually
from playwright.sync_api import BrowserContext, Page, Playwright
from real_box import RealBox, network_gateway, real_box
from web_site import Site

from agentscope_runtime.sandbox_manager.backends import DESKTOP_PORT

NAMES = ("example.com", "shop.example.com", "example.org")
RELAY_PORT = 9333
RELAY = f"""
import asyncio
async def pump(source, sink):
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()
async def relay(reader, writer):
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", 9222)
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)
async def main():
    server = await asyncio.start_server(relay, "0.0.0.0", {RELAY_PORT}, limit=1 << 24)
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass
class BrowserBox(RealBox):
    """One running box with a browser."""

    relayed: bool = False
    """Whether the relay for witnesses runs."""

    def ok(self, name: str, /, **arguments: Any) -> str:
        """Call a tool that must succeed, and return its text."""
        result = self.call(name, **arguments)
        assert result["isError"] is False, result
        return text_of(result)

    def error(self, name: str, /, **arguments: Any) -> str:
        """Call a tool that must fail, and return its text."""
        result = self.call(name, **arguments)
        assert result["isError"] is True, result
        return text_of(result)

    def ref(self, line: str) -> str:
        """Return the ref of the first line of a fresh snapshot that contains `line`."""
        found = [entry for entry in self.ok("browser_snapshot").splitlines() if line in entry and "[ref=" in entry]
        assert found, f"no {line!r} in the snapshot"
        return found[0].split("[ref=")[1].split("]")[0]

    def desktop_url(self) -> str:
        """Return the address of the desktop's WebSocket."""
        return f"ws://{self.host}:{DESKTOP_PORT}/websockify"


def text_of(result: dict[str, Any]) -> str:
    """Return the text items of a result."""
    return "\n".join(item["text"] for item in result["content"] if item["type"] == "text")


@contextmanager
def browser_box(site: Site | None = None, **environment: str) -> Iterator[BrowserBox]:
    """Run a box that finds this site under the names of `NAMES`; it is removed at the end."""
    if site is not None:
        environment["CHROMIUM_EXTRA_ARGS"] = f'--host-resolver-rules="{_rules(site, network_gateway())}"'
    with real_box("browser", environment=environment, ca_bundle=(site and site.ca_pem) or None) as box:
        yield BrowserBox(box.container, box.token, box.http)


def _rules(site: Site, gateway: str) -> str:
    rules = [f"MAP {name}:80 {gateway}:{site.http_port}, MAP {name}:443 {gateway}:{site.https_port}" for name in NAMES]
    return ", ".join([*rules, "MAP nowhere.example.com ~NOTFOUND"])


class Witness:
    """A second pair of eyes on the same browser; sees pages, touches nothing unless asked."""

    def __init__(self, context: BrowserContext) -> None:
        """Look at this context."""
        self.context = context
        # Without a listener Playwright would dismiss dialogs, also those that the tools are asked about.
        context.on("dialog", lambda _: None)

    def pages(self) -> list[Page]:
        """Return the open pages, oldest first."""
        self.context.cookies()  # only during a call does this Playwright hear what happened meanwhile
        return self.context.pages

    def urls(self) -> list[str]:
        """Return the addresses of the open pages."""
        return [page.url for page in self.pages()]

    def page(self, part: str = "") -> Page:
        """Return the last page whose address contains `part`."""
        found = [page for page in self.pages() if part in page.url]
        assert found, f"no page with {part!r} among {self.urls()}"
        return found[-1]

    def see(self, expression: str, wanted: object, part: str = "") -> None:
        """Assert that an expression has a value in the page, now or in a moment."""
        try:
            eventually(lambda: self.page(part).evaluate(expression) == wanted, 3, f"{expression} is {wanted!r}", 0.02)
        except pytest.fail.Exception as e:
            e.add_note(f"it is {self.page(part).evaluate(expression)!r}")
            raise


@contextmanager
def witness(playwright: Playwright, box: BrowserBox) -> Iterator[Witness]:
    """Attach a witness to the browser of a box."""
    if not box.relayed:
        box.container.exec_run([_python(box), "-c", RELAY], detach=True)
        eventually(lambda: _listens(box.host, RELAY_PORT), 10, "the relay for witnesses listens", 0.02)
        box.relayed = True
    browser = playwright.chromium.connect_over_cdp(f"http://{box.host}:{RELAY_PORT}", no_defaults=True)
    try:
        yield Witness(browser.contexts[0])
    finally:
        browser.close()


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _python(box: BrowserBox) -> str:
    """Return the interpreter that the box server runs on."""
    command = box.container.attrs["Config"]["Cmd"] or box.container.attrs["Config"]["Entrypoint"]
    return str(next(word for word in command if "python" in word))
