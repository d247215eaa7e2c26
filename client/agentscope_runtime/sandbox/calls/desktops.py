"""Looking at a sandbox: its desktop."""

from __future__ import annotations

from pydantic import ValidationError

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import Call, at, invalid, json_call


def desktop(sandbox_id: str, control: bool) -> Call[wire.DesktopLink]:
    """Make a link that opens the desktop once."""
    return json_call(
        f"open the desktop of {sandbox_id}", "POST", at(sandbox_id, "desktop"), {"control": control}, wire.DesktopLink
    )


def screen(sandbox_id: str) -> Call[wire.Screen]:
    """Ask for the size of the screen."""
    what = f"look at the screen of {sandbox_id}"
    return Call(what, "GET", at(sandbox_id, "screen"), wire.Screen.model_validate_json)


def resize_screen(sandbox_id: str, width: int, height: int) -> Call[wire.Screen]:
    """Give the screen another size."""
    try:
        size = wire.Screen(width=width, height=height)
    except ValidationError as error:
        raise invalid(error) from error
    return json_call(
        f"resize the screen of {sandbox_id}", "PUT", at(sandbox_id, "screen"), size.model_dump(), wire.Screen
    )
