"""Addresses of programs that listen in a sandbox."""

from __future__ import annotations

from pydantic import ValidationError

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import Call, at, invalid, json_call


def port_link(sandbox_id: str, port: int, path: bool, expires_in: float | None) -> Call[wire.PortLink]:
    """Make an address for a port."""
    try:
        body = wire.PortRequest(port=port, path=path, expires_in=expires_in)
    except ValidationError as error:
        raise invalid(error) from error
    what = f"open port {port} of {sandbox_id}"
    return json_call(what, "POST", at(sandbox_id, "ports"), body.model_dump(), wire.PortLink)
