# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/sandbox.py. Do not edit: change that one and run `make unasync`.
"""What all sandboxes can do: start and close, list and call tools, files, information."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from agentscope_runtime.sandbox import calls, tools
from agentscope_runtime.sandbox._sync.commands import SandboxCommands
from agentscope_runtime.sandbox._sync.files import SandboxFS
from agentscope_runtime.sandbox._sync.holding import Holding, Ordered, Source
from agentscope_runtime.sandbox._sync.kernels import SandboxKernels
from agentscope_runtime.sandbox.described import describe
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.types import BoxOptions, SandboxType, SnapshotEntry, ToolResult
from agentscope_runtime.sandbox.waiting import lock


class Sandbox:
    """A sandbox, of any kind, used as `with Sandbox(...) as box:` or by `start` and `close`.

    Without a `base_url` a manager is run in this process for as long as one of its sandboxes is open.
    """

    def __init__(
        self,
        sandbox_id: str | None = None,
        base_url: str | None = None,
        bearer_token: str | None = None,
        sandbox_type: SandboxType | str | None = None,
        workspace_dir: str | None = None,
        **options: Unpack[BoxOptions],
    ) -> None:
        """Describe a sandbox; nothing happens before it is started.

        Args:
            sandbox_id: An existing sandbox to use instead of a new one. Closing does not release it.
            base_url: Where the manager is, such as `http://127.0.0.1:8000`; without one it is run in this process.
            bearer_token: The manager's key. A manager on this machine without a configured key needs none here.
            sandbox_type: The kind of sandbox; by default what this class is registered for.
            workspace_dir: Not supported yet, and refused.
            options: What the new sandbox shall be beyond its kind, and how it is used; `types.BoxOptions` has their
                names.
        """
        arguments = (sandbox_id, base_url, bearer_token, sandbox_type, workspace_dir)
        self._wanted = describe(type(self), arguments, options)
        self.sandbox_type = self._wanted.sandbox_type
        self.workspace_dir = None
        self.fs = SandboxFS(self._in_hand)
        self.kernels = SandboxKernels(self._in_hand)
        self.commands = SandboxCommands(self._in_hand)
        self._source: Source = Ordered(self._wanted)
        self._turn = lock()
        self._holding: Holding | None = None

    @classmethod
    def of(cls, source: Source, sandbox_type: str) -> Self:
        """Make a started object for a sandbox that comes from elsewhere; a class of one's own gets no arguments.

        It may be of another kind than its class serves: a base sandbox stands in for kinds without a class.
        """
        box = cls()
        if (kind := SandboxType(sandbox_type)) != box.sandbox_type:
            box._wanted = describe(type(box), (None, None, None, kind, None), {})
            box.sandbox_type = kind
        box._source = source
        box._holding = Holding(source)
        return box

    @property
    def sandbox_id(self) -> str | None:
        """The name of the sandbox; None before it is started, or as long as it is lazy and was not used yet."""
        return self._wanted.sandbox_id if (held := self._held()) is None else held.info.sandbox_id

    @property
    def base_url(self) -> str | None:
        """Where the manager is; None before one is started in this process."""
        return self._wanted.base_url if (held := self._held()) is None else held.connection.origin.base_url

    @property
    def bearer_token(self) -> str | None:
        """The manager's key: the one that was given, or found when the sandbox was started."""
        return self._wanted.bearer_token if (held := self._held()) is None else held.connection.origin.key

    @property
    def embed_mode(self) -> bool:
        """Whether the manager runs in this process."""
        return self._wanted.base_url is None if (held := self._held()) is None else held.connection.origin.in_process

    def start(self) -> Self:
        """Get the sandbox, and return once it works; started twice is started once, a lazy one at its first use.

        Raises:
            SandboxError: there is none to be had; the class and the message say why.
        """
        with self._turn:
            if self._holding is None:
                holding = Holding(self._source)
                self._holding = holding if self._wanted.lazy else holding.opened()
        return self

    def close(self) -> None:
        """Give the sandbox back, which destroys it; closed twice is closed once, and it may be started anew."""
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._turn:
            holding, self._holding = self._holding, None
            if holding is not None:
                holding.close(kind, error, trace)

    def get_info(self) -> dict[str, Any]:
        """Ask the manager about this sandbox: id, type, state, image, session, times."""
        return (self._in_hand().do(calls.sandbox)).model_dump()

    def renew(self, seconds: float | None = None) -> dict[str, Any]:
        """Let the lease of this sandbox, and of all beside it, end so many seconds from now, and count as use.

        Args:
            seconds: By default, and at most where the manager has a `LEASE_MAX_SECONDS`, as many as a new lease has.

        Returns:
            The lease: session, user, sandboxes, `expires_at`, `idle_timeout`, `idle_action`.

        Raises:
            InvalidRequest: More than the manager allows, or nobody holds this sandbox.
            NotFound: The lease is over.
        """
        return (self._in_hand().renew(seconds)).model_dump()

    def list_tools(self, tool_type: str | None = None) -> dict[str, dict[str, Any]]:
        """List the tools by the group they belong to.

        Args:
            tool_type: Only this group: `generic`, `playwright`, …

        Returns:
            `{group: {tool: {"name": …, "json_schema": {"type": "function", "function": {…}}}}}`
        """
        return tools.grouped(self._in_hand().do(calls.list_tools), tool_type)

    def call_tool(
        self, name: str, arguments: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> ToolResult:
        """Run a tool of the sandbox.

        Args:
            name: The tool, as `list_tools` names it.
            arguments: Its arguments, by name.
            timeout: Seconds it may take. By default what this kind is registered with, else the tool's own time-out;
                then an answer is waited for `RUNTIME_SANDBOX_TIMEOUT` seconds, else 60.

        Returns:
            `{"meta": None, "content": [...], "isError": bool}`; what fails inside the sandbox is one with `isError`.

        Raises:
            SandboxError: the tool could not be run at all.
        """
        held = self._in_hand()
        seconds = self._wanted.tool_timeout if timeout is None else timeout
        return held.do(calls.call_tool, name, arguments or {}, seconds)

    def add_mcp_servers(
        self, server_configs: Mapping[str, Any], overwrite: bool = False
    ) -> list[dict[str, Any]]:
        """Start MCP servers inside the sandbox, all of them or none; their tools are listed under their names.

        Args:
            server_configs: `{"mcpServers": {name: {"command": …, "args": […], "env": {…}}}}`, or a `url` with
                `"type": "streamable_http"` or `"sse"`, as MCP clients have it.
            overwrite: Replace servers whose names are taken; by default those stay, and the new ones are passed over.

        Returns:
            How each of them is: name, state, tools.

        Raises:
            McpServerFailed: One of them does not start; the message says why, with the end of its stderr.
            InvalidRequest: The configuration makes no sense.
        """
        added = self._in_hand().do(calls.add_mcp_servers, server_configs, overwrite)
        return [server.model_dump() for server in added.servers]

    def list_mcp_servers(self) -> list[dict[str, Any]]:
        """Say how the MCP servers of the sandbox are: name, state, why one does not run, tools."""
        listed = self._in_hand().do(calls.list_mcp_servers)
        return [server.model_dump() for server in listed.servers]

    def remove_mcp_server(self, name: str) -> None:
        """End an MCP server of the sandbox, and forget it; a missing one is fine."""
        self._in_hand().do(calls.remove_mcp_server, name)

    def get_port_url(self, port: int, path: bool = False, expires_in: float | None = None) -> str:
        """Make an address at which a browser, or a program, visits what listens on a port of the sandbox.

        Args:
            port: Where it listens, on the sandbox's loopback or on all of its interfaces.
            path: Whether to make an address by path, for programs and for frames; it works until the lease ends. Else
                it is a link that opens once, and gives the program a host, and so an origin, of its own.
            expires_in: Seconds until an unopened link (300 by default), or an address by path, is worthless.
        """
        return (self._in_hand().do(calls.port_link, port, path, expires_in)).url

    def snapshot(self, name: str) -> SnapshotEntry:
        """Keep what is in the workspace now under a name; `from_snapshot=name` begins another sandbox with it.

        Each file is kept as it is when its turn comes. What had that name before is replaced once this is complete.

        Args:
            name: Up to 128 letters, digits, dots, dashes and underscores; it is the user's of the session.

        Raises:
            SnapshotRefused: It would be too large, or the user has too many; nothing is kept.
            FileError: Something in the workspace cannot be read, or changed too much meanwhile; nothing is kept.
        """
        return self._in_hand().do(calls.take_snapshot, name)

    def list_snapshots(self) -> list[SnapshotEntry]:
        """List the snapshots of the user of this sandbox, by name."""
        held = self._in_hand().opened()
        return held.connection.send(calls.list_snapshots(held.info.user_id or ""))

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot of the user of this sandbox; a missing one is fine."""
        held = self._in_hand().opened()
        held.connection.send(calls.delete_snapshot(name, held.info.user_id or ""))

    def _in_hand(self) -> Holding:
        if self._holding is None:
            name = type(self).__name__
            raise InvalidRequest(f"this {name} is not started, or closed: use `with {name}(...) as box:`")
        return self._holding

    def _held(self) -> Holding | None:
        """Return what is in hand and open."""
        return self._holding if self._holding is not None and self._holding.is_open else None


    def __repr__(self) -> str:
        if self._held() is not None:
            state = f"{self.sandbox_id} at {self.base_url}"
        else:
            state = "not started" if self._holding is None else "not used yet"
        return f"<{type(self).__name__} {self.sandbox_type}: {state}>"

    def __del__(self) -> None:
        holding = getattr(self, "_holding", None)  # __init__ may have failed
        if holding is not None and holding.owned:
            message = f"{self!r} was never closed; its sandbox lives until it was idle for long"
            warnings.warn(message, ResourceWarning, stacklevel=2, source=self)
