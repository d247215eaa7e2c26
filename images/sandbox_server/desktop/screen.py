"""The server's own eyes and hands on the screen: a VNC viewer without a window.

Xvnc knows best how a character is typed on a keyboard that lacks it, draws the pointer into the picture, and resizes
the screen; all of that is in its protocol (RFB, RFC 6143, and the community's extensions of it), over a unix socket.
What it says is not trusted further: users' programs draw on it. Not here: what a tool makes of it (`computer`).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ANSWER_TIMEOUT_S = 10.0
VERSION = b"RFB 003.008\n"
PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 0, 8, 16)
"""32 bits a pixel, in memory red, green, blue and one that says nothing."""
RAW, RESIZED = 0, -308  # encodings: the pixels as they are; ExtendedDesktopSize
UPDATE, COLOURS, BELL, CLIPBOARD = range(4)
WHY_NOT = {1: "the X server does not allow it", 2: "there is no memory for it", 3: "the X server refuses this size"}
SIDE_MAX = 8192
TEXT_MAX = 1 << 20

Region = tuple[int, int, int, int]
"""Left, top, width, height, in pixels."""


class ScreenFailed(Exception):
    """The screen does not do what was asked; the message says why."""


class ScreenLost(ScreenFailed):
    """The X server ended, or left us; asked again, another one may answer."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What was on a part of the screen."""

    width: int
    height: int
    pixels: bytes
    """Red, green, blue, and a byte without meaning; row by row."""


class Screen:
    """One connection to the screen, made when it is first needed and made again when it was lost.

    Calls may overlap; each has the screen for itself while it lasts.
    """

    def __init__(self, place: Path) -> None:
        """Look at the screen whose VNC server listens at this unix socket."""
        self._place = place
        self._turn = asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._size = (0, 0)
        self._layout = b""
        self._refused: int | None = None

    async def size(self) -> tuple[int, int]:
        """Return width and height in pixels, as they are now."""
        async with self._turn, asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._synchronize()
            return self._size

    async def capture(self, region: Region | None = None) -> Picture:
        """Return what is to be seen now, the pointer included.

        Raises:
            ScreenFailed: there is no screen, or the region is not on it.
            TimeoutError: the screen does not answer.
        """
        async with self._turn, asyncio.timeout(ANSWER_TIMEOUT_S):
            return await self._seen(region)

    async def point(self, x: int, y: int, *masks: int) -> None:
        """Move the pointer there with each of these sets of pressed buttons in turn; none of them if not given.

        Args:
            x: From the left edge.
            y: From the top.
            masks: Sets of buttons, bit 0 the left one, 1 the middle one, 2 the right one, 3 to 6 the wheel.
        """
        await self.act([struct.pack(">BBHH", 5, mask, x, y) for mask in masks or (0,)])

    async def keys(self, *strokes: tuple[int, bool]) -> None:
        """Press (True) and release (False) keys by their keysyms, one after the other."""
        await self.act([struct.pack(">BBxxI", 4, down, keysym) for keysym, down in strokes])

    async def act(self, messages: Sequence[bytes]) -> None:
        """Send input, and return once the X server has it.

        Raises:
            ScreenFailed: there is no screen.
        """
        async with self._turn, asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._synchronize()
            self._send(b"".join(messages))
            await self._capture((0, 0, 1, 1))  # answered after all of that

    async def resize(self, width: int, height: int) -> tuple[int, int]:
        """Give the screen another size; windows stay as far as they fit. Return the size that it has then.

        Raises:
            ScreenFailed: the X server refuses.
        """
        async with self._turn, asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._synchronize()
            if self._size == (width, height):
                return self._size
            identity = self._layout[:4] or bytes(4)
            self._refused = None
            async with self._whole():
                self._send(struct.pack(">BxHHBx", 251, width, height, 1) + identity)
                self._send(struct.pack(">HHHHI", 0, 0, width, height, 0))
                while self._refused is None and self._size != (width, height):
                    self._send(struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1))  # it says nothing that nobody asked for
                    await self._update(None)
            if self._refused:
                raise ScreenFailed(f"{width}x{height}: {WHY_NOT.get(self._refused, f'error {self._refused}')}")
            return self._size

    async def close(self) -> None:
        """Leave."""
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connected(self) -> None:
        if self._reader is not None and self._writer is not None:
            if not self._reader.at_eof() and not self._writer.is_closing():
                return
            await self.close()
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(str(self._place))
            await self._handshake()
        except (OSError, asyncio.IncompleteReadError) as e:
            await self.close()
            raise ScreenFailed(f"there is no screen: {e}") from e
        except BaseException:
            await self.close()
            raise

    async def _handshake(self) -> None:
        await self._read(12)
        self._send(VERSION)
        await self._read((await self._read(1))[0])
        self._send(b"\x01")  # no password
        if any(await self._read(4)):
            raise ScreenFailed("there is no screen: the X server lets nobody in")
        self._send(b"\x01")  # beside others
        head = await self._read(24)
        self._size = self._checked(*struct.unpack(">HH", head[:4]))
        await self._read(min(int.from_bytes(head[20:]), TEXT_MAX))
        self._send(bytes(4) + PIXELS)
        self._send(struct.pack(">BxHii", 2, 2, RAW, RESIZED))
        await self._capture((0, 0, 1, 1))  # the first answer says how the screen is laid out

    async def _synchronize(self) -> None:
        """Return with a connection over which all that was said before has been heard."""
        await self._seen((0, 0, 1, 1))

    async def _seen(self, region: Region | None) -> Picture:
        await self._connected()
        try:
            return await self._capture(region)
        except ScreenLost:  # it ended between two calls: one more chance
            await self._connected()
            return await self._capture(region)

    async def _capture(self, region: Region | None) -> Picture:
        left, top, width, height = region or (0, 0, *self._size)
        if min(left, top, width - 1, height - 1) < 0 or left + width > self._size[0] or top + height > self._size[1]:
            raise ScreenFailed(f"the screen is {self._size[0]} by {self._size[1]} pixels")
        picture, size = bytearray(width * height * 4), self._size
        async with self._whole():
            self._send(struct.pack(">BBHHHH", 3, 0, left, top, width, height))
            missing = width * height
            while missing > 0 and self._size == size:
                brought = await self._update((picture, (left, top, width, height)))
                missing -= brought
                if not brought and self._size == size:  # how it is laid out is an answer, too; the pixels are still due
                    self._send(struct.pack(">BBHHHH", 3, 1, left, top, width, height))
        if self._size != size:  # the question was about another screen
            return await self._capture(region)
        return Picture(width, height, bytes(picture))

    @asynccontextmanager
    async def _whole(self) -> AsyncIterator[None]:
        """Read answers whole, or leave: the rest of one would be taken for the answer to another question."""
        try:
            yield
        except (asyncio.IncompleteReadError, ConnectionError) as e:
            await self.close()
            raise ScreenLost("the X server closed the connection") from e
        except BaseException:
            await self.close()
            raise

    async def _update(self, into: tuple[bytearray, Region] | None) -> int:
        """Read messages up to the next update; return how many pixels of the region it brought."""
        while (kind := (await self._read(1))[0]) != UPDATE:
            if kind == CLIPBOARD:
                await self._read(abs(struct.unpack(">xxxi", await self._read(7))[0]) % TEXT_MAX)
            elif kind == COLOURS:
                await self._read(struct.unpack(">xHH", await self._read(5))[1] % TEXT_MAX * 6)
            elif kind != BELL:
                raise ScreenFailed(f"the X server sent an unknown message: {kind}")
        brought = 0
        for _ in range(struct.unpack(">xH", await self._read(3))[0]):
            x, y, width, height, encoding = struct.unpack(">HHHHi", await self._read(12))
            if encoding == RESIZED:
                await self._resized(x, y, width, height)
            elif x + width > self._size[0] or y + height > self._size[1]:
                raise ScreenFailed(f"the X server sent pixels of {width} by {height}, outside of the screen")
            elif encoding == RAW:
                data = await self._read(4 * width * height)
                if into is not None:
                    _paste(into, data, (x, y, width, height))
                brought += width * height
            else:
                raise ScreenFailed(f"the X server sent an unknown encoding: {encoding}")
        return brought

    async def _resized(self, why: int, status: int, width: int, height: int) -> None:
        screens = (await self._read(4))[0]
        layout = await self._read(16 * screens)
        if why == 1 and status:  # our question was refused
            self._refused = status
            return
        if why == 1:
            self._refused = 0
        self._size, self._layout = self._checked(width, height), layout

    def _checked(self, width: int, height: int) -> tuple[int, int]:
        if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX):
            raise ScreenFailed(f"the X server says that the screen is {width} by {height} pixels")
        return width, height

    async def _read(self, count: int) -> bytes:
        assert self._reader is not None
        return await self._reader.readexactly(count)

    def _send(self, message: bytes) -> None:
        assert self._writer is not None
        self._writer.write(message)


def _paste(into: tuple[bytearray, Region], data: bytes, where: Region) -> None:
    """Copy a rectangle of pixels to its place in a picture; what is outside is left out."""
    picture, (left, top, width, height) = into
    x, y, columns, rows = where
    if (x, columns) == (left, width) and top <= y and y + rows <= top + height:
        picture[4 * width * (y - top) : 4 * width * (y - top + rows)] = data
        return
    begin, end = max(x, left), min(x + columns, left + width)
    for row in range(max(y, top), min(y + rows, top + height)):
        source = 4 * ((row - y) * columns + begin - x)
        target = 4 * ((row - top) * width + begin - left)
        if end > begin:
            picture[target : target + 4 * (end - begin)] = data[source : source + 4 * (end - begin)]
