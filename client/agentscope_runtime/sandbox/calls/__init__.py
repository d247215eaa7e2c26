"""What each call to the manager is: method, path, body, and how to read the answer. No I/O happens here.

The async and the sync connection send these; the manager's `api/` answers them. A module a noun, as there.
"""

from __future__ import annotations

from agentscope_runtime.sandbox.calls.base import Call
from agentscope_runtime.sandbox.calls.browsers import cdp
from agentscope_runtime.sandbox.calls.commands import (
    command,
    command_output,
    list_commands,
    remove_command,
    run_command,
    signal_command,
    start_command,
    write_command,
)
from agentscope_runtime.sandbox.calls.desktops import desktop, resize_screen, screen
from agentscope_runtime.sandbox.calls.files import (
    file_entry,
    file_exists,
    file_link,
    list_files,
    make_directory,
    move_file,
    read_archive,
    read_file,
    remove_file,
    watch_files,
    write_archive,
    write_file,
)
from agentscope_runtime.sandbox.calls.leases import (
    RELEASE_TIMEOUT,
    START_ALLOWANCE,
    connect,
    lease_options,
    pool,
    release,
    renew,
    sandbox,
    touch,
    waiting_time,
)
from agentscope_runtime.sandbox.calls.mcp import add_mcp_servers, list_mcp_servers, mcp_message, remove_mcp_server
from agentscope_runtime.sandbox.calls.ports import port_link
from agentscope_runtime.sandbox.calls.snapshots import delete_snapshot, list_snapshots, take_snapshot
from agentscope_runtime.sandbox.calls.terminals import start_terminal, terminal_link
from agentscope_runtime.sandbox.calls.tools import call_tool, list_tools

__all__ = [
    "RELEASE_TIMEOUT",
    "START_ALLOWANCE",
    "Call",
    "add_mcp_servers",
    "call_tool",
    "cdp",
    "command",
    "command_output",
    "connect",
    "delete_snapshot",
    "desktop",
    "file_entry",
    "file_exists",
    "file_link",
    "lease_options",
    "list_commands",
    "list_files",
    "list_mcp_servers",
    "list_snapshots",
    "list_tools",
    "make_directory",
    "mcp_message",
    "move_file",
    "pool",
    "port_link",
    "read_archive",
    "read_file",
    "release",
    "remove_command",
    "remove_file",
    "remove_mcp_server",
    "renew",
    "resize_screen",
    "run_command",
    "sandbox",
    "screen",
    "signal_command",
    "start_command",
    "start_terminal",
    "take_snapshot",
    "terminal_link",
    "touch",
    "waiting_time",
    "watch_files",
    "write_archive",
    "write_command",
    "write_file",
]
