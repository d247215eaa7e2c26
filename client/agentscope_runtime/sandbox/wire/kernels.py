"""The Python kernels of a sandbox."""

from __future__ import annotations

from typing import Literal

from agentscope_runtime.sandbox.wire.base import Wire

KERNEL_NAME = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class KernelInfo(Wire):
    """One kernel; also the answer of `POST /v1/sandboxes/{id}/kernels/{name}/restart`."""

    name: str
    state: Literal["stopped", "starting", "idle", "busy", "failed"]
    cells: int
    """How many it has run, or runs."""
    waiting: int
    """How many wait for their turn in it."""
    started_at: float | None
    """When its process started; None where it has none."""


class KernelList(Wire):
    """Answer of `GET /v1/sandboxes/{id}/kernels`."""

    kernels: list[KernelInfo]


class Interrupted(Wire):
    """Answer of `POST /v1/sandboxes/{id}/kernels/{name}/interrupt`."""

    interrupted: bool
    """Whether a cell was running."""
