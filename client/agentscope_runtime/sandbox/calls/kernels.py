"""The Python kernels of a sandbox: which there are, interrupting, restarting and stopping one."""

from __future__ import annotations

import re
from typing import cast

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import Call, at, flag, nothing
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.types import KernelEntry

RESTART_TIMEOUT = 60.0
"""Seconds; a kernel starts in half a second, a few where the machine is far too busy."""


def list_kernels(sandbox_id: str) -> Call[list[KernelEntry]]:
    """List the kernels of one sandbox."""
    return Call(f"list the kernels of {sandbox_id}", "GET", at(sandbox_id, "kernels"), _kernels)


def interrupt_kernel(sandbox_id: str, name: str) -> Call[bool]:
    """Interrupt the cell that runs in a kernel."""
    path = at(sandbox_id, "kernels", _named(name), "interrupt")
    return Call(f"interrupt kernel {name!r} of {sandbox_id}", "POST", path, flag("interrupted"), idempotent=False)


def restart_kernel(sandbox_id: str, name: str) -> Call[KernelEntry]:
    """Put a fresh kernel in the place of one."""
    path = at(sandbox_id, "kernels", _named(name), "restart")
    what = f"restart kernel {name!r} of {sandbox_id}"
    return Call(what, "POST", path, _kernel, timeout=RESTART_TIMEOUT, idempotent=False)


def stop_kernel(sandbox_id: str, name: str) -> Call[None]:
    """End a kernel; one that there is not is fine."""
    return Call(f"stop kernel {name!r} of {sandbox_id}", "DELETE", at(sandbox_id, "kernels", _named(name)), nothing)


def _named(name: str) -> str:
    if not re.fullmatch(wire.KERNEL_NAME, name):
        raise InvalidRequest(f"{name!r} is not the name of a kernel: up to 64 letters, digits, '_', '.' and '-'")
    return name


def _kernels(body: bytes) -> list[KernelEntry]:
    return [_entry(kernel) for kernel in wire.KernelList.model_validate_json(body).kernels]


def _kernel(body: bytes) -> KernelEntry:
    return _entry(wire.KernelInfo.model_validate_json(body))


def _entry(kernel: wire.KernelInfo) -> KernelEntry:
    return cast("KernelEntry", kernel.model_dump())
