"""Who waits in this manager for room, and when it is whose turn.

A call that finds no room may stand in line for a while. Users take turns in it, and nobody overtakes somebody who lacks
the same: neither a call that comes later, nor the pool. Whether there is room is the store's to say: a call whose turn
it is tries again.

Each manager has a line of its own. Among managers that share a store, room goes to whoever asks first.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import PoolExhausted, QuotaExceeded, SandboxError, StartFailed
from agentscope_runtime.sandbox_manager.arrivals import Ticket
from agentscope_runtime.sandbox_manager.events import Event, SandboxStopping, SandboxSuspended
from agentscope_runtime.sandbox_manager.fairness import FairLine, LineFull, Shortage
from agentscope_runtime.sandbox_manager.states import Wish
from agentscope_runtime.sandbox_manager.stores import Claim

LOOK_AGAIN = 5.0
"""Seconds after which the first in line tries even if it heard of no room: word from other managers may be lost."""
FIRST_PACE = 2.0
"""Seconds from one room to the next, before that was seen: about what a session needs to end."""
LEARN = 0.2
"""Weight of the newest in that."""
LONGEST_RETRY = 60.0
"""Seconds that a refused caller is told to stay away at most."""

Refusal = PoolExhausted | QuotaExceeded
Attempt = Callable[[Wish], Awaitable[Claim]]
"""Claims; raises a refusal."""


class _Place:
    """A call that stands in line."""

    def __init__(self, wish: Wish, ticket: Ticket, refusal: Refusal) -> None:
        self.wish = wish
        self.ticket = ticket
        self.refusal = refusal
        self.since = asyncio.get_running_loop().time()
        self.walk = 0
        """The last walk along the line in which it tried."""

    @property
    def user(self) -> str:
        return self.wish.key.user_id

    @property
    def lacks(self) -> Shortage:
        return shortage(self.refusal, self.user)


class Admission:
    """The line."""

    def __init__(self, length: int) -> None:
        """Begin with nobody in it.

        Args:
            length: Most that may stand in it; 0 lets nobody wait.
        """
        self._length = length
        self._line: FairLine[_Place] = FairLine(length)
        self._walk = 0
        self._turn: _Place | None = None  # who tries at this moment
        self._room_came = False  # while somebody tried
        self._pace = FIRST_PACE
        self._last_room: float | None = None
        self._closed: SandboxError | None = None

    async def admit(self, wish: Wish, ticket: Ticket, attempt: Attempt, *, until: float) -> Claim:
        """Return what the attempt gives, once it is this call's turn and there is room.

        What it needs no room for it gets at once: it holds it, or was promised it before.

        Args:
            wish: What the call wants.
            ticket: By which it is woken.
            attempt: Claims.
            until: By the loop's clock, when it gives up.

        Raises:
            PoolExhausted, QuotaExceeded: There was no room in time, or no place in the line.
        """
        refusal = self._ahead(wish)
        if refusal is None:
            try:
                return await attempt(wish)
            except (PoolExhausted, QuotaExceeded) as e:
                refusal = e
        elif _is_something(claim := await attempt(wish.as_it_is())):
            return claim
        return await self._stand(_Place(wish, ticket, refusal), attempt, until)

    def hinders(self, kinds: Collection[str]) -> bool:
        """Whether somebody waits for room that more sandboxes of these kinds would take."""
        return any(place.lacks.what != "user" and place.lacks.concerns("", kinds) for place in self._line.in_turn())

    def hinders_call(self, wish: Wish) -> bool:
        """Whether this call would overtake somebody if it got more than it has."""
        return self._ahead(wish) is not None

    def note(self, event: Event) -> None:
        """Subscribe to what happens: what stops makes room, and what rests."""
        if isinstance(event, SandboxStopping | SandboxSuspended):
            self.room()

    def room(self) -> None:
        """There may be room where there was none: let those who wait try, in turn."""
        now = asyncio.get_running_loop().time()
        if self._last_room is not None:
            self._pace += LEARN * (now - self._last_room - self._pace)
        self._last_room = now
        self._begin_walk()

    def close(self, error: SandboxError) -> None:
        """Send everybody away who waits, or would: this manager is about to end."""
        self._closed = error
        for place in tuple(self._line.in_turn()):
            place.ticket.tell(error)

    def to_wire(self) -> wire.Queue:
        """Return the line as `/v1/pool` tells it."""
        now = asyncio.get_running_loop().time()
        since = min((place.since for place in self._line.in_turn()), default=now)
        return wire.Queue(
            length=self._length,
            waiting=len(self._line),
            users=len(self._line.by_user()),
            longest=round(now - since, 3),
        )

    # --- how one stands in it

    async def _stand(self, place: _Place, attempt: Attempt, until: float) -> Claim:
        self._join(place, until)
        served = False
        try:
            async with asyncio.timeout_at(until):
                while True:
                    mine = await self._called(place)
                    claim = await self._try(place, attempt, mine)
                    if claim is not None:
                        served = mine
                        return claim
        except TimeoutError as e:
            raise self._refused(place) from e
        finally:
            self._line.leave(place.user, place, served=served)
            if self._turn is place:
                self._turn = None
            # Whoever was behind may have been waiting for something else, and there may be more room.
            self._begin_walk()

    def _join(self, place: _Place, until: float) -> None:
        if until <= asyncio.get_running_loop().time():
            raise self._refused(place)
        if self._closed is not None:
            raise type(self._closed)(self._closed.detail, **self._closed.extras)
        try:
            left = self._line.join(place.user, place)
        except LineFull as e:
            full = f"; {self._length} calls wait already, and QUEUE_LENGTH allows no more" if self._length else ""
            raise self._refused(place, full) from e
        if left is not None:
            left.ticket.tell(self._refused(left, "; it lost its place in the line to a user who has fewer"))

    async def _called(self, place: _Place) -> bool:
        """Wait until it is worth trying; return whether that is because of its turn."""
        while self._turn is not place:
            try:
                async with asyncio.timeout(LOOK_AGAIN):
                    await place.ticket.news()
                if self._turn is not place:
                    return False  # something happened to what its key was promised through another call
            except TimeoutError:
                if next(self._line.in_turn(), None) is place:
                    self._begin_walk()
            except StartFailed:
                pass  # of another call of its key
        return True

    async def _try(self, place: _Place, attempt: Attempt, mine: bool) -> Claim | None:
        try:
            claim = await attempt(place.wish if mine else place.wish.as_it_is())
        except (PoolExhausted, QuotaExceeded) as refusal:
            place.refusal = refusal
            claim = Claim()
        if _is_something(claim):
            return claim
        if mine:
            self._turn = None
            self._next()
        return None

    # --- whose turn it is

    def _begin_walk(self) -> None:
        if self._turn is not None:
            self._room_came = True
        elif self._line:
            self._walk += 1
            self._next()

    def _next(self) -> None:
        """Let the first try who did not yet, and lacks nothing that somebody before lacks who did."""
        lacking: list[Shortage] = []
        for place in self._line.in_turn():
            if place.walk == self._walk:
                lacking.append(place.lacks)
            elif not any(short.concerns(place.user, place.wish.types) for short in lacking):
                place.walk = self._walk
                self._turn = place
                place.ticket.tell()
                return
        if self._room_came:
            self._room_came = False
            self._begin_walk()

    def _ahead(self, wish: Wish) -> Refusal | None:
        """Return why somebody waits whom this call would overtake."""
        for place in self._line.in_turn():
            if place.wish.key != wish.key and place.lacks.concerns(wish.key.user_id, wish.types):
                return place.refusal
        return None

    def _refused(self, place: _Place, why: str = "") -> Refusal:
        """Make the error of a call that gets no room: what is in its way, who is before it, when to come again."""
        waited = asyncio.get_running_loop().time() - place.since
        others = itertools.takewhile(lambda other: other is not place, self._line.in_turn())
        before = sum(other.lacks.concerns(place.user, place.wish.types) for other in others)
        detail = place.refusal.detail
        if before:
            detail += f"; {before} {'call waits' if before == 1 else 'calls wait'} before this one"
        if waited >= 0.001:
            detail += f"; waited {waited:.1f} s"
        retry_after = round(min(max(1.0, (before + 1) * self._pace), LONGEST_RETRY), 1)
        members = {**place.refusal.extras, "retry_after": retry_after, "waiting": before}
        return type(place.refusal)(detail + why, **members)


def shortage(refusal: Refusal, user: str) -> Shortage:
    """Return what there was too little of, as the store said it."""
    match refusal.extras.get("limited_by"):
        case "type":
            return Shortage("type", str(refusal.extras.get("sandbox_type", "")))
        case "user":
            return Shortage("user", user)
        case "memory":
            return Shortage("memory")
        case _:
            return Shortage("total")


def _is_something(claim: Claim) -> bool:
    return claim.lease is not None or bool(claim.awaited)
