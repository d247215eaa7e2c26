"""What is kept of sandboxes that are no more: why they ended, and what those that died leave to their successors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from agentscope_runtime.sandbox_manager.states import Ending, LeaseKey, SandboxRecord

ENDINGS_KEPT = 4096
"""So many ended sandboxes can still say why they ended: about a megabyte."""
LEGACIES_KEPT = 1024
"""So many dead sandboxes can still be replaced by ones with their MCP servers: a few kilobytes each."""


class Departed:
    """Endings by sandbox, and MCP servers by the session and kind of a sandbox that died."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._endings: OrderedDict[str, Ending] = OrderedDict()
        self._legacies: OrderedDict[tuple[LeaseKey, str], SandboxRecord] = OrderedDict()

    def note(self, record: SandboxRecord, ending: Ending) -> None:
        """Note how a sandbox ends, given its last record in use; one that dies in a lease leaves its servers."""
        self._endings[record.sandbox_id] = ending
        while len(self._endings) > ENDINGS_KEPT:
            self._endings.popitem(last=False)
        if record.key is None or not record.in_lease:
            return
        self._legacies.pop((record.key, record.sandbox_type), None)
        if ending.died:
            self._legacies[record.key, record.sandbox_type] = record
            while len(self._legacies) > LEGACIES_KEPT:
                self._legacies.popitem(last=False)

    def ending(self, sandbox_id: str) -> Ending | None:
        """Return how a sandbox ended; None if that is not known."""
        return self._endings.get(sandbox_id)

    def legacy(self, key: LeaseKey, sandbox_type: str, otherwise: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the MCP servers of the sandbox of this kind that died on `key`; `otherwise`, if none did."""
        dead = self._legacies.get((key, sandbox_type))
        return otherwise if dead is None else dead.mcp_servers

    def forget(self, key: LeaseKey) -> None:
        """Drop what died on `key`: its session is over."""
        for each in [each for each in self._legacies if each[0] == key]:
            del self._legacies[each]

    def forget_idle(self, idle_since: float) -> None:
        """Drop what died on sessions that were not active after `idle_since`."""
        for each, dead in list(self._legacies.items()):
            if (dead.last_active_at or 0.0) <= idle_since:
                del self._legacies[each]
