"""What travels between client and manager: the bodies of `/v1`, as pydantic models; a module a noun.

The routes are in the manager's `api/`; the paths and verbs that the client uses are in `calls`. Times are UTC, as
seconds since the epoch. Unknown members are ignored when read, so that an older client understands a newer manager.
"""

from __future__ import annotations

from agentscope_runtime.sandbox.wire.base import SESSION_ID_MAX, Name, Request, TypeName, Wire
from agentscope_runtime.sandbox.wire.browsers import CdpLink, CdpVersion, ProfileInfo, ProfileList
from agentscope_runtime.sandbox.wire.commands import (
    COMMAND_TIMEOUT_MAX,
    CommandInfo,
    CommandList,
    CommandRequest,
    SignalRequest,
)
from agentscope_runtime.sandbox.wire.desktops import DesktopLink, DesktopRequest, Screen
from agentscope_runtime.sandbox.wire.files import LINK_SECONDS, LINK_SECONDS_MAX, FileLink, LinkMethod, LinkRequest
from agentscope_runtime.sandbox.wire.kernels import KERNEL_NAME, Interrupted, KernelInfo, KernelList
from agentscope_runtime.sandbox.wire.leases import (
    PROFILE_NAME,
    WAIT_MAX,
    ConnectRequest,
    LeaseInfo,
    LeaseList,
    LeaseOptions,
    RenewRequest,
    SandboxInfo,
    SandboxList,
)
from agentscope_runtime.sandbox.wire.mcp import McpServerInfo, McpServerList, McpServersRequest
from agentscope_runtime.sandbox.wire.pool import Failure, PoolLimits, PoolReport, PoolStatus, Queue
from agentscope_runtime.sandbox.wire.ports import PORT_SECONDS_MAX, PortLink, PortRequest
from agentscope_runtime.sandbox.wire.snapshots import (
    SNAPSHOT_NAME,
    SNAPSHOT_SECONDS,
    SnapshotInfo,
    SnapshotList,
    SnapshotRequest,
)
from agentscope_runtime.sandbox.wire.terminals import (
    TerminalInfo,
    TerminalLink,
    TerminalLinkRequest,
    TerminalList,
    TerminalRequest,
)
from agentscope_runtime.sandbox.wire.tools import ToolCall, ToolInfo, ToolList

__all__ = [
    "COMMAND_TIMEOUT_MAX",
    "KERNEL_NAME",
    "LINK_SECONDS",
    "LINK_SECONDS_MAX",
    "PORT_SECONDS_MAX",
    "PROFILE_NAME",
    "SESSION_ID_MAX",
    "SNAPSHOT_NAME",
    "SNAPSHOT_SECONDS",
    "WAIT_MAX",
    "CdpLink",
    "CdpVersion",
    "CommandInfo",
    "CommandList",
    "CommandRequest",
    "ConnectRequest",
    "DesktopLink",
    "DesktopRequest",
    "Failure",
    "FileLink",
    "Interrupted",
    "KernelInfo",
    "KernelList",
    "LeaseInfo",
    "LeaseList",
    "LeaseOptions",
    "LinkMethod",
    "LinkRequest",
    "McpServerInfo",
    "McpServerList",
    "McpServersRequest",
    "Name",
    "PoolLimits",
    "PoolReport",
    "PoolStatus",
    "PortLink",
    "PortRequest",
    "ProfileInfo",
    "ProfileList",
    "Queue",
    "RenewRequest",
    "Request",
    "SandboxInfo",
    "SandboxList",
    "Screen",
    "SignalRequest",
    "SnapshotInfo",
    "SnapshotList",
    "SnapshotRequest",
    "TerminalInfo",
    "TerminalLink",
    "TerminalLinkRequest",
    "TerminalList",
    "TerminalRequest",
    "ToolCall",
    "ToolInfo",
    "ToolList",
    "TypeName",
    "Wire",
]
