"""The little of the X protocol that VNC does not say: where the pointer is, what is on the keys, and who has followed.

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
CHANGE_ATTRIBUTES, INTERN_ATOM, GET_PROPERTY, SEND_EVENT = 2, 16, 20, 25
EVENT_MASK, CHILDREN_CHANGE = 0x800, 0x80000
"""An attribute of windows: which events somebody wants; and those about, and sent to, what is in a window."""
CLIENT_MESSAGE, SENT_BY_CLIENT = 33, 0x80
PROPERTY_MAX = 256
"""Words of a property that are read."""
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

    async def followed(self, within: float) -> bool:
        """Wait until the program in front has read all input up to now; False if it does not say, or not in time.

        It is asked as window managers ask whether a program hangs (`_NET_WM_PING`): it answers when it comes to that.
        """
        async with self._connection(ANSWER_TIMEOUT_S + within) as connection:
            protocols, ping = await connection.atom(b"WM_PROTOCOLS"), await connection.atom(b"_NET_WM_PING")
            in_front = await connection.property(connection.root, await connection.atom(b"_NET_ACTIVE_WINDOW"))
            window = next(iter(in_front), 0)
            if not window or ping not in await connection.property(window, protocols):
                return False
            connection.hear_root()
            connection.tell(window, protocols, (ping, 0, window))
            try:
                async with asyncio.timeout(within):
                    await connection.told(protocols, (ping, 0, window))
            except (TimeoutError, ScreenFailed):  # it hangs, or its window is gone
                return False
            return True

    @asynccontextmanager
    async def _connection(self, within: float = ANSWER_TIMEOUT_S) -> AsyncIterator[_Connection]:
        try:
            async with asyncio.timeout(within):
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

    async def atom(self, name: bytes) -> int:
        length = 2 + -(-len(name) // 4)
        answer = await self.ask(struct.pack("<BxHHxx", INTERN_ATOM, length, len(name)) + _padded(name))
        return int.from_bytes(answer[8:12], "little")

    async def property(self, window: int, name: int) -> tuple[int, ...]:
        """Return a property that consists of words; nothing if the window has none, or is gone."""
        try:
            answer = await self.ask(struct.pack("<BxHIIIII", GET_PROPERTY, 6, window, name, 0, 0, PROPERTY_MAX))
        except ScreenFailed:
            return ()
        count = int.from_bytes(answer[16:20], "little") if answer[1] == 32 else 0
        return struct.unpack(f"<{count}I", answer[32 : 32 + 4 * count])

    def hear_root(self) -> None:
        self.send(struct.pack("<BxHIII", CHANGE_ATTRIBUTES, 4, self.root, EVENT_MASK, CHILDREN_CHANGE))

    def tell(self, window: int, what: int, words: Sequence[int]) -> None:
        event = struct.pack("<BBHII5I", CLIENT_MESSAGE, 32, 0, window, what, *words, *[0] * (5 - len(words)))
        self.send(struct.pack("<BBHII", SEND_EVENT, 0, 11, window, 0) + event)

    async def told(self, what: int, words: Sequence[int]) -> None:
        """Wait until somebody sends this to the root."""
        while True:
            event = await self._reader.readexactly(32)
            if event[0] == 0:
                raise ScreenFailed(f"the X server refuses: error {event[1]}")
            if event[0] != CLIENT_MESSAGE | SENT_BY_CLIENT or event[1] != 32:
                continue
            window, kind, *said = struct.unpack("<4xII5I", event)
            if (window, kind) == (self.root, what) and said[: len(words)] == list(words):
                return

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
