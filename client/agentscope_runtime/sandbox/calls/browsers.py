"""Driving the browser of a sandbox."""

from __future__ import annotations

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import Call, at, json_call


def cdp(sandbox_id: str) -> Call[wire.CdpLink]:
    """Make an address by which a program drives the browser once."""
    return json_call(f"open the browser of {sandbox_id}", "POST", at(sandbox_id, "cdp"), {}, wire.CdpLink)
