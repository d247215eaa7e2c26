"""What a viewer that may only watch is allowed to say: a filter for the client's side of the RFB protocol (RFC 6143).

Pure bytes in, bytes out. The filter reads the viewer's stream message by message, wherever it is cut, and lets through
what is needed to be shown the screen; keys, pointer, clipboard and the size of the desktop are dropped. What comes out
is always a row of whole, permitted messages, so no trick with lengths can carry another one past it.

Not here: the server's side, which is passed on as it is, and viewers in control, who are not filtered.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

VERSION_LENGTH = 12
VERSIONS = (b"RFB 003.007\n", b"RFB 003.008\n")
"""Older ones have another handshake; nobody needs them."""
SECURITY_NONE = 1
"""The only security type: the desktop's door is the manager, which has asked for a ticket already."""
SHARED = b"\x01"
"""ClientInit. A viewer that does not want to share would throw out everybody else, so everyone shares."""

SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST = 0, 2, 3
KEY_EVENT, POINTER_EVENT, CUT_TEXT = 4, 5, 6
CONTINUOUS_UPDATES, XVP, SET_DESKTOP_SIZE, FENCE, QEMU = 150, 250, 251, 248, 255
QEMU_KEY, QEMU_AUDIO = 0, 1
QEMU_AUDIO_FORMAT = 2
FENCE_PAYLOAD_MAX = 64


class ProtocolViolation(Exception):
    """The viewer said something that a VNC viewer does not say; the connection must end."""


class WatchOnly:
    """The filter of one connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0
        """Bytes of a dropped message that are still to come; they are never kept."""
        self._parser = self._parse()
        self._wanted = self._next_message()

    def feed(self, data: bytes) -> bytes:
        """Take what the viewer sent, and return what the desktop may see of it.

        Raises:
            ProtocolViolation: this is no RFB, or a message that the filter does not know.
        """
        self._buffer += data
        passed = bytearray()
        while True:
            if self._skip:
                gone = min(self._skip, len(self._buffer))
                del self._buffer[:gone]
                self._skip -= gone
            if self._skip or len(self._buffer) < self._wanted:
                return bytes(passed)
            piece = bytes(self._buffer[: self._wanted])
            verdict = self._parser.send(piece)
            if isinstance(verdict, int):  # more of the same message is needed to judge it
                self._wanted = verdict
                continue
            allowed, self._skip = verdict
            del self._buffer[: len(piece)]
            passed += allowed
            self._wanted = self._next_message()

    def _next_message(self) -> int:
        wanted = next(self._parser)
        assert isinstance(wanted, int)
        return wanted

    def _parse(self) -> Generator[int | tuple[bytes, int], bytes, None]:
        """Ask for a number of bytes from the start of the message; when they suffice, say what passes and what to skip.

        The protocol with `feed`: yield an int to get so many bytes (a growing prefix of the same message), yield a
        pair (bytes that pass, further bytes to skip) to end the message.
        """
        version = yield VERSION_LENGTH
        if version not in VERSIONS:
            raise ProtocolViolation(f"not a version of RFB: {version!r}")
        yield version, 0
        security = yield 1
        if security[0] != SECURITY_NONE:
            raise ProtocolViolation(f"security type {security[0]}")
        yield security, 0
        yield 1
        yield SHARED, 0
        while True:
            head = yield 1
            rule = _RULES.get(head[0])
            if rule is None:
                raise ProtocolViolation(f"message type {head[0]}")
            yield from rule()


Rule = Callable[[], Generator[int | tuple[bytes, int], bytes, None]]


def _pass(length: int) -> Rule:
    def rule() -> Generator[int | tuple[bytes, int], bytes, None]:
        message = yield length
        yield message, 0

    return rule


def _drop(length: int) -> Rule:
    def rule() -> Generator[int | tuple[bytes, int], bytes, None]:
        yield length
        yield b"", 0

    return rule


def _encodings() -> Generator[int | tuple[bytes, int], bytes, None]:
    head = yield 4
    message = yield 4 + 4 * int.from_bytes(head[2:4], "big")
    yield message, 0


def _fence() -> Generator[int | tuple[bytes, int], bytes, None]:
    head = yield 9
    if head[8] > FENCE_PAYLOAD_MAX:
        raise ProtocolViolation(f"a fence of {head[8]} bytes")
    message = yield 9 + head[8]
    yield message, 0


def _cut_text() -> Generator[int | tuple[bytes, int], bytes, None]:
    head = yield 8
    # Negative in the extended clipboard; up to 2 GiB either way, so it is skipped as it comes.
    yield b"", abs(int.from_bytes(head[4:8], "big", signed=True))


def _desktop_size() -> Generator[int | tuple[bytes, int], bytes, None]:
    head = yield 8
    yield b"", 16 * head[6]


def _qemu() -> Generator[int | tuple[bytes, int], bytes, None]:
    head = yield 2
    if head[1] == QEMU_KEY:
        yield 12
    elif head[1] == QEMU_AUDIO:
        audio = yield 4
        if int.from_bytes(audio[2:4], "big") == QEMU_AUDIO_FORMAT:
            yield 10
    else:
        raise ProtocolViolation(f"QEMU message {head[1]}")
    yield b"", 0


_RULES: dict[int, Rule] = {
    SET_PIXEL_FORMAT: _pass(20),
    SET_ENCODINGS: _encodings,
    UPDATE_REQUEST: _pass(10),
    CONTINUOUS_UPDATES: _pass(10),
    FENCE: _fence,
    KEY_EVENT: _drop(8),
    POINTER_EVENT: _drop(6),
    CUT_TEXT: _cut_text,
    SET_DESKTOP_SIZE: _desktop_size,
    QEMU: _qemu,
    XVP: _drop(4),
}
