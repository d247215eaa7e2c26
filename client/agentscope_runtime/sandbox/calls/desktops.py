"""Looking at a sandbox: its desktop."""

from __future__ import annotations

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import Call, at, json_call


def desktop(sandbox_id: str, control: bool) -> Call[wire.DesktopLink]:
    """Make a link that opens the desktop once."""
    return json_call(
        f"open the desktop of {sandbox_id}", "POST", at(sandbox_id, "desktop"), {"control": control}, wire.DesktopLink
    )
