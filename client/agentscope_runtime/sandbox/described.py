"""What a sandbox object was asked to be: its arguments, checked. Nothing is reached for it here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls import lease_options, waiting_time
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.types import SandboxType, plain_type


@dataclass(frozen=True, slots=True)
class Description:
    """One sandbox as it is wanted."""

    sandbox_type: SandboxType
    sandbox_id: str | None = None
    """One that exists, instead of a new one."""
    base_url: str | None = None
    """Where the manager is; None is one in this process."""
    bearer_token: str | None = None
    options: wire.LeaseOptions | None = None
    lazy: bool = False
    """Whether it is connected at its first use only."""
    tool_timeout: float | None = None
    """Seconds for a tool call that names none; the tools' own where None."""
    wait_s: float = 0.0
    """Seconds to wait in line for room."""


def describe(served_by: type, arguments: Sequence[Any], options: Mapping[str, Any]) -> Description:
    """Read the arguments of a class's constructor.

    Args:
        served_by: The class.
        arguments: `sandbox_id, base_url, bearer_token, sandbox_type, workspace_dir`; where there is a number in the
            second place, as in classes of one's own after the documents of other runtimes, it is the `timeout`, and
            what follows has moved by one.
        options: The others, by name: see `types.BoxOptions`.

    Raises:
        InvalidRequest: One of them cannot be; the message says which.
    """
    said = dict(options)
    sandbox_id, *others = arguments
    if isinstance(others[0], (int, float)):
        said.setdefault("timeout", others[0])
        others = [*others[1:], None]
    base_url, bearer_token, sandbox_type, workspace_dir = others
    if workspace_dir is not None:
        raise InvalidRequest("workspace_dir is not supported yet; put files into the sandbox with box.fs")
    lazy, timeout = bool(said.pop("lazy", False)), said.pop("timeout", None)
    wait_s = waiting_time(said.pop("wait_s", 0.0))
    wanted = lease_options(f"{served_by.__name__}()", said)
    if sandbox_id is not None and said:
        raise InvalidRequest(f"{', '.join(said)}: only of a new sandbox, not of {sandbox_id}, which exists")
    kind = SandboxType(plain_type(sandbox_type or SandboxRegistry.get_config(served_by).sandbox_type))
    known = SandboxRegistry.list_all_sandboxes().get(kind)  # the manager may know more kinds
    if timeout is None and known is not None:
        timeout = known.timeout
    return Description(kind, sandbox_id, base_url, bearer_token, wanted, lazy, timeout, wait_s)
