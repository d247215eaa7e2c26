"""The browser part: keeps Chromium and the tools' hold on it alive, and runs the browser tools one at a time.

What a person sees on the desktop is what the tools drive: there is one browser, started with the box.
Playwright is imported while Chromium starts, because both take a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox_server.browser.chromium import Chromium
from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.specs import SPECS, Spec
from sandbox_server.config import BoxConfig
from sandbox_server.desktop.part import Desktop
from sandbox_server.parts import Arguments, PartFailed, Result, Tool, result, text

if TYPE_CHECKING:
    from aiohttp import web
    from playwright.async_api import Playwright

    from sandbox_server.browser.session import Session

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 30.0
RESTARTS = 3  # in a row, without one attachment in between
RESTART_PAUSE_S = 0.3
DRIVER_STOP_S = 1.0


class Browser:
    """The part that brings the tools `browser_*`."""

    name = "browser"

    def __init__(self, config: BoxConfig, desktop: Desktop) -> None:
        """Show the browser on this desktop."""
        self._config = config
        self._desktop = desktop
        self._chromium = Chromium(config, desktop.access())
        self._session: Session | None = None
        self._settled = asyncio.Event()
        """Set while there is a session, and for good after a failure."""
        self._failure: str | None = None
        self._note = ""
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin: Chromium as soon as the display is up."""
        self._task = asyncio.create_task(self._run(), name="browser")

    async def ready(self) -> None:
        """Wait until the tools are attached to the browser and one snapshot was taken.

        Raises:
            PartFailed: the browser cannot be started.
        """
        await self.session()

    def log_tail(self) -> str:
        """Return what Chromium printed last."""
        return self._chromium.log_tail()

    def tools(self) -> Sequence[Tool]:
        """Return the browser tools."""
        return [spec.tool(functools.partial(self._call, spec)) for spec in SPECS]

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the way in for programs, and that of the profile."""
        from sandbox_server.browser.profile import Profile
        from sandbox_server.browser.remote import Remote

        return [*Remote(self).routes(), *Profile(self).routes()]

    async def close(self) -> None:
        """End the browser."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _call(self, spec: Spec, arguments: Arguments, timeout_s: float | None) -> Result:
        given_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        deadline = asyncio.get_running_loop().time() + given_s
        try:
            async with asyncio.timeout_at(deadline), self._turn:
                session = await self.session()
                note, self._note = self._note, ""
                return await session.run(spec, arguments, timeout_s, deadline, note)
        except TimeoutError:
            why = f"{spec.name} timed out after {given_s:g} s: the page or the browser does not answer"
        except ConnectionError:
            why = f"The browser ended during {spec.name}; it is started again and its pages are gone"
            self._note = ""
        except (ToolFailed, PartFailed) as e:
            why = str(e)
        return result(text(why), is_error=True)

    async def session(self) -> Session:
        """Return the hold on the browser, as soon as there is one.

        Raises:
            PartFailed: the browser cannot be started.
        """
        await self._settled.wait()
        if self._failure is not None:
            raise PartFailed(self._failure)
        assert self._session is not None
        return self._session

    async def _run(self) -> None:
        try:
            await self._desktop.display_up()
            await self._keep_attached()
        except PartFailed as e:
            log.error("the browser is given up: %s", e)
            self._failure = str(e)
            self._settled.set()
        finally:
            await self._chromium.stop()

    async def _keep_attached(self) -> None:
        launch, failures = self._first_launch, 0
        while True:
            driver = asyncio.create_task(self._driver(), name="playwright driver")
            try:
                await self._hold(driver, await launch())
                launch, failures = self._chromium.launch, 0
            except PartFailed as e:
                failures += 1
                if failures > RESTARTS:
                    raise
                log.warning("the browser did not start, trying again: %s", e)
            finally:
                await self._chromium.stop()
                await _stop(driver)
            await asyncio.sleep(RESTART_PAUSE_S * failures)

    async def _hold(self, driver: asyncio.Task[Playwright], endpoint: str) -> None:
        """Attach, and return when the browser or the driver has ended."""
        playwright = await driver
        from sandbox_server.browser.cdp import Cdp
        from sandbox_server.browser.session import Session  # imported by now, off the event loop

        async with Cdp.connected(endpoint) as cdp:
            self._session = await Session.attach(playwright, endpoint, cdp, self._config.workspace)
            self._settled.set()
            try:
                await self._session.lost()
            finally:
                self._settled.clear()
                self._session = None
        log.warning("the browser or its driver ended; Chromium last said: %s", self._chromium.log_tail())
        self._note = "- Note: the browser had ended and was started again; its earlier pages are gone\n"

    async def _first_launch(self) -> str:
        endpoint = await self._chromium.launch()
        assignment = await asyncio.shield(self._config.assignment)
        if assignment.ca_bundle is None:
            return endpoint
        # It reads what it trusts when it starts. Rather twice with a bundle, which is rare, than later without one.
        await self._chromium.stop()
        await self._chromium.trust(assignment.ca_bundle)
        return await self._chromium.launch()

    async def _driver(self) -> Playwright:
        module = await asyncio.to_thread(importlib.import_module, "sandbox_server.browser.session")
        driver: Playwright = await module.start_driver()
        return driver


async def _stop(driver: asyncio.Task[Playwright]) -> None:
    if not driver.done():
        driver.cancel()
    with contextlib.suppress(Exception, asyncio.CancelledError):  # one that has ended cannot be asked to
        await asyncio.wait_for((await driver).stop(), DRIVER_STOP_S)
