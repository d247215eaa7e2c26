# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/desktop.py. Do not edit: change that one and run `make unasync`.
"""Sandboxes with a desktop that a person can watch."""

from __future__ import annotations

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._sync.base import BaseSandbox


class DesktopSandbox(BaseSandbox):
    """A sandbox whose screen can be watched in a browser."""

    def get_desktop_url(self, control: bool = False) -> str:
        """Make a link to the desktop: it opens once, within a minute, and shows what the tools do as they do it.

        Args:
            control: Whether whoever opens it may use mouse and keyboard; else they only watch.
        """
        return (self._in_hand().do(calls.desktop, control)).url

    def get_resolution(self) -> tuple[int, int]:
        """Return width and height of the screen in pixels."""
        screen = self._in_hand().do(calls.screen)
        return screen.width, screen.height

    def set_resolution(self, width: int, height: int) -> tuple[int, int]:
        """Give the screen another size while everything on it goes on; return the size that it has then.

        Args:
            width: In pixels, 320 to 3840.
            height: In pixels, 240 to 2160.
        """
        screen = self._in_hand().do(calls.resize_screen, width, height)
        return screen.width, screen.height

    @property
    def desktop_url(self) -> str:
        """A link that opens the desktop once, to watch only; each look at it makes a new one."""
        return self.get_desktop_url()
