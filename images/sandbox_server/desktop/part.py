"""The desktop of the box: the X server, the programs that make a desktop of it, and the door that viewers come through.

Xvnc is the X server itself, so a change reaches a viewer without polling. Viewers come over a unix socket that only the
server's user can open; websockify carries it to a WebSocket on the desktop port and asks for the door's secret.
Whether all this runs from the beginning or from the first watch on is said by whoever composes the box.
Not here: the X server's own guards (`xserver`), the viewer's page (the manager), and what is shown (`session`,
`browser`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from sandbox_server.config import BoxConfig
from sandbox_server.desktop.routes import desktop_routes
from sandbox_server.desktop.screen import Screen
from sandbox_server.desktop.xserver import XServer, own_home, write_secret
from sandbox_server.land.child import Child
from sandbox_server.parts import PartFailed, Tool

log = logging.getLogger(__name__)

WINDOW_MANAGER = ("matchbox-window-manager", "-use_titlebar", "no")  # every window fills the screen
RESTART_PAUSE_S = 0.5
RESTART_PAUSE_MAX_S = 15.0
SETTLED_S = 10.0
"""What ran for so long had started well."""
LISTEN_POLL_S = 0.02
RELAID_S = 3.0
"""What programs get to find their places on a screen of another size."""

Program = Callable[[], Awaitable[Child]]
"""Describes a program of the desktop anew for each start: where it runs may be another place by then."""
Drawn = Callable[[], Awaitable[None]]
"""Waits until the desktop looks as it should."""


class Desktop:
    """The part that owns the display; start it before what draws on it."""

    name = "desktop"

    def __init__(self, config: BoxConfig, server: XServer, *, on_demand: bool = False) -> None:
        """Take the box's facts; with `on_demand`, nothing runs before the first `open`."""
        self._config = config
        self.server = server
        self.screen = Screen(server.vnc_socket)
        """For whoever in the server looks at it."""
        self._secret = config.run_dir / "desktop.token"
        self._on_demand = on_demand
        self._programs: Sequence[Program] = ()
        self._drawn: Drawn | None = None
        self._opened = False
        self._display_up = asyncio.Event()
        self._up = asyncio.Event()
        self._failure: str | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def furnish(self, programs: Sequence[Program], drawn: Drawn | None = None) -> Desktop:
        """Say what runs on it, and what tells that all of it is there."""
        self._programs, self._drawn = programs, drawn
        return self

    def access(self) -> Mapping[str, str]:
        """Return the environment of our programs that draw here."""
        return self.server.access()

    async def start(self) -> None:
        """Start the X server, unless that waits for a viewer; the rest follows by itself."""
        self.server.hold_name()
        if not self._on_demand:
            await self._open()

    async def display_up(self) -> None:
        """Wait until programs can draw.

        Raises:
            PartFailed: the X server ended.
        """
        await self._display_up.wait()
        self._check()

    async def ready(self) -> None:
        """Wait until a viewer can connect; a desktop that waits for its first viewer is ready for that.

        Raises:
            PartFailed: the X server ended.
        """
        if self._opened:
            await self._up.wait()
            self._check()

    async def open(self) -> None:
        """Start what does not run yet, and wait until a viewer sees it.

        Raises:
            PartFailed: the X server ended.
        """
        await self._open()
        await self._up.wait()
        self._check()

    async def size(self) -> tuple[int, int]:
        """Return width and height of the screen, or what they will be."""
        return await self.screen.size() if self._opened else self.server.size

    async def resize(self, width: int, height: int) -> tuple[int, int]:
        """Give the screen another size, now or when it starts; return the size.

        Raises:
            ScreenFailed: it cannot have this size.
        """
        if not self._opened:
            self.server.size = (width, height)
            return width, height
        await self.display_up()
        size = await self.screen.resize(width, height)
        if self._drawn is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RELAID_S):
                    await self._drawn()
        return size

    def tools(self) -> Sequence[Tool]:
        """Return nothing: a desktop is for watching."""
        return ()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes: announcing a viewer, and the size of the screen."""
        return desktop_routes(self)

    def log_tail(self) -> str:
        """Return what the X server printed last."""
        return self.server.child.log_tail()

    async def close(self) -> None:
        """End the viewers' door, the programs and the X server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.screen.close()
        await self.server.close()

    async def _open(self) -> None:
        if not self._opened:
            self._opened = True
            await self.server.start()
            self._tasks.append(asyncio.create_task(self._run(), name="desktop"))

    def _check(self) -> None:
        if self._failure is not None:
            raise PartFailed(self._failure)

    async def _run(self) -> None:
        server = self.server.child
        try:
            await self.server.accepts()
            self._display_up.set()
            for program in self._programs:
                self._keep(program)
            assignment = await asyncio.shield(self._config.assignment)
            write_secret(self._secret, door_secret(assignment.token).encode())
            self._keep(self._door)
            await self._listening()
            if self._drawn is not None:
                await self._drawn()
            self._up.set()
            self._failure = await server.obituary()
        except PartFailed as e:
            self._failure = str(e)
        finally:
            self._display_up.set()
            self._up.set()
            await server.stop()

    def _keep(self, program: Program) -> None:
        self._tasks.append(asyncio.create_task(_keep_running(program), name="desktop: a program"))

    async def _listening(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._config.desktop_port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(LISTEN_POLL_S)

    async def _door(self) -> Child:
        command = [
            sys.executable, "-I", "-m", "websockify", f"--unix-target={self.server.vnc_socket}",
            "--auth-plugin", "sandbox_server.desktop.auth.BearerAuth", "--auth-source", str(self._secret),
            "--heartbeat", "30",  # a viewer that vanished is noticed, and its fork ends
            f"0.0.0.0:{self._config.desktop_port}",
        ]  # fmt: skip
        return Child("websockify", command)


def browser_desktop(config: BoxConfig) -> Desktop:
    """Make the desktop of a browser box: one window that fills the screen, out of reach of the user's code."""
    server = XServer(config, shared=False)
    home = config.run_dir / "desktop"

    async def window_manager() -> Child:
        keys = home / "kbdconfig"  # empty: no key runs a program
        keys.touch(mode=0o600)
        environment = {**own_home(home), **server.access()}
        return Child("window manager", [*WINDOW_MANAGER, "-kbdconfig", str(keys)], environment)

    return Desktop(config, server).furnish([window_manager])


def door_secret(token: str) -> str:
    """Return what viewers' requests must show: made of the box's token, which itself is written to no file."""
    return hmac.new(token.encode(), b"desktop", hashlib.sha256).hexdigest()


async def _keep_running(program: Program) -> None:
    """Start a program whenever it does not run; what ends again and again is started less and less often."""
    clock, pause = asyncio.get_running_loop().time, RESTART_PAUSE_S
    child: Child | None = None
    try:
        while True:
            child = await program()
            began = clock()
            await child.start()
            log.info("%s", await child.obituary())
            await child.stop()  # also what it left behind
            pause = RESTART_PAUSE_S if clock() - began > SETTLED_S else min(pause * 2, RESTART_PAUSE_MAX_S)
            await asyncio.sleep(pause)
    except PartFailed as e:
        log.error("a program of the desktop is given up: %s", e)
    finally:
        if child is not None:
            await child.stop()
