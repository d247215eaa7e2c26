"""A small VNC viewer for tests: RFB 3.8 over a WebSocket, raw encoding, whole screen, pointer, keys."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image
from websockets.sync.client import ClientConnection, connect

from agentscope_runtime.sandbox_manager.box import desktop_secret

RAW = 0
CONTROL, META = 0xFFE3, 0xFFE9  # keysyms: left control, left alt
PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


class Viewer:
    """A viewer past the handshake."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._buffer = b""
        assert self._read(12) == b"RFB 003.008\n"
        connection.send(b"RFB 003.008\n")
        assert 1 in self._read(self._read(1)[0]), "the server asks for a password"
        connection.send(b"\x01")
        assert self._read(4) == bytes(4)
        connection.send(b"\x01")  # shared
        self.width, self.height = struct.unpack(">HH", self._read(4))
        self._read(16)
        self.name = self._read(struct.unpack(">I", self._read(4))[0]).decode()
        connection.send(b"\x00\x00\x00\x00" + PIXELS)
        connection.send(struct.pack(">BxHi", 2, 1, RAW))

    def screen(self) -> Image.Image:
        """Return what is on the screen now."""
        self._connection.send(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        image = Image.new("RGB", (self.width, self.height))
        for _ in range(self._rectangles()):
            x, y, width, height, encoding = struct.unpack(">HHHHi", self._read(12))
            assert encoding == RAW
            data = self._read(width * height * 4)
            image.paste(Image.frombytes("RGB", (width, height), data, "raw", "BGRX"), (x, y))
        return image

    def move(self, x: int, y: int) -> None:
        """Move the pointer there."""
        self._connection.send(struct.pack(">BBHH", 5, 0, x, y))

    def click(self, x: int, y: int) -> None:
        """Press and release the left button there."""
        for buttons in (0, 1, 0):
            self._connection.send(struct.pack(">BBHH", 5, buttons, x, y))

    def press(self, *keysyms: int) -> None:
        """Press keys one after the other, and release them in reverse."""
        for down, order in ((1, keysyms), (0, keysyms[::-1])):
            for keysym in order:
                self._connection.send(struct.pack(">BBxxI", 4, down, keysym))

    def _rectangles(self) -> int:
        while True:
            kind = self._read(1)[0]
            if kind == 0:
                return int(struct.unpack(">xH", self._read(3))[0])
            if kind == 3:  # the clipboard
                self._read(struct.unpack(">xxxI", self._read(7))[0])
            else:
                assert kind == 2, f"an unknown message of type {kind}"  # 2 is the bell

    def _read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            message = self._connection.recv(timeout=10)
            assert isinstance(message, bytes)
            self._buffer += message
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data


@contextmanager
def viewer(url: str, token: str) -> Iterator[Viewer]:
    """Connect to the desktop of the box with this token."""
    headers = {"Authorization": f"Bearer {desktop_secret(token)}"}
    with connect(url, additional_headers=headers, subprotocols=["binary"], max_size=None, proxy=None) as connection:  # type: ignore[list-item]
        yield Viewer(connection)
