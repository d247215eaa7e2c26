"""Addresses of ports."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentscope_runtime.sandbox.wire.base import Request, Wire

PORT_SECONDS_MAX = 30 * 24 * 3600.0
"""Longest life of an address."""


class PortRequest(Request):
    """Body of `POST /v1/sandboxes/{id}/ports`."""

    port: Annotated[int, Field(ge=1, le=65535)]
    path: bool = False
    """Whether it shall be an address by path, for programs; else it is one where no host of its own leads there."""
    expires_in: Annotated[float, Field(gt=0, le=PORT_SECONDS_MAX)] | None = None
    """Seconds until an unopened link, or an address by path, is worthless; the manager's default where None."""


class PortLink(Wire):
    """An address under which a port is visited."""

    url: str
    """Whole, as a person opens it."""
    expires_in: float | None
    """Seconds until an unopened link, or an address by path, is worthless; None: when the lease ends."""
    port: int
