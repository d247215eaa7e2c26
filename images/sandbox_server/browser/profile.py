"""What a browser knows of the person who uses it: cookies and what sites stored, taken out and put in while it runs.

The form is that of Playwright's storage state, but for `indexedDB`, whose databases stand in a form of our own. Not
here: how one gets at what sites stored (`storage`); whose profile it is, and where it is kept (the manager).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

from sandbox_server.browser.cdp import Cdp, CdpError, Message
from sandbox_server.browser.storage import HiddenPage, Site
from sandbox_server.parts import PartFailed
from sandbox_server.problems import invalid_request, start_failed
from sandbox_server.tools import read_object

if TYPE_CHECKING:
    from sandbox_server.browser.part import Browser

ORIGINS_MAX = 500
"""Sites of one profile; those that were put in or visited later are not kept."""
STORED_MAX = 12 << 20
"""Characters of what all sites stored; with the cookies, the manager takes no more than sixteen million bytes."""
COOKIE_FIELDS = ("name", "value", "domain", "path", "expires", "httpOnly", "secure", "sameSite", "partitionKey")


class Profile:
    """The profile of the box's browser."""

    def __init__(self, browser: Browser) -> None:
        """Look after the profile of this browser."""
        self._browser = browser
        self._turn = asyncio.Lock()
        self._cdp: Cdp | None = None
        self._in_use = False
        """Whether a profile was put in; only then what is visited is noted."""
        self._cookies: list[Message] = []
        self._stored: dict[str, Site] = {}
        """By origin, as it was seen last."""
        self._sizes: dict[str, int] = {}
        self._visited: set[str] = set()
        self._common_context: str | None = None

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/browser/profile", self.get), web.put("/browser/profile", self.put)]

    async def get(self, request: web.Request) -> web.Response:
        """Answer with all cookies, and what every site stored that was put in or visited."""
        async with self._hold() as cdp:
            await self._look(cdp)
            return web.json_response(self._state())

    async def put(self, request: web.Request) -> web.Response:
        """Add the cookies of a profile, and replace what the sites in it stored."""
        cookies, stored = _parsed(await read_object(request))
        async with self._hold() as cdp:
            self._in_use = True
            await self._follow(cdp)
            await _set_cookies(cdp, cookies)
            if stored:
                async with HiddenPage.opened(cdp) as page:
                    for origin, site in stored.items():
                        if await page.put(origin, site) is not None:
                            self._stored[origin] = site
                            self._sizes[origin] = len(json.dumps([site.items, site.databases]))
            self._cookies = [_plain(each) for each in (await cdp.send("Storage.getCookies"))["cookies"]]
            return web.json_response({"cookies": len(self._cookies), "origins": len(self._stored)})

    @asynccontextmanager
    async def _hold(self) -> AsyncIterator[Cdp]:
        """Have the browser for one of us at a time; one that was started again gets back what it forgot."""
        try:
            async with self._turn:
                cdp = (await self._browser.session()).cdp
                if cdp is not self._cdp and self._in_use:
                    await self._follow(cdp)
                    there = {_name(each) for each in (await cdp.send("Storage.getCookies"))["cookies"]}
                    await _set_cookies(cdp, [each for each in self._cookies if _name(each) not in there])
                yield cdp
        except (PartFailed, ConnectionError, CdpError) as e:
            raise start_failed(f"the browser's profile cannot be reached now: {e}") from e

    async def _follow(self, cdp: Cdp) -> None:
        """Note which sites are visited from now on."""
        if cdp is self._cdp:
            return
        contexts = await cdp.send("Target.getBrowserContexts")
        self._common_context = contexts.get("defaultBrowserContextId")
        cdp.listen(self._note)
        await cdp.send("Target.setDiscoverTargets", {"discover": True})
        self._cdp = cdp

    def _note(self, event: str, said: Message) -> None:
        if event in ("Target.targetCreated", "Target.targetInfoChanged"):
            self._note_page(said["targetInfo"])

    def _note_page(self, target: Message) -> None:
        common = self._common_context in (None, target.get("browserContextId"))
        origin = _origin(target["url"])
        if target["type"] == "page" and common and origin and len(self._visited) < ORIGINS_MAX:
            self._visited.add(origin)

    async def _look(self, cdp: Cdp) -> None:
        for target in (await cdp.send("Target.getTargets"))["targetInfos"]:
            self._note_page(target)
        visited, self._visited = self._visited, set()
        if visited:
            async with HiddenPage.opened(cdp) as page:
                for origin in sorted(visited):
                    self._note_site(origin, await page.take(origin))
        self._cookies = [_plain(each) for each in (await cdp.send("Storage.getCookies"))["cookies"]]

    def _note_site(self, origin: str, site: Site | None) -> None:
        known = self._stored.get(origin)
        if site is None or (known is None and len(self._stored) >= ORIGINS_MAX):
            return
        # What cannot be read now is not gone: it stays as it was seen last.
        before = known.databases if known is not None else {}
        databases = {name: found or before.get(name) for name, found in site.databases.items()}
        found = Site(site.items, {name: found for name, found in databases.items() if found})
        others = sum(size for place, size in self._sizes.items() if place != origin)
        if others + (size := len(json.dumps([found.items, found.databases]))) > STORED_MAX:
            return  # as with too many: those that were there first are kept
        self._stored[origin], self._sizes[origin] = found, size

    def _state(self) -> dict[str, Any]:
        origins = []
        for origin, site in sorted(self._stored.items()):
            items = [{"name": name, "value": value} for name, value in site.items.items()]
            databases = [{"name": name, **database} for name, database in sorted(site.databases.items())]
            if items or databases:
                origins.append({"origin": origin, "localStorage": items, "indexedDB": databases})
        return {"cookies": self._cookies, "origins": origins}


async def _set_cookies(cdp: Cdp, cookies: list[Message]) -> None:
    given = [
        {name: value for name, value in each.items() if name != "expires" or value not in (-1, None)}
        for each in cookies
    ]
    if not given:
        return
    try:
        await cdp.send("Storage.setCookies", {"cookies": given})
    except CdpError:  # it takes all or none; one that makes no sense must not cost the others
        for each in given:
            with suppress(CdpError):
                await cdp.send("Storage.setCookies", {"cookies": [each]})


def _plain(cookie: Message) -> Message:
    return {name: cookie[name] for name in COOKIE_FIELDS if name in cookie}


def _name(cookie: Message) -> tuple[str, ...]:
    return (cookie["name"], cookie["domain"], cookie["path"], json.dumps(cookie.get("partitionKey"), sort_keys=True))


def _origin(url: str) -> str | None:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.scheme in ("http", "https") else None


def _parsed(body: dict[str, Any]) -> tuple[list[Message], dict[str, Site]]:
    """Read a storage state.

    Raises:
        Problem: it is none; names the place.
    """
    try:
        cookies = [{name: each[name] for name in COOKIE_FIELDS if name in each} for each in body.get("cookies", [])]
        for each in cookies:
            if not all(isinstance(each[name], str) for name in ("name", "value", "domain", "path")):
                raise TypeError("a cookie's name, value, domain and path are strings")
        stored = {}
        for each in body.get("origins", []):
            if _origin(each["origin"]) != each["origin"]:
                raise ValueError(f"{each['origin']!r} is not an origin")
            items = {str(item["name"]): str(item["value"]) for item in each.get("localStorage", [])}
            databases = {
                str(one["name"]): {"version": int(one["version"]), "stores": list(one["stores"])}
                for one in each.get("indexedDB", [])
            }
            stored[each["origin"]] = Site(items, databases)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise invalid_request(f"this is not a storage state: {type(e).__name__} {e}") from e
    if len(stored) > ORIGINS_MAX:
        raise invalid_request(f"a profile has at most {ORIGINS_MAX} origins, not {len(stored)}")
    return cookies, stored
