"""What one page said and asked for since it was navigated: console messages and network requests.

Also knows which requests are under way, for whoever waits until an action has had its effect (`settle`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from playwright.async_api import ConsoleMessage, Error, Frame, Page, Request, Response

KEPT = 1_000  # a page that polls for hours must not fill the box


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and what became of it."""

    method: str
    url: str
    kind: str
    outcome: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def __str__(self) -> str:
        return f"[{self.method}] {self.url}{self.outcome and f' => {self.outcome}'}"


class PageLog:
    """Listens to one page from its first moment."""

    def __init__(self, page: Page) -> None:
        """Listen to this page."""
        self._page = page
        self.console: list[str] = []
        self.exchanges: list[Exchange] = []
        self.arriving: Exchange | None = None
        """The request for the next document of the page, until that document is there or failed."""
        self._of: dict[Request, Exchange] = {}
        page.on("console", self._on_console)
        page.on("pageerror", self._on_error)
        page.on("request", self._on_request)
        page.on("response", self._on_response)
        page.on("requestfinished", self._on_finished)
        page.on("requestfailed", self._on_failed)
        page.on("framenavigated", self._on_navigated)

    def under_way(self) -> list[Exchange]:
        """Return the requests that have no end yet."""
        return list(self._of.values())

    def _on_console(self, message: ConsoleMessage) -> None:
        self._say(f"[{message.type.upper()}] {message.text}")

    def _on_error(self, error: Error) -> None:
        self._say(f"[ERROR] Uncaught {error}")

    def _say(self, line: str) -> None:
        self.console.append(line)
        del self.console[:-KEPT]

    def _on_request(self, request: Request) -> None:
        exchange = Exchange(request.method, request.url, request.resource_type)
        self._of[request] = exchange
        self.exchanges.append(exchange)
        del self.exchanges[:-KEPT]
        if request.is_navigation_request() and _main(request) and request.redirected_from is None:
            self.arriving = exchange

    def _on_response(self, response: Response) -> None:
        if exchange := self._of.get(response.request):
            exchange.outcome = f"[{response.status}] {response.status_text}".rstrip()

    def _on_finished(self, request: Request) -> None:
        if exchange := self._of.pop(request, None):
            exchange.done.set()

    def _on_failed(self, request: Request) -> None:
        if exchange := self._of.pop(request, None):
            exchange.outcome = exchange.outcome or f"failed: {request.failure or 'no reason given'}"
            exchange.done.set()
            if exchange is self.arriving:
                self.arriving = None

    def _on_navigated(self, frame: Frame) -> None:
        if frame != self._page.main_frame:
            return
        if self.arriving is not None:
            first = self.exchanges.index(self.arriving) if self.arriving in self.exchanges else 0
            del self.exchanges[:first]
            self.console.clear()
            self.arriving = None
        elif frame.url.startswith(("about:", "data:")):  # these come without a request
            self.exchanges.clear()
            self.console.clear()


def _main(request: Request) -> bool:
    try:
        return request.frame.parent_frame is None
    except Error:  # a service worker's request has no frame
        return False
