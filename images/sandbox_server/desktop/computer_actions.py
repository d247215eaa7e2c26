"""What the actions of `computer_use` do. Each takes valid arguments and returns the items of its result."""

from __future__ import annotations

import asyncio
import base64
import json
from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sandbox_server.desktop import keysyms, png
from sandbox_server.desktop.keyboard import Keyboard
from sandbox_server.desktop.screen import Picture, Region, Screen
from sandbox_server.desktop.xclient import XClient
from sandbox_server.parts import Arguments, image, text

LEFT, MIDDLE, RIGHT = 1, 2, 4
WHEEL = {"up": 8, "down": 16, "left": 32, "right": 64}
BUTTONS = {"left_click": LEFT, "middle_click": MIDDLE, "right_click": RIGHT, "double_click": LEFT, "triple_click": LEFT}
CLICKS = {"double_click": 2, "triple_click": 3}
SCROLL_DEFAULT = 3
DRAG_STEPS = 12
STEP_S = 0.015
"""Between steps of a drag: a program that is handed all of them at once may see a jump, and take it for nothing."""
ZOOM_MAX = 4

Items = list[dict[str, Any]]


class WrongArgument(Exception):
    """An argument does not fit the screen or the keyboard; the message names it."""


class Actions:
    """The actions, on one screen."""

    def __init__(self, screen: Screen, pointer: XClient, keyboard: Keyboard) -> None:
        """Act on this screen."""
        self._screen = screen
        self._pointer = pointer
        self._keyboard = keyboard
        self._held = 0
        """Buttons that left_mouse_down left pressed."""

    async def run(self, action: str, arguments: Arguments) -> Items:
        """Do one of them.

        Raises:
            WrongArgument: an argument does not fit.
            ScreenFailed: the screen does not do it.
        """
        return await self._of(action)(action, arguments)

    def _of(self, action: str) -> Callable[[str, Arguments], Awaitable[Items]]:
        special = {
            "key": self._key,
            "type": self._type,
            "hold_key": self._hold_key,
            "mouse_move": self._mouse_move,
            "left_click_drag": self._drag,
            "left_mouse_down": self._button,
            "left_mouse_up": self._button,
            "scroll": self._scroll,
            "wait": self._wait,
            "get_cursor_position": self._position,
            "get_screenshot": self._screenshot,
            "zoom": self._zoom,
        }
        return special.get(action, self._click)

    async def _key(self, action: str, arguments: Arguments) -> Items:
        for chord in _chords(arguments["text"]):
            await self._keyboard.chord(chord)
        return done()

    async def _type(self, action: str, arguments: Arguments) -> Items:
        try:
            characters = [keysyms.of_character(character) for character in _lines(arguments["text"])]
        except keysyms.UnknownKey as e:
            raise WrongArgument(f"argument 'text': {e}") from e
        await self._keyboard.type(characters)
        return done()

    async def _hold_key(self, action: str, arguments: Arguments) -> Items:
        chords = _chords(arguments["text"])
        async with self._keyboard.held([key for chord in chords for key in chord]):
            await asyncio.sleep(arguments["seconds"])
        return done()

    async def _mouse_move(self, action: str, arguments: Arguments) -> Items:
        await self._screen.point(*await self._place(arguments), self._held)
        return done()

    async def _click(self, action: str, arguments: Arguments) -> Items:
        x, y = await self._place(arguments)
        button = BUTTONS[action]
        async with self._keyboard.held(_modifiers(arguments)):
            await self._screen.point(x, y, 0, *(button, 0) * CLICKS.get(action, 1))
        self._held = 0
        return done()

    async def _button(self, action: str, arguments: Arguments) -> Items:
        x, y = await self._place(arguments)
        before, self._held = self._held, LEFT if action == "left_mouse_down" else 0
        await self._screen.point(x, y, before, self._held)
        return done()

    async def _drag(self, action: str, arguments: Arguments) -> Items:
        x, y = await self._place(arguments, "startCoordinate")
        to_x, to_y = await self._place(arguments)
        self._held = 0
        try:
            await self._screen.point(x, y, 0, LEFT)
            for step in range(1, DRAG_STEPS + 1):
                await asyncio.sleep(STEP_S)
                part = step / DRAG_STEPS
                await self._screen.point(round(x + (to_x - x) * part), round(y + (to_y - y) * part), LEFT)
        finally:
            await self._screen.point(to_x, to_y, LEFT, 0)
        return done()

    async def _scroll(self, action: str, arguments: Arguments) -> Items:
        x, y = await self._place(arguments)
        wheel = WHEEL[arguments["direction"]] | self._held
        async with self._keyboard.held(_modifiers(arguments)):
            await self._screen.point(x, y, *(self._held, wheel) * arguments.get("amount", SCROLL_DEFAULT), self._held)
        return done()

    async def _wait(self, action: str, arguments: Arguments) -> Items:
        await asyncio.sleep(arguments["seconds"])
        return done()

    async def _position(self, action: str, arguments: Arguments) -> Items:
        x, y = await self._pointer.position()
        return [text(json.dumps({"x": x, "y": y}))]

    async def _screenshot(self, action: str, arguments: Arguments) -> Items:
        return await asyncio.to_thread(shown, await self._screen.capture())

    async def _zoom(self, action: str, arguments: Arguments) -> Items:
        width, height = await self._screen.size()
        left, top, right, bottom = _numbers(arguments["region"], "region", 4)
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise WrongArgument(
                f"argument 'region' is {arguments['region']}, which is no part of the screen from [0, 0] to "
                f"[{width}, {height}]: left and top come first, then right and bottom"
            )
        region: Region = (left, top, right - left, bottom - top)
        factor = max(1, min(ZOOM_MAX, width // region[2], height // region[3]))
        return await asyncio.to_thread(shown, await self._screen.capture(region), factor)

    async def _place(self, arguments: Arguments, name: str = "coordinate") -> tuple[int, int]:
        """Return where to act: what the argument says, or where the pointer is."""
        if name not in arguments:
            return await self._pointer.position()
        x, y = _numbers(arguments[name], name, 2)
        width, height = await self._screen.size()
        if not (0 <= x < width and 0 <= y < height):
            raise WrongArgument(f"argument {name!r} is [{x}, {y}], outside of the screen of {width} by {height} pixels")
        return x, y


def done() -> Items:
    """Return the result of what has nothing to say."""
    return [text(json.dumps({"ok": True}))]


def shown(picture: Picture, factor: int = 1) -> Items:
    """Return the result that shows a picture, enlarged."""
    if factor > 1:
        picture = enlarged(picture, factor)
    size = text(json.dumps({"image_width": picture.width, "image_height": picture.height}))
    encoded = png.encode(picture.width, picture.height, picture.pixels)
    return [size, image(base64.b64encode(encoded).decode(), "image/png")]


def enlarged(picture: Picture, factor: int) -> Picture:
    """Return a picture in which each pixel is a square of this many pixels a side."""
    pixels = array("I", picture.pixels)
    rows = []
    for start in range(0, len(pixels), picture.width):
        row = array("I", bytes(4 * picture.width * factor))
        for offset in range(factor):
            row[offset::factor] = pixels[start : start + picture.width]
        rows.append(row.tobytes() * factor)
    return Picture(picture.width * factor, picture.height * factor, b"".join(rows))


def _numbers(value: Sequence[float], name: str, count: int) -> list[int]:
    if len(value) != count:
        raise WrongArgument(f"argument {name!r} must have {count} numbers, not {len(value)}")
    return [round(number) for number in value]


def _lines(value: str) -> str:
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _chords(value: str) -> list[tuple[int, ...]]:
    try:
        return keysyms.of_chords(value)
    except keysyms.UnknownKey as e:
        raise WrongArgument(f"argument 'text': {e}") from e


def _modifiers(arguments: Arguments) -> list[int]:
    return [key for chord in _chords(arguments["text"]) for key in chord] if "text" in arguments else []
