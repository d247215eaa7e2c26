"""Which parts a type of sandbox is made of."""

from __future__ import annotations

from sandbox_server.config import BoxConfig
from sandbox_server.kernel import Kernel
from sandbox_server.land import Land
from sandbox_server.parts import Part
from sandbox_server.shell import Shell
from sandbox_server.userland import UserLand


def make_parts(config: BoxConfig, land: Land) -> list[Part]:
    """Make the parts in the order in which they start."""
    userland = UserLand(config, land)
    with_browser = config.sandbox_type == "browser"
    first = _browser_parts(config) if with_browser else []
    return [*first, userland, Kernel(config, userland, eager=not with_browser), Shell(userland)]


def _browser_parts(config: BoxConfig) -> list[Part]:
    from sandbox_server.browser import Browser  # in the browser's image only
    from sandbox_server.desktop import Desktop

    desktop = Desktop(config)
    return [desktop, Browser(config, desktop)]
