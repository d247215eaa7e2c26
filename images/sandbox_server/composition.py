"""Which parts a type of sandbox is made of.

So far there are two compositions: `browser`, and everything else, which is made like `base`. A type of one's own is
therefore an image laid on the base image, with `ENV SANDBOX_TYPE=<type>`: a box whose image was built for another type
than the manager's line names ends with EX_CONFIG.
"""

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
    # A browser needs the start-up's processor time for itself.
    return [*first, userland, Kernel(config, userland, spawn_early=not with_browser), Shell(userland)]


def _browser_parts(config: BoxConfig) -> list[Part]:
    from sandbox_server.browser import Browser  # in the browser's image only
    from sandbox_server.desktop import Desktop

    desktop = Desktop(config)
    return [desktop, Browser(config, desktop)]
