"""What comes of starts, for those who wait: a sandbox is ready, has failed, or is not wanted any more.

Not here: starting (`launcher`), and how a session waits (`waiting`).
"""

from __future__ import annotations

from agentscope_runtime.sandbox.errors import NotFound, SandboxDied, SandboxError
from agentscope_runtime.sandbox_manager.arrivals import Arrivals
from agentscope_runtime.sandbox_manager.events import SandboxReady, SandboxStartFailed
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import Ending, SandboxRecord
from agentscope_runtime.sandbox_manager.stores.insisting import insistently
from agentscope_runtime.sandbox_manager.suspension import Suspension


class Outcomes:
    """Tells them, and clears away what is of no use."""

    def __init__(self, means: Means, arrivals: Arrivals, retirement: Retirement, suspension: Suspension) -> None:
        self._means = means
        self._arrivals = arrivals
        self._retirement = retirement
        self._suspension = suspension

    async def ready(self, record: SandboxRecord, took: float) -> None:
        """Tell that a sandbox answers, after so many seconds."""
        if record.key is not None:
            self._arrivals.wake(record.key)
        self._means.events.emit(SandboxReady(record.sandbox_id, record.sandbox_type, took))

    async def failed(self, record: SandboxRecord, error: SandboxError) -> None:
        """Tell that a sandbox did not start.

        Raises:
            StoreUnavailable: That could not be recorded.
        """
        last: SandboxRecord | None = record
        if record.restored and not isinstance(error, SandboxDied):
            # Its workspace is all that its session has: it rests again, and is started at the next try.
            self._suspension.put_back(record)
        else:
            ending = Ending(f"did not start: {error.detail}", died=True)
            last = await self._retirement.retire(record.sandbox_id, ending)
        if last is None:
            return  # nobody wanted it any more
        if last.key is not None:
            self._arrivals.fail(last.key, last.sandbox_type, error)
            if self._means.shared:  # its session may wait at another manager
                await self._means.store.fail(last.key, last.sandbox_type, error)
        self._means.events.emit(SandboxStartFailed(last.sandbox_id, last.sandbox_type, error.detail))

    async def dropped(self, record: SandboxRecord) -> None:
        """Clear away what there is of a sandbox that was taken out of use while it started, given what it began as."""
        if not self._means.shared:
            return  # it was this manager, which waits for the start to end and removes what there is
        try:
            current = await insistently(lambda: self._means.store.get(record.sandbox_id))
        except (NotFound, SandboxDied):
            self._retirement.discard(record)
            return
        if not current.answers:
            self._retirement.discard(record)
        elif current.key is not None:  # an answer of the store was lost, or it was found by its rebuilding: all is well
            self._arrivals.wake(current.key)
