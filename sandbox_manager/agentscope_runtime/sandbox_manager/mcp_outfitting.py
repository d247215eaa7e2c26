"""Starts the MCP servers that a session wants in each of its sandboxes, also in one that takes a dead one's place, and
in one that starts again after it was suspended.

What the options of the lease ask for has to start, else the connect fails. What was added by calls to a sandbox that
died may need files that went with it: it is held, and tried again, but keeps nobody from getting the sandbox.
"""

from __future__ import annotations

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.states import SandboxRecord

WITHIN = 28.0
"""Seconds, within those that all outfitting may take."""


class McpServers:
    """An outfitter; servers that a sandbox has already stay as they are."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __call__(self, record: SandboxRecord, options: wire.LeaseOptions) -> None:
        """Start the servers of these options in this sandbox, all or none, and those that a dead one had.

        Raises:
            McpServerFailed: One of the options' does not start.
            InvalidRequest: Their configuration makes no sense.
        """
        # One that is restored is wanted for its files, too: what does not start in it keeps nobody from these.
        asked = {} if record.restored else options.mcp_servers or {}
        required = {name: config for name, config in record.mcp_servers.items() if asked.get(name) == config}
        restored = {name: config for name, config in record.mcp_servers.items() if name not in required}
        for method, servers in (("POST", required), ("PUT", restored)):
            if servers:
                body = {"mcpServers": servers}
                async with self._pool.reach(record).request(method, "/mcp/servers", json=body, timeout=WITHIN):
                    pass
