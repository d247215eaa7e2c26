"""Chromium on a desktop that users' programs make: started when it is asked for, by `web-browser` in the user land.

Its own sandbox needs user namespaces, which the user land forbids, so it runs where the browser boxes' Chromium runs.
Who asks is code of the user: it says one line with an address, nothing else, and gets a window, or a line why not.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Sequence
from urllib.parse import quote

import aiohttp

from sandbox_server.browser.chromium import CDP_PORT, FLAGS, Chromium
from sandbox_server.config import BoxConfig
from sandbox_server.desktop.part import Desktop
from sandbox_server.parts import PartFailed, Tool

log = logging.getLogger(__name__)

PLACE = "\0agentscope/web-browser"
"""A name, and no file: no code of the user can put something else there."""
LINE_MAX = 8192
ASK_TIMEOUT_S = 5.0
OPEN_TIMEOUT_S = 30.0
VISITORS = 4
"""Who may ask at the same time."""
ADDRESS = re.compile(r"(https?|file)://[\x21-\x7e]+|about:blank")
BARE = re.compile(r"(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?(/.*)?")
DESKTOP_FLAGS = tuple(flag for flag in FLAGS if flag not in ("--keep-alive-for-test", "--start-maximized"))
"""Closing the last window ends it, as people expect."""


class WebLauncher:
    """Opens windows of the one Chromium."""

    name = "web browser"

    def __init__(self, config: BoxConfig, desktop: Desktop) -> None:
        """Open them on this desktop."""
        self._config = config
        self._desktop = desktop
        self._chromium = Chromium(config, desktop.access(), (*DESKTOP_FLAGS, "--start-maximized"))
        self._server: asyncio.Server | None = None
        self._visitors = 0
        self._turn = asyncio.Lock()
        self._trusts = False

    async def start(self) -> None:
        """Listen to who asks."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(PLACE)
        self._server = await asyncio.start_unix_server(self._asked, sock=listener, limit=LINE_MAX)

    async def ready(self) -> None:
        """Return at once: it starts when it is asked for."""

    def tools(self) -> Sequence[Tool]:
        """Return nothing: it is used by mouse and keyboard."""
        return ()

    def log_tail(self) -> str:
        """Return what Chromium printed last."""
        return self._chromium.log_tail()

    async def close(self) -> None:
        """End Chromium, and hear nobody any more."""
        if self._server is not None:
            self._server.close()
        await self._chromium.stop()

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._visitors += 1
        try:
            writer.write((await self._answer(reader)).encode())
            await writer.drain()
        except OSError:
            log.debug("who asked for a browser has left")
        finally:
            self._visitors -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> str:
        if self._visitors > VISITORS:
            return "too many ask at once; try again\n"
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                line = (await reader.readline()).decode(errors="replace").strip()
            async with asyncio.timeout(OPEN_TIMEOUT_S), self._turn:
                await self._open(address_of(line))
        except TimeoutError:
            return "the browser does not answer\n"
        except (ValueError, PartFailed, aiohttp.ClientError) as e:  # ValueError: also a line that is too long
            return f"{e}\n"
        return ""

    async def _open(self, address: str) -> None:
        if self._chromium.runs():
            async with aiohttp.ClientSession() as session:
                new = f"http://127.0.0.1:{CDP_PORT}/json/new?{quote(address, safe='')}"
                async with session.put(new, raise_for_status=True):
                    return
        await self._desktop.display_up()
        await self._chromium.stop()  # what the last one left
        assignment = await asyncio.shield(self._config.assignment)
        if assignment.ca_bundle is not None and not self._trusts:
            await self._chromium.trust(assignment.ca_bundle)
            self._trusts = True
        await self._chromium.launch(address)


def address_of(line: str) -> str:
    """Return the address that a line means; an empty line is a blank page.

    Raises:
        ValueError: it is none that may be opened.
    """
    if not line:
        return "about:blank"
    if BARE.fullmatch(line):
        line = f"http://{line}"
    address = quote(line, safe="".join(map(chr, range(0x21, 0x7F))))
    if not ADDRESS.fullmatch(address):
        raise ValueError("it opens addresses that begin with http://, https:// or file://, and files")
    return address
