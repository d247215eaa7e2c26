"""Typing: any text, whatever the keyboard of the screen has on it.

The X server puts a character that its keyboard lacks onto a free key. Of these there are two dozen, and a hundred more
once the keys for players, phones and power are cleared, which nothing here hears; a text of still more different
characters is typed in parts, and between them the keys are freed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from sandbox_server.desktop.screen import Screen
from sandbox_server.desktop.xclient import Keymap, XClient

CHUNK = 32
"""Characters at a time, so that a long text leaves programs time to follow."""
SPARE = 4
"""Free keys that are left alone: a viewer may need some, too."""
VENDOR = frozenset(range(0x1008_FE00, 0x1009_0000))
"""Keysyms of what is on keyboards beside letters: volume, mail, sleep."""
PAUSE_S = 0.01
FOLLOW_S = 1.0
"""What a program that does not say when it has followed gets to look up its last keys before they change."""
FOLLOWED_WITHIN_S = 5.0
"""The same for one that says so, however busy the machine is."""


class Keyboard:
    """The keyboard of one screen."""

    def __init__(self, screen: Screen, x: XClient) -> None:
        """Type on this screen."""
        self._screen = screen
        self._x = x
        self._own: Keymap | None = None
        """What the keys are while nothing was added to them."""
        self._added: set[int] = set()

    async def chord(self, keys: Sequence[int]) -> None:
        """Press these keys together."""
        async with self.held(keys):
            pass

    @asynccontextmanager
    async def held(self, keys: Sequence[int]) -> AsyncIterator[None]:
        """Hold these keys down while the context is open."""
        if not keys:
            yield
            return
        await self._make_room(keys)
        try:
            await self._screen.keys(*((key, True) for key in keys))
            yield
        finally:
            await self._screen.keys(*((key, False) for key in reversed(keys)))

    async def type(self, keys: Sequence[int]) -> None:
        """Press these keys one after the other."""
        for start in range(0, len(keys), CHUNK):
            chunk = keys[start : start + CHUNK]
            await self._make_room(chunk)
            await self._screen.keys(*(stroke for key in chunk for stroke in ((key, True), (key, False))))
            await asyncio.sleep(PAUSE_S)

    async def _make_room(self, keys: Sequence[int]) -> None:
        own = self._own or await self.prepare()
        new = set(keys) - own.keysyms - self._added
        if new and len(self._added) + len(new) > own.free - SPARE:
            if not await self._x.followed(FOLLOWED_WITHIN_S):
                await asyncio.sleep(FOLLOW_S)
            await self._x.put(own)
            self._added.clear()
            new = set(keys) - own.keysyms
        self._added |= new

    async def prepare(self) -> Keymap:
        """Clear the keys that nobody needs; best done before there are programs that would hear of it."""
        found = await self._x.keymap()
        # All that is on them: a function key has such a meaning, too, with three others held.
        self._own = replace(found, keys=tuple(key if set(key) - VENDOR - {0} else () for key in found.keys))
        await self._x.put(self._own)
        return self._own
