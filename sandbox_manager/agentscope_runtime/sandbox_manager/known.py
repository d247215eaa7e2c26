"""What this manager has lately been told of leased sandboxes, for the time in which the store does not answer.

Boxes go on then, and so do calls to those that are known here. Nothing is decided by it: a sandbox that was released
meanwhile is not there any more, and its name and token are nobody else's. Uses that could not be recorded are owed to
the store, since whoever reaps goes by what it says.
"""

from __future__ import annotations

from collections import OrderedDict

from agentscope_runtime.sandbox_manager.events import Event, SandboxStopping, SandboxSuspended
from agentscope_runtime.sandbox_manager.states import SandboxRecord

MOST = 4096
"""Sandboxes; some kilobytes each. Those that were used least lately give way."""


class Known:
    """Records of leased sandboxes that were used through this manager, as they were then."""

    def __init__(self) -> None:
        """Know nothing."""
        self._records: OrderedDict[str, SandboxRecord] = OrderedDict()
        self._owed: dict[str, float] = {}

    def note(self, record: SandboxRecord) -> None:
        """Take note of a record that the store told now."""
        self._records[record.sandbox_id] = record
        self._records.move_to_end(record.sandbox_id)
        self._owed.pop(record.sandbox_id, None)
        while len(self._records) > MOST:
            sandbox_id, _ = self._records.popitem(last=False)
            self._owed.pop(sandbox_id, None)

    def get(self, sandbox_id: str) -> SandboxRecord | None:
        """Return what was told last; None if nothing was, or it is over."""
        return self._records.get(sandbox_id)

    def owe(self, sandbox_id: str, now: float) -> None:
        """Take note of a use that the store could not be told of."""
        if sandbox_id in self._records:
            self._owed[sandbox_id] = now

    def owed(self) -> dict[str, float]:
        """Return these uses, by sandbox, with the last time of each."""
        return dict(self._owed)

    def forget(self, sandbox_id: str) -> None:
        """It is over."""
        self._records.pop(sandbox_id, None)
        self._owed.pop(sandbox_id, None)

    def hear(self, event: Event) -> None:
        """Subscribe to what happens: what is out of use is over."""
        if isinstance(event, SandboxStopping | SandboxSuspended):
            self.forget(event.sandbox_id)

    def records(self) -> list[SandboxRecord]:
        """Return all that is known."""
        return list(self._records.values())
