"""The gui sandbox: a desktop that an agent sees and uses with mouse and keyboard."""

from __future__ import annotations

from collections.abc import Sequence

from agentscope_runtime.sandbox._async.desktop import DesktopSandboxAsync
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.tools import given
from agentscope_runtime.sandbox.types import SandboxType, ToolResult

BESIDES = 30.0
"""Seconds for what an action that takes a time does besides."""


@SandboxRegistry.attach(SandboxType.GUI)
class GuiSandboxAsync(DesktopSandboxAsync):
    """A sandbox with a desktop: panel, terminal, file manager, text editor and Chromium, beside cells and commands.

    ```python
    async with GuiSandboxAsync(resolution="1600x1000") as box:
        picture = await box.computer_use("get_screenshot")
        await box.computer_use("left_click", coordinate=[130, 980])
        await box.computer_use("type", text="Hello!")
    ```
    """

    async def computer_use(  # noqa: PLR0913, PLR0917 - the arguments of all actions
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
        return await self.call_tool_async("computer_use", arguments, timeout)
