"""The part that brings `computer_use`: an agent's eyes and hands on the desktop.

One action at a time: what one call types is not mixed with what another does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from sandbox_server.desktop.computer_actions import Actions, WrongArgument
from sandbox_server.desktop.computer_spec import ALIASES, OTHER_NAMES, SPEC, SYNONYMS, missing_or_idle
from sandbox_server.desktop.keyboard import Keyboard
from sandbox_server.desktop.part import Desktop
from sandbox_server.desktop.screen import ScreenFailed
from sandbox_server.desktop.xclient import XClient
from sandbox_server.parts import Arguments, PartFailed, Result, Tool, result, text
from sandbox_server.problems import invalid_request

DEFAULT_TIMEOUT_S = 90.0


class Computer:
    """Sees the screen of a desktop, and uses its mouse and keyboard."""

    name = "computer"

    def __init__(self, desktop: Desktop) -> None:
        """Use this desktop."""
        self._desktop = desktop
        server = desktop.server
        self._screen = desktop.screen
        x = XClient(server.socket, lambda: server.cookie)
        self._keyboard = Keyboard(self._screen, x)
        self._actions = Actions(self._screen, x, self._keyboard)
        self._turn = asyncio.Lock()
        self._prepared = False

    async def start(self) -> None:
        """Do nothing: it connects when it is first used."""

    async def ready(self) -> None:
        """Return once the desktop is drawn, and has been looked at.

        Raises:
            PartFailed: there is no screen.
        """
        await self._desktop.ready()
        if not self._prepared:
            self._prepared = True
            try:
                await self._keyboard.prepare()
            except (ScreenFailed, TimeoutError) as e:
                raise PartFailed(f"the screen does not answer: {e}") from e

    def tools(self) -> Sequence[Tool]:
        """Return `computer_use`."""
        tool = SPEC.tool(self._call)
        return [replace(tool, aliases={**tool.aliases, **ALIASES}, other_names=OTHER_NAMES)]

    def log_tail(self) -> str:
        """Return nothing: the desktop says what there is to say."""
        return ""

    async def close(self) -> None:
        """Do nothing: the desktop closes what it opened."""

    async def _call(self, arguments: Arguments, timeout_s: float | None) -> Result:
        said: str = arguments["action"]
        action = SYNONYMS.get(said, said)
        if wrong := missing_or_idle(action, arguments):
            raise invalid_request(f"computer_use: {wrong}")
        limit = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit), self._turn:
                await self._desktop.display_up()
                return result(*await self._actions.run(action, arguments))
        except WrongArgument as e:
            raise invalid_request(f"computer_use: {e}") from e
        except (ScreenFailed, PartFailed) as e:
            why = str(e)
        except TimeoutError:
            why = f"action {action!r} timed out: it had {limit:g} s, or the screen does not answer"
        return result(text(why), is_error=True)
