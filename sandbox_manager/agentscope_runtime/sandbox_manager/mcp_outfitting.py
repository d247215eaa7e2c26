"""Starts the MCP servers that a lease asks for in each of its sandboxes, also in one that takes a dead one's place."""

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
        """Start the servers of these options in this sandbox, all or none.

        Raises:
            McpServerFailed: One of them does not start.
            InvalidRequest: Their configuration makes no sense.
        """
        if not options.mcp_servers:
            return
        body = {"mcpServers": options.mcp_servers}
        async with self._pool.reach(record).request("POST", "/mcp/servers", json=body, timeout=WITHIN):
            pass
