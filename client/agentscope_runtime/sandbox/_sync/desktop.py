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

    @property
    def desktop_url(self) -> str:
        """A link that opens the desktop once, to watch only; each look at it makes a new one."""
        return self.get_desktop_url()
