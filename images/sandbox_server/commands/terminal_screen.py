"""What a terminal has written, and those who look at it: everybody sees the same, each at their own pace.

The last of it is kept, for who comes later. A viewer that is behind holds the program up, as a slow screen does. One
that takes nothing for a while, such as a browser's tab in the background, holds nobody up until it goes on; what it
missed by then is shown to it anew from what is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

CHUNK = 1 << 16
REPLAY = 1 << 18  # bytes of the past that a viewer is shown
KEPT = REPLAY + 4 * CHUNK  # what those who hold the program up have still to get is part of it
AHEAD = 1 << 17  # bytes that a viewer may be behind before it holds the program up
PATIENCE_S = 2.0
RESET = b"\x1bc"
LINE_MAX = 4096  # the past is shown from the beginning of a line, if there is one within so many bytes


class Viewer:
    """One who looks."""

    def __init__(self, screen: Screen, position: int) -> None:
        """Begin at a position of what was written; use `Screen.viewed`."""
        self.asleep = False
        self.taken = 0
        """How many of the bytes that it was given it has dealt with."""
        self._given = 0
        self._confirms = False
        self._position = position
        self._screen = screen

    @property
    def behind(self) -> int:
        """How many bytes it has not dealt with."""
        return self._given - self.taken + self._screen.total - self._position

    @property
    def unsent(self) -> int:
        """How many bytes are there that it was not given."""
        return self._screen.total - self._position

    def next(self) -> bytes:
        """Return what it is to be sent now; nothing while it has enough to do, or has all there is."""
        if self._given - self.taken > AHEAD:
            return b""
        data = b""
        if self._position < self._screen.total - self._screen.kept:  # it slept, and what comes next is gone
            self._position = self._screen.past()
            data = RESET
        piece = self._screen.since(self._position)
        self._position += len(piece)
        self._given += len(data) + len(piece)
        return data + piece

    def sent(self) -> None:
        """Note that what `next` returned is on its way, which is enough for viewers that do not say more."""
        if not self._confirms:
            self._took(self._given)

    def confirm(self, taken: int) -> None:
        """Note that it has dealt with so many bytes; from then on only its own word counts."""
        self._confirms = True
        self._took(min(taken, self._given))

    def _took(self, taken: int) -> None:
        self.taken = max(self.taken, taken)
        self.asleep = False
        self._screen.progressed()


class Screen:
    """What was written last, and its viewers."""

    def __init__(self, hold: Callable[[bool], None]) -> None:
        """Start empty; `hold` is told when the program has to wait, and when it may go on."""
        self.total = 0
        self.viewers: list[Viewer] = []
        self._hold = hold
        self._held = False
        self._kept = bytearray()
        self._waking: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    @property
    def kept(self) -> int:
        """How many bytes are kept."""
        return len(self._kept)

    def add(self, data: bytes) -> None:
        """Show what was written."""
        self._kept += data
        self.total += len(data)
        del self._kept[: max(0, len(self._kept) - KEPT)]
        self._look()
        self.tell()

    def since(self, position: int) -> bytes:
        """Return what was written from a position on, up to `CHUNK` bytes."""
        begin = len(self._kept) - (self.total - position)
        return bytes(self._kept[begin : begin + CHUNK])

    def past(self) -> int:
        """Return the position from which a new viewer is shown what was written."""
        shown = min(len(self._kept), REPLAY)
        if shown < self.total:
            line = self._kept.find(b"\n", len(self._kept) - shown, len(self._kept) - shown + LINE_MAX)
            shown = shown if line < 0 else len(self._kept) - line - 1
        return self.total - shown

    @contextlib.contextmanager
    def viewed(self) -> Iterator[Viewer]:
        """Count in a viewer, who sees what is kept and then what comes."""
        viewer = Viewer(self, self.past())
        self.viewers.append(viewer)
        self._look()
        try:
            yield viewer
        finally:
            self.viewers.remove(viewer)
            self.progressed()

    def progressed(self) -> None:
        """Let the program go on, and viewers be sent more, now that one has dealt with something."""
        self._look()
        self.tell()

    def tell(self) -> None:
        """Wake up who waits for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self, patience_s: float) -> None:
        """Wait for a change, or until so many seconds are over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._changed.wait()

    def close(self) -> None:
        """Hold nobody up any more."""
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None

    def _look(self) -> None:
        late = [viewer for viewer in self.viewers if not viewer.asleep and viewer.behind > AHEAD]
        if bool(late) == self._held:
            return
        self._held = bool(late)
        self.close()
        if late:
            noted = [(viewer, viewer.taken) for viewer in late]
            self._waking = asyncio.get_running_loop().call_later(PATIENCE_S, self._put_to_sleep, noted)
        self._hold(self._held)

    def _put_to_sleep(self, noted: list[tuple[Viewer, int]]) -> None:
        self._waking = None
        for viewer, taken in noted:
            viewer.asleep = viewer.taken == taken
        self._look()
        if self._held:  # by others, or by slow but steady ones
            again = [(viewer, viewer.taken) for viewer in self.viewers if not viewer.asleep]
            self._waking = asyncio.get_running_loop().call_later(PATIENCE_S, self._put_to_sleep, again)
