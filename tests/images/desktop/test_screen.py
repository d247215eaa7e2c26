"""The server's own viewer, against a VNC server of the test's: what it asks, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox_server.desktop.screen import Screen, ScreenFailed

NO_PASSWORD = b"\x01\x01"
WIDTH, HEIGHT = 6, 4


class Xvnc:
    """Speaks as Xvnc does: a question for all pixels is answered by the layout first, the one after it by pixels."""

    def __init__(self) -> None:
        self.size = (WIDTH, HEIGHT)
        self.allowed = 0
        """The status with which a change of the size is answered."""
        self.heard: list[bytes] = []
        self.visits = 0
        self.before = b""
        """Said before each update."""
        self.leave = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one viewer."""
        self.visits += 1
        try:
            await self._talk(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"RFB 003.008\n")
        assert await reader.readexactly(12) == b"RFB 003.008\n"
        writer.write(NO_PASSWORD)
        assert await reader.readexactly(1) == b"\x01"
        writer.write(bytes(4))
        await reader.readexactly(1)
        writer.write(struct.pack(">HH16xI", *self.size, 4) + b"test")
        await reader.readexactly(20 + 12)
        while True:
            kind = (await reader.readexactly(1))[0]
            rest = await reader.readexactly({3: 9, 4: 7, 5: 5, 251: 23}[kind])
            self.heard.append(bytes([kind]) + rest)
            if self.leave:
                return
            if kind == 3:
                incremental, *region = struct.unpack(">BHHHH", rest)
                writer.write(self.before + (self.pixels(*region) if incremental else self.layout(0, 0)))
            elif kind == 251:
                if not self.allowed:
                    self.size = struct.unpack(">xHH", rest[:5])
                writer.write(self.layout(1, self.allowed))

    def layout(self, why: int, status: int) -> bytes:
        """Return an update that says how large the screen is."""
        head = struct.pack(">BxHHHHHi", 0, 1, why, status, *self.size, -308)
        return head + struct.pack(">B3xIHHHHI", 1, 77, 0, 0, *self.size, 0)

    def pixels(self, left: int, top: int, width: int, height: int) -> bytes:
        """Return an update with the region in two parts: each pixel says where it is."""
        first = width // 2
        parts = [part for part in ((left, first), (left + first, width - first)) if part[1]]
        update = struct.pack(">BxH", 0, len(parts))
        for x, columns in parts:
            update += struct.pack(">HHHHi", x, top, columns, height, 0)
            update += b"".join(
                bytes((x + column, top + row, 9, 0)) for row in range(height) for column in range(columns)
            )
        return update


@asynccontextmanager
async def screen_of(server: Xvnc, folder: Path) -> AsyncIterator[Screen]:
    """Serve on a socket, and look at it."""
    listening = await asyncio.start_unix_server(server.serve, folder / "vnc")
    screen = Screen(folder / "vnc")
    try:
        yield screen
    finally:
        await screen.close()
        listening.close()
        await listening.wait_closed()


@pytest.fixture
def server() -> Xvnc:
    """A VNC server with a small screen."""
    return Xvnc()


async def test_a_picture_is_put_together(server: Xvnc, tmp_path: Path) -> None:
    """From as many parts as the server likes, of the whole screen and of a region."""
    async with screen_of(server, tmp_path) as screen:
        assert await screen.size() == (WIDTH, HEIGHT)
        whole = await screen.capture()
        assert [tuple(whole.pixels[at : at + 2]) for at in range(0, len(whole.pixels), 4)] == [
            (x, y) for y in range(HEIGHT) for x in range(WIDTH)
        ]
        part = await screen.capture((2, 1, 3, 2))
        assert (part.width, part.height) == (3, 2)
        assert [tuple(part.pixels[at : at + 2]) for at in range(0, 24, 4)] == [
            (2, 1), (3, 1), (4, 1), (2, 2), (3, 2), (4, 2)
        ]  # fmt: skip


async def test_what_nobody_asked_for_is_passed_over(server: Xvnc, tmp_path: Path) -> None:
    """A bell, a clipboard and a table of colours may come at any time."""
    server.before = b"\x02" + struct.pack(">BxxxI", 3, 5) + b"hello" + struct.pack(">BxHH", 1, 0, 2) + bytes(12)
    async with screen_of(server, tmp_path) as screen:
        assert len((await screen.capture()).pixels) == 4 * WIDTH * HEIGHT


async def test_input(server: Xvnc, tmp_path: Path) -> None:
    """Keys and pointer arrive in order, before the call returns."""
    async with screen_of(server, tmp_path) as screen:
        await screen.keys((0x61, True), (0x61, False))
        await screen.point(3, 2, 0, 1, 0)
        said = [message for message in server.heard if message[0] in (4, 5)]
    assert said == [
        struct.pack(">BBxxI", 4, 1, 0x61), struct.pack(">BBxxI", 4, 0, 0x61),
        *(struct.pack(">BBHH", 5, mask, 3, 2) for mask in (0, 1, 0)),
    ]  # fmt: skip


async def test_another_size(server: Xvnc, tmp_path: Path) -> None:
    """It is there when the call returns, and pictures are of it."""
    async with screen_of(server, tmp_path) as screen:
        assert await screen.resize(8, 5) == (8, 5)
        assert (await screen.capture()).width == 8
        server.allowed = 3
        with pytest.raises(ScreenFailed, match="9x5: the X server refuses this size"):
            await screen.resize(9, 5)
        assert await screen.size() == (8, 5)


async def test_a_size_that_somebody_else_chose(server: Xvnc, tmp_path: Path) -> None:
    """Is noticed by the next question."""
    async with screen_of(server, tmp_path) as screen:
        await screen.size()
        server.size = (4, 3)
        assert len((await screen.capture()).pixels) == 4 * 4 * 3


async def test_a_connection_that_was_lost(server: Xvnc, tmp_path: Path) -> None:
    """Is made again, as when the X server was started again."""
    async with screen_of(server, tmp_path) as screen:
        await screen.size()
        server.leave = True
        with pytest.raises(ScreenFailed, match="closed the connection"):
            await screen.capture()
        server.leave = False
        assert await screen.size() == (WIDTH, HEIGHT)
        assert server.visits >= 2


async def test_no_screen(tmp_path: Path) -> None:
    """Is an error that says so."""
    with pytest.raises(ScreenFailed, match="there is no screen"):
        await Screen(tmp_path / "vnc").capture()


@pytest.mark.parametrize("region", [(0, 0, 0, 1), (-1, 0, 2, 2), (5, 0, 2, 1), (0, 3, 1, 2)])
async def test_a_region_outside(server: Xvnc, tmp_path: Path, region: tuple[int, int, int, int]) -> None:
    """Is an error, and the screen is still there."""
    async with screen_of(server, tmp_path) as screen:
        with pytest.raises(ScreenFailed, match="the screen is 6 by 4 pixels"):
            await screen.capture(region)
        assert await screen.size() == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "lie",
    [
        lambda server: b"\x09",
        lambda server: struct.pack(">BxHHHHHi", 0, 1, 0, 0, 1, 1, 7),
        lambda server: struct.pack(">BxHHHHHi", 0, 1, 0, 0, 65_535, 65_535, 0),
        lambda server: struct.pack(">BxHHHHHi", 0, 1, 0, 0, 60_000, 60_000, -308) + struct.pack(">B3x", 0),
    ],
)
async def test_a_server_that_lies(server: Xvnc, tmp_path: Path, lie: Callable[[Xvnc], bytes]) -> None:
    """Users' programs may have taken it over: nothing that it says does more than fail the call."""
    server.before = lie(server)
    async with screen_of(server, tmp_path) as screen:
        with pytest.raises(ScreenFailed):
            await screen.capture()
