"""The little of the X protocol that VNC does not say: where the pointer is, and what is on the keys.

Each question is a connection of its own, which takes a millisecond. Not here: drawing, and input (`screen`).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from sandbox_server.desktop.screen import ScreenFailed

ANSWER_TIMEOUT_S = 5.0
AUTHORITY = b"MIT-MAGIC-COOKIE-1"
CHANGE_KEYS, GET_KEYS, QUERY_POINTER = 100, 101, 38
ANSWER_MAX = 1 << 20
KEYSYM_MAX = 0x1FFF_FFFF


@dataclass(frozen=True, slots=True)
class Keymap:
    """What is on the keys."""

    first: int
    """The lowest keycode."""
    width: int
    """Keysyms for each key."""
    keys: tuple[tuple[int, ...], ...]
    """Key by key; nothing, or zeros, where a key is free."""

    @property
    def free(self) -> int:
        """How many keys have nothing on them."""
        return sum(not any(key) for key in self.keys)

    @property
    def keysyms(self) -> frozenset[int]:
        """All that can be typed."""
        return frozenset(keysym for key in self.keys for keysym in key)


class XClient:
    """Asks one X server."""

    def __init__(self, place: Path, cookie: Callable[[], bytes]) -> None:
        """Ask the X server at this socket, which lets in who shows this cookie."""
        self._place = place
        self._cookie = cookie

    async def position(self) -> tuple[int, int]:
        """Return where the pointer is.

        Raises:
            ScreenFailed: there is no X server.
        """
        async with self._connection() as connection:
            answer = await connection.ask(struct.pack("<BxHI", QUERY_POINTER, 2, connection.root))
            x, y = struct.unpack("<hh", answer[16:20])
            return x, y

    async def keymap(self) -> Keymap:
        """Return what is on the keys now."""
        async with self._connection() as connection:
            return await connection.keymap()

    async def put(self, wanted: Keymap) -> None:
        """Make the keys what they are there, by few changes: each makes all programs read their keyboard anew."""
        async with self._connection() as connection:
            now = await connection.keymap()
            other = [index for index, key in enumerate(now.keys) if _meaning(key) != _meaning(wanted.keys[index])]
            for _, run in groupby(enumerate(other), lambda pair: pair[1] - pair[0]):  # consecutive keys
                indices = [index for _, index in run]
                connection.change(now.first + indices[0], [wanted.keys[index] for index in indices])
            await connection.keymap()  # answered when all of that is done

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(str(self._place))
                try:
                    connection = _Connection(reader, writer)
                    await connection.introduce(self._cookie())
                    yield connection
                finally:
                    writer.close()
        except (OSError, asyncio.IncompleteReadError, struct.error) as e:
            raise ScreenFailed(f"the X server does not answer: {e!r}") from e


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.root = 0
        self._first, self._last = 8, 255

    async def introduce(self, cookie: bytes) -> None:
        sizes = struct.pack("<HHHHxx", 11, 0, len(AUTHORITY), len(cookie))
        self.send(b"l\0" + sizes + _padded(AUTHORITY) + _padded(cookie))
        head = await self._reader.readexactly(8)
        rest = await self._reader.readexactly(4 * struct.unpack("<H", head[6:])[0])
        if head[0] != 1:
            raise ScreenFailed(f"the X server refuses us: {rest[: head[1]].decode(errors='replace')}")
        vendor, formats = struct.unpack("<H", rest[16:18])[0], rest[21]
        self._first, self._last = rest[26], rest[27]
        screen = 32 + -(-vendor // 4) * 4 + 8 * formats
        self.root = struct.unpack("<I", rest[screen : screen + 4])[0]

    async def ask(self, request: bytes) -> bytes:
        self.send(request)
        while True:
            answer = await self._reader.readexactly(32)
            if answer[0] == 1:
                more = 4 * int.from_bytes(answer[4:8], "little")
                if more > ANSWER_MAX:
                    raise ScreenFailed("the X server answers too much")
                return answer + await self._reader.readexactly(more)
            if answer[0] == 0:
                raise ScreenFailed(f"the X server refuses: error {answer[1]}")

    async def keymap(self) -> Keymap:
        count = self._last - self._first + 1
        answer = await self.ask(struct.pack("<BxHBBH", GET_KEYS, 2, self._first, count, 0))
        width = answer[1]
        keysyms = struct.unpack(f"<{width * count}I", answer[32 : 32 + 4 * width * count])
        keys = tuple(keysyms[start : start + width] for start in range(0, len(keysyms), width))
        return Keymap(self._first, width, keys)

    def change(self, code: int, keys: Sequence[tuple[int, ...]]) -> None:
        width = max(1, *map(len, keys))
        head = struct.pack("<BBHBBH", CHANGE_KEYS, len(keys), 2 + width * len(keys), code, width, 0)
        self.send(head + b"".join(struct.pack(f"<{width}I", *key, *[0] * (width - len(key))) for key in keys))

    def send(self, request: bytes) -> None:
        self._writer.write(request)


def _meaning(key: tuple[int, ...]) -> tuple[int, ...]:
    """Return a key without the zeros at its end; how many there are depends on the widest key."""
    last = max((place for place, keysym in enumerate(key, 1) if keysym), default=0)
    return key[:last]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
