"""Steps of a store that managers take all the time, to count what each costs among few leases and among many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from stores import ALICE, ENDING, NONE, draft

from agentscope_runtime.sandbox_manager.states import LeaseKey, State, Wish
from agentscope_runtime.sandbox_manager.stores import Store

Step = Callable[[Store], Awaitable[Any]]
MINE, FREE = "sbx-mine", "sbx-free"


async def with_leases(store: Store, count: int) -> None:
    """Have so many leases in use, one of ALICE, and two free sandboxes of the pool."""
    for number in range(count):
        record = replace(draft(), state=State.LEASED, key=LeaseKey(f"user-{number % 9}", f"session-{number}"))
        await store.adopt(replace(record, generation=1, leased_at=100.0, last_active_at=100.0, expires_at=900.0))
    mine = replace(draft(), sandbox_id=MINE, state=State.LEASED, key=ALICE, generation=1)
    await store.adopt(replace(mine, leased_at=50.0, last_active_at=50.0))
    for sandbox_id in (FREE, "sbx-spare"):
        await store.adopt(replace(draft(), sandbox_id=sandbox_id, state=State.WARM))


STEPS: dict[str, Step] = {
    "claim anew": lambda store: store.claim(Wish(LeaseKey("new", "s"), ("base",)), {}, limits=NONE, now=200.0),
    "claim again": lambda store: store.claim(Wish(ALICE, ("base",)), {}, limits=NONE, now=200.0),
    "touch": lambda store: store.touch(MINE, now=200.0),
    "release": lambda store: store.end_lease(ALICE, ENDING),
    "stop": lambda store: store.mark_stopping(FREE, ENDING),
    "renew": lambda store: store.renew(ALICE, expires_at=500.0),
    "end what is idle": lambda store: store.end_idle(idle_since=60.0, ending=ENDING),
    "suspend what is idle": lambda store: store.suspend_idle(idle_since=60.0),
    "pause what is idle": lambda store: store.pause_idle(idle_since=60.0),
    "end what is old": lambda store: store.end_expired(now=300.0, suspended_before=300.0, ending=ENDING),
    "count": lambda store: store.census(),
    "start": lambda store: store.record_start(draft(), limits=NONE),
}
"""Each finds the store as `with_leases` left it."""
