"""Sandboxes with a desktop that a person can watch."""

from __future__ import annotations

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.base import BaseSandboxAsync


class DesktopSandboxAsync(BaseSandboxAsync):
    """A sandbox whose screen can be watched in a browser."""

    async def get_desktop_url_async(self, control: bool = False) -> str:
        """Make a link to the desktop: it opens once, within a minute, and shows what the tools do as they do it.

        Args:
            control: Whether whoever opens it may use mouse and keyboard; else they only watch.
        """
        return (await self._in_hand().do_async(calls.desktop, control)).url

    async def get_resolution_async(self) -> tuple[int, int]:
        """Return width and height of the screen in pixels."""
        screen = await self._in_hand().do_async(calls.screen)
        return screen.width, screen.height

    async def set_resolution_async(self, width: int, height: int) -> tuple[int, int]:
        """Give the screen another size while everything on it goes on; return the size that it has then.

        Args:
            width: In pixels, 320 to 3840.
            height: In pixels, 240 to 2160.
        """
        screen = await self._in_hand().do_async(calls.resize_screen, width, height)
        return screen.width, screen.height

    # <sync-only>
    # @property
    # def desktop_url(self) -> str:
    #     """A link that opens the desktop once, to watch only; each look at it makes a new one."""
    #     return self.get_desktop_url()
    # </sync-only>
    # <async-only>
    @property
    def desktop_url(self) -> str:
        """A link that opens the desktop once, to watch only; `await get_desktop_url_async()` does not block."""
        from agentscope_runtime.sandbox._sync.connection import Connection

        held = self._in_hand()
        with Connection(held.connection.origin) as connection:
            return connection.send(calls.desktop(held.info.sandbox_id, control=False)).url

    # </async-only>
