"""Browsers that programs drive."""

from __future__ import annotations

from pydantic import ConfigDict

from agentscope_runtime.sandbox.wire.base import Wire


class CdpLink(Wire):
    """Answer of `POST /v1/sandboxes/{id}/cdp`."""

    url: str
    """`ws://…`, or `wss://…` behind TLS: what programs such as Playwright take. Opens once."""
    expires_in: float
    """Seconds until an unopened one is worthless."""


class CdpVersion(Wire):
    """What a browser says of itself, in its own words."""

    model_config = ConfigDict(frozen=True, extra="allow")

    webSocketDebuggerUrl: str = ""
    """Where programs go on."""


class ProfileInfo(Wire):
    """One browser profile of a user, without what is in it."""

    name: str
    saved_at: float
    cookies: int
    origins: int
    """Sites whose local storage it keeps."""


class ProfileList(Wire):
    """Answer of `GET /v1/profiles`."""

    profiles: list[ProfileInfo]
