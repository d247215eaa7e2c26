"""Gives the screens of a lease the resolution that its options ask for."""

from __future__ import annotations

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.states import SandboxRecord

WITHIN = 15.0
"""Seconds for one screen; it takes a few milliseconds."""


class Resolution:
    """An outfitter; sandboxes without a screen are left as they are."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __call__(self, record: SandboxRecord, options: wire.LeaseOptions) -> None:
        """Resize the screen of this sandbox.

        Raises:
            InvalidRequest: No screen can be of that size.
        """
        if options.resolution is None or record.address is None or record.address.desktop_port is None:
            return
        width, _, height = options.resolution.partition("x")
        size = {"width": int(width), "height": int(height)}
        async with self._pool.reach(record).request("PUT", "/screen", json=size, timeout=WITHIN):
            pass
