"""The desktops that users' code may draw on, too: which programs make them, and when they are there.

All of these programs can run the user's code (a terminal does nothing else), so they run in the user land; what each is
stands in the image, in `desktop-session`. Not here: Chromium, whose own sandbox needs another place
(`browser.web_launcher`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from sandbox_server.config import BoxConfig
from sandbox_server.desktop.part import Desktop, Program
from sandbox_server.desktop.screen import Screen, ScreenFailed
from sandbox_server.desktop.xserver import XServer
from sandbox_server.land.child import Child
from sandbox_server.land.userland import UserLand

WORKPLACE = ("windows", "wallpaper", "panel")
FILE_MANAGER = ("windows", "files")
SESSION = "/usr/local/bin/desktop-session"
DRAWN_TIMEOUT_S = 10.0
"""A desktop that is not there by then is shown as it is: what lacks is the user's doing, or a matter of patience."""
LOOK_S = 0.05


def session_desktop(
    config: BoxConfig, userland: UserLand, programs: Sequence[str], *, on_demand: bool = False
) -> Desktop:
    """Make a desktop of these programs of the session; with `on_demand`, it starts with the first watch."""
    server = XServer(config, shared=True)

    def described(name: str) -> Program:
        async def program() -> Child:
            return Child(f"desktop: {name}", await userland.command([SESSION, name]), userland.entrance())

        return program

    desktop = Desktop(config, server, on_demand=on_demand)

    async def drawn() -> None:
        with contextlib.suppress(TimeoutError, ScreenFailed):
            async with asyncio.timeout(DRAWN_TIMEOUT_S):
                await painted(desktop.screen, panel="panel" in programs)

    return desktop.furnish([described(name) for name in programs], drawn)


async def painted(screen: Screen, *, panel: bool) -> None:
    """Wait until there is a background, and with `panel` a bar below it: an X server starts black."""
    while True:
        width, height = await screen.size()
        background = (await screen.capture((0, height // 4, width, 1))).pixels
        bottom = (await screen.capture((0, height - 1, width, 1))).pixels
        if any(background) and (not panel or (any(bottom) and bottom == bottom[:4] * width)):
            return
        await asyncio.sleep(LOOK_S)
