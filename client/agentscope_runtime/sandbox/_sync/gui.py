# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/gui.py. Do not edit: change that one and run `make unasync`.
"""The gui sandbox: a desktop that an agent sees and uses with mouse and keyboard."""

from __future__ import annotations

from collections.abc import Sequence

from agentscope_runtime.sandbox._sync.desktop import DesktopSandbox
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.tools import given
from agentscope_runtime.sandbox.types import SandboxType, ToolResult

BESIDES = 30.0
"""Seconds for what an action that takes a time does besides."""


@SandboxRegistry.attach(SandboxType.GUI)
class GuiSandbox(DesktopSandbox):
    """A sandbox with a desktop: panel, terminal, file manager, text editor and Chromium, beside cells and commands.

    ```python
    with GuiSandbox(resolution="1600x1000") as box:
        picture = box.computer_use("get_screenshot")
        box.computer_use("left_click", coordinate=[130, 980])
        box.computer_use("type", text="Hello!")
    ```
    """

    def computer_use(  # noqa: PLR0913, PLR0917 - the arguments of all actions
        self,
        action: str,
        coordinate: Sequence[float] | None = None,
        text: str | None = None,
        direction: str | None = None,
        amount: int | None = None,
        seconds: float | None = None,
        region: Sequence[float] | None = None,
        start_coordinate: Sequence[float] | None = None,
    ) -> ToolResult:
        """See the screen and use its mouse and keyboard; coordinates are pixels of the screenshot.

        Args:
            action: What to do: `get_screenshot`; `zoom` (enlarges `region`); `get_cursor_position`; `mouse_move`;
                `left_click`, `right_click`, `middle_click`, `double_click`, `triple_click` (at `coordinate`, or where
                the pointer is, while the keys in `text` are held); `left_click_drag` (from `start_coordinate`, or where
                the pointer is, to `coordinate`); `left_mouse_down`, `left_mouse_up`; `scroll` (`direction`, `amount`);
                `key` (presses `text`: `Return`, `ctrl+s`, several with spaces between); `hold_key` (`text` for
                `seconds`); `type` (any `text`); `wait` (`seconds`).
            coordinate: `[x, y]`; `[0, 0]` is the top left corner of the screen.
            text: What to type, or which keys to press or hold.
            direction: Of `scroll`: `up`, `down`, `left` or `right`.
            amount: Of `scroll`: clicks of the wheel, 3 by default.
            seconds: Of `wait` and `hold_key`, at most 60.
            region: Of `zoom`: `[left, top, right, bottom]`.
            start_coordinate: Of `left_click_drag`: where to begin.
        """
        place = None if coordinate is None else list(coordinate)
        begin = None if start_coordinate is None else list(start_coordinate)
        part = None if region is None else list(region)
        arguments = {"action": action, **given(coordinate=place, text=text, startCoordinate=begin, direction=direction)}
        arguments |= given(amount=amount, seconds=seconds, region=part)
        # Longer than the tool's own time-out is fine: whoever names a time has given it.
        timeout = None if seconds is None else seconds + BESIDES
        return self.call_tool("computer_use", arguments, timeout)
