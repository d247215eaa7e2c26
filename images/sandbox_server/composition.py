"""Which parts a type of sandbox is made of: a table of the types, and how each part is made of what it needs.

To add a part: a property in `Assembly`, and its name in `COMPOSITIONS`. A type of one's own is an image laid on one of
ours, with `ENV SANDBOX_TYPE=<type>`: it is made like the one that it is laid on, as that one's `ENV SANDBOX_PARTS`
says, with the tools that it brings (`own`). A box whose image is not what the manager's line says, type or
parts, ends with EX_CONFIG.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sandbox_server.commands.part import Commands
from sandbox_server.commands.shell import Shell
from sandbox_server.config import BoxConfig, ConfigError
from sandbox_server.kernels.part import Kernels
from sandbox_server.land.namespaces import Land
from sandbox_server.land.userland import UserLand
from sandbox_server.mcp.hub import McpHub
from sandbox_server.parts import Part

if TYPE_CHECKING:
    from sandbox_server.browser.part import Browser
    from sandbox_server.browser.web_launcher import WebLauncher
    from sandbox_server.desktop.computer import Computer
    from sandbox_server.desktop.part import Desktop
    from sandbox_server.files.tools import FileTools
    from sandbox_server.own.tools import ImageTools

GENERIC = ("userland", "kernels", "shell", "commands", "mcp_hub")
"""What every type has."""

COMPOSITIONS: dict[str, tuple[str, ...]] = {
    "base": GENERIC,
    "browser": ("desktop", "browser", *GENERIC),
    "filesystem": ("desktop_on_watch", *GENERIC, "file_tools"),
    "gui": ("shared_desktop", "web_launcher", "computer", *GENERIC),
}
"""The parts of each type, in the order in which they start."""

OF_ONES_OWN = ("image_tools",)
"""The parts of types that the table does not name, after those of the type that they are made like."""


def make_parts(config: BoxConfig, land: Land) -> list[Part]:
    """Make the parts in the order in which they start.

    Raises:
        ConfigError: The image says of no known type that it is made like it.
    """
    names = COMPOSITIONS.get(config.parts)
    if names is None:
        raise ConfigError(f"SANDBOX_PARTS is {config.parts!r}; there are: {', '.join(COMPOSITIONS)}")
    if config.sandbox_type not in COMPOSITIONS:
        names += OF_ONES_OWN
    assembly = Assembly(config, land, names)
    return [getattr(assembly, name) for name in names]


class Assembly:
    """The parts of one box: each is made once, when it or another part first asks for it.

    What only some types have is imported here and not above: it would cost the others time and memory, and its
    packages may not be in their images.
    """

    def __init__(self, config: BoxConfig, land: Land, names: tuple[str, ...]) -> None:
        """Prepare to make these parts."""
        self._config = config
        self._land = land
        self._names = names

    @cached_property
    def userland(self) -> UserLand:
        """Where users' code runs."""
        return UserLand(self._config, self._land)

    @cached_property
    def kernels(self) -> Kernels:
        """Python cells."""
        # A desktop that is there from the start needs the start-up's processor time for itself.
        early = not {"browser", "computer"} & set(self._names)
        return Kernels(self._config, self.userland, spawn_early=early)

    @cached_property
    def shell(self) -> Shell:
        """Shell commands."""
        return Shell(self.userland)

    @cached_property
    def mcp_hub(self) -> McpHub:
        """MCP servers that users add."""
        return McpHub(self._config, self.userland)

    @cached_property
    def file_tools(self) -> FileTools:
        """The tools for files."""
        from sandbox_server.files.tools import FileTools

        return FileTools(str(self._config.workspace))

    @cached_property
    def commands(self) -> Commands:
        """Streamed commands, background processes, terminals."""
        return Commands(self.userland)

    @cached_property
    def image_tools(self) -> ImageTools:
        """The tools that an image of one's own brings."""
        from sandbox_server.own.tools import ImageTools

        return ImageTools(self.userland, self._config.sandbox_type)

    @cached_property
    def desktop(self) -> Desktop:
        """The screen, from the start."""
        from sandbox_server.desktop.part import browser_desktop

        return browser_desktop(self._config)

    @cached_property
    def shared_desktop(self) -> Desktop:
        """The screen from the start, with programs of the user's on it."""
        from sandbox_server.desktop.session import WORKPLACE, session_desktop

        return session_desktop(self._config, self.userland, WORKPLACE)

    @cached_property
    def desktop_on_watch(self) -> Desktop:
        """The same, but nothing of it runs before somebody watches."""
        from sandbox_server.desktop.session import FILE_MANAGER, session_desktop

        return session_desktop(self._config, self.userland, FILE_MANAGER, on_demand=True)

    @cached_property
    def web_launcher(self) -> WebLauncher:
        """Chromium, when the user asks for it."""
        from sandbox_server.browser.web_launcher import WebLauncher

        return WebLauncher(self._config, self.shared_desktop)

    @cached_property
    def computer(self) -> Computer:
        """The tool that sees the screen and uses mouse and keyboard."""
        from sandbox_server.desktop.computer import Computer

        return Computer(self.shared_desktop)

    @cached_property
    def browser(self) -> Browser:
        """Chromium, and the tools that drive it."""
        from sandbox_server.browser.part import Browser

        return Browser(self._config, self.desktop)
