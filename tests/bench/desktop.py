"""From a change on a sandbox's screen to the first byte of it at a viewer, through the manager.

The change is made by a bare X11 client that speaks to the box's X server over its socket (as root of the host, through
/proc), so that no page has to be rendered; the viewer is a bare RFB client behind the same ticket, cookie and relay as
a person's. Both run in this process, so one clock times both ends.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import struct
import time
from pathlib import Path

import aiohttp
import docker
from bench.manager import Raw
from bench.report import Series
from managers import Server


class Square:
    """A 64 by 64 pixel window on the screen of one box, whose colour can be changed."""

    def __init__(self, container_id: str) -> None:
        pid = docker.from_env().containers.get(container_id).attrs["State"]["Pid"]
        self._socket = socket.socket(socket.AF_UNIX)
        root = Path(f"/proc/{pid}/root")
        self._socket.connect(str(root / "tmp/.X11-unix/X1"))
        cookie = (root / "run/box/desktop.cookie").read_bytes()[-16:]
        name = b"MIT-MAGIC-COOKIE-1"  # its 18 characters are padded to 20
        self._socket.sendall(struct.pack("<BxHHHHxx20s16s", ord("l"), 11, 0, len(name), len(cookie), name, cookie))
        status, length = struct.unpack("<BxxxxxH", self._read(8))
        setup = self._read(length * 4)
        if status != 1:
            raise RuntimeError(f"the X server refused: {setup!r}")
        (self._window,) = struct.unpack_from("<I", setup, 4)
        (vendor,) = struct.unpack_from("<H", setup, 16)
        formats = setup[21]
        (root,) = struct.unpack_from("<I", setup, 32 + (vendor + 3) // 4 * 4 + formats * 8)
        background, override_redirect = 0x2, 0x200
        place = (200, 300, 64, 64)
        mask = background | override_redirect
        create = struct.pack("<BBHIIhhHHHHIIII", 1, 0, 10, self._window, root, *place, 0, 1, 0, mask, 0xFFFFFF, 1)
        self._socket.sendall(create + struct.pack("<BxHI", 8, 2, self._window))
        self._colours = itertools.cycle((0xFF0000, 0x00FF00, 0x0000FF))

    def _read(self, count: int) -> bytes:
        return self._socket.recv(count, socket.MSG_WAITALL)

    def change(self) -> None:
        """Draw the next colour."""
        attributes = struct.pack("<BxHIII", 2, 4, self._window, 0x2, next(self._colours))
        self._socket.sendall(attributes + struct.pack("<BxHIhhHH", 61, 4, self._window, 0, 0, 0, 0))

    def close(self) -> None:
        """Take the window away."""
        self._socket.close()


class Viewer:
    """An RFB client that asks for raw pixels and reads whole updates."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self._websocket = websocket
        self._buffer = b""

    async def _read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._buffer += await self._websocket.receive_bytes()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    async def handshake(self) -> None:
        """Say hello without a password, take the server's pixel format, and draw the whole screen once."""
        await self._websocket.send_bytes(await self._read(12))
        await self._read((await self._read(1))[0])
        await self._websocket.send_bytes(b"\x01")
        await self._read(4)
        await self._websocket.send_bytes(b"\x01")
        self._width, self._height = struct.unpack("!HH", await self._read(4))
        _, name = await self._read(16), struct.unpack("!I", await self._read(4))[0]
        await self._read(name)
        await self._websocket.send_bytes(struct.pack("!BxHi", 2, 1, 0))
        await self.ask(incremental=False)
        await self.update()

    async def ask(self, incremental: bool = True) -> None:
        """Ask for the next update."""
        await self._websocket.send_bytes(struct.pack("!BBHHHH", 3, incremental, 0, 0, self._width, self._height))

    async def update(self) -> float:
        """Read one whole update; return when its first byte came."""
        head = await self._read(4)
        first = time.perf_counter()
        for _ in range(struct.unpack("!BxH", head)[1]):
            _, _, width, height, _ = struct.unpack("!HHHHi", await self._read(12))
            await self._read(width * height * 4)
        return first


async def _watch(server: Server, raw: Raw, sandbox: str, n: int) -> list[float]:
    square = Square(raw.call("GET", f"/v1/sandboxes/{sandbox}")["container_id"])
    link = raw.call("POST", f"/v1/sandboxes/{sandbox}/desktop", {"control": False})["url"]
    took: list[float] = []
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as person:
        page = f"{server.url}/desktop/{sandbox}"
        ticket = {"ticket": link.split("#ticket=")[1]}
        async with person.post(f"{page}/session", json=ticket, headers={"Origin": server.url}) as answer:
            answer.raise_for_status()
        opened = person.ws_connect(f"{page}/websocket", protocols=["binary"], origin=server.url, max_msg_size=0)
        async with opened as websocket:
            viewer = Viewer(websocket)
            await viewer.handshake()
            for _ in range(n):
                await viewer.ask()
                await asyncio.sleep(random.uniform(0.03, 0.08))  # noqa: S311 - not in step with the server's frames
                begin = time.perf_counter()
                square.change()
                took.append((await viewer.update() - begin) * 1000)
    square.close()
    return took


def changes(server: Server, n: int) -> Series:
    """Measure n changes on the screen of one leased browser."""
    raw = Raw(server)
    sandbox = raw.connect("desktop", "browser")
    raw.wait_pool("browser")  # the one that replaces it in the pool starts first: on two cores that would be measured
    series = Series("VNC: change on screen → first byte at the viewer", target=20, target_p95=True)
    series.samples = asyncio.run(_watch(server, raw, sandbox, n))
    raw.release("desktop")
    return series
