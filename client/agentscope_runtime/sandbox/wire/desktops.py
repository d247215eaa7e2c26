"""Links to desktops."""

from __future__ import annotations

from agentscope_runtime.sandbox.wire.base import Wire


class DesktopRequest(Wire):
    """Body of `POST /v1/sandboxes/{id}/desktop`."""

    control: bool = False
    """Whether the viewer may use mouse and keyboard; else they only watch."""


class DesktopLink(Wire):
    """A link that opens the desktop of one sandbox once."""

    url: str
    """Whole, as a person opens it."""
    expires_in: float
    """Seconds until an unopened link is worthless."""
    control: bool
