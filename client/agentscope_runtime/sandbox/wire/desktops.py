"""Links to desktops."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentscope_runtime.sandbox.wire.base import Request, Wire


class DesktopRequest(Request):
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


SIDES = {"width": (320, 3840), "height": (240, 2160)}
"""The least and the most pixels of a screen."""


class Screen(Wire):
    """The size of a screen, in pixels: answer of `GET`, body and answer of `PUT /v1/sandboxes/{id}/screen`."""

    width: Annotated[int, Field(ge=SIDES["width"][0], le=SIDES["width"][1])]
    height: Annotated[int, Field(ge=SIDES["height"][0], le=SIDES["height"][1])]
