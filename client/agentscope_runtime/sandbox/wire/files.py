"""Links to files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agentscope_runtime.sandbox.wire.base import Request, Wire

LinkMethod = Literal["GET", "PUT"]
"""`GET` downloads, `PUT` uploads."""
LINK_SECONDS = 3600.0
LINK_SECONDS_MAX = 7 * 86_400.0


class LinkRequest(Request):
    """Body of `POST /v1/sandboxes/{id}/links`."""

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    """The file or folder; of an upload, a folder that it goes into where it ends with a slash."""
    method: LinkMethod = "GET"
    expires_in: Annotated[float, Field(ge=1, le=LINK_SECONDS_MAX)] = LINK_SECONDS
    """Seconds until the link is worthless; it is so before when the lease ends."""


class FileLink(Wire):
    """A link that anybody can use who has it, as often as they like, until it expires."""

    url: str
    """Whole, for a person's browser, or for `curl -O` and `curl -T`."""
    method: LinkMethod
    path: str
    expires_in: float
