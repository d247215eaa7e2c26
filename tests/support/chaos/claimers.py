"""Callers that claim at once, in one process or several, straight at the store; what has to hold of what they got."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from chaos import processes
from chaos.sessions import Violation

from agentscope_runtime.sandbox_manager.states import Ending, LeaseKey, Limits, SandboxRecord, State, Wish
from agentscope_runtime.sandbox_manager.stores import Store
from agentscope_runtime.sandbox_manager.stores.memory import MemoryStore
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink
from agentscope_runtime.sandbox_manager.stores.redis.store import RedisStore

RELEASED = Ending("was released")
KINDS = ("base", "browser")


@dataclass(frozen=True)
class Race:
    """What one process does."""

    manager: str
    seed: int
    claims: int
    result: Path
    redis: str | None = None
    """Where the store is; None is one in memory."""
    sessions: int = 60
    """Of all processes: the same sessions ask at several managers, at the same time."""
    at_once: int = 32
    limit: int = 150


class Claimer:
    """One manager's callers; boxes are records only, ready when they are begun."""

    def __init__(self, race: Race, store: Store) -> None:
        self._race = race
        self._store = store
        self._dice = random.Random(race.seed)  # noqa: S311 - dice, no secret
        self._left = race.claims
        self._made = 0
        self._limits = Limits(total=race.limit)
        self.granted: list[tuple[str, str, int]] = []
        """Sandbox, whose it is, and of which lease."""
        self.done: Counter[str] = Counter()

    async def run(self) -> None:
        """Claim until the number of claims is made."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._race.at_once):
                group.create_task(self._call())

    async def _call(self) -> None:
        while self._left > 0:
            self._left -= 1
            key = LeaseKey("race", f"s{self._dice.randrange(self._race.sessions)}")
            kinds = tuple(self._dice.sample(KINDS, self._dice.randint(1, len(KINDS))))
            await self._claim(Wish(key, kinds))
            if self._dice.random() < 0.7:
                for record in (await self._store.end_lease(key, RELEASED)).ended:
                    await self._store.forget(record.sandbox_id)
            if self._dice.random() < 0.5:
                await self._refill(self._dice.choice(KINDS))

    async def _claim(self, wish: Wish) -> None:
        now = asyncio.get_running_loop().time()
        claim = await self._store.claim(wish, {}, limits=self._limits, now=now)
        if claim.lease is None:
            drafts = {kind: self._draft(kind) for kind in wish.types}
            claim = await self._store.claim(wish, drafts, limits=self._limits, now=now)
            for record in claim.displaced:
                await self._store.forget(record.sandbox_id)
            for record in claim.begun:
                await self._store.mark_ready(record.sandbox_id)
            claim = await self._store.claim(wish, {}, limits=self._limits, now=now)
        self.done["leases" if claim.lease else "promises"] += 1
        for record in claim.lease.sandboxes if claim.lease else ():
            if record.key != wish.key or record.state is not State.LEASED:
                raise Violation(f"{wish.key} was given {record}")
            self.granted.append((record.sandbox_id, str(wish.key), record.generation))

    async def _refill(self, kind: str) -> None:
        draft = self._draft(kind)
        if await self._store.record_start(draft, limits=self._limits):
            await self._store.mark_ready(draft.sandbox_id)

    def _draft(self, kind: str) -> SandboxRecord:
        self._made += 1
        name = f"sbx-{self._race.manager}-{self._made}"
        return replace(BLANK, sandbox_id=name, sandbox_type=kind, manager=self._race.manager)


BLANK = SandboxRecord("", "", State.STARTING, "image", 1.0, "token")


def main(race: Race) -> None:
    """Be one of the processes."""
    processes.redirect(race.result.with_suffix(".log"))
    asyncio.run(_race(race))


async def _race(race: Race) -> None:
    async with _opened(race) as store:
        claimer = Claimer(race, store)
        await claimer.run()
        leases = [(str(each.key), [one.sandbox_id for one in each.sandboxes]) for each in await store.leases()]
    said = {"granted": claimer.granted, "done": claimer.done, "leases": leases}
    race.result.write_text(json.dumps(said))


@asynccontextmanager
async def _opened(race: Race) -> AsyncIterator[Store]:
    if race.redis is None:
        yield MemoryStore(race.manager)
        return
    link = RedisLink(race.redis)
    try:
        yield RedisStore(link, "race", race.manager)
    finally:
        await link.aclose()


async def raced(*races: Race, within: float) -> Counter[str]:
    """Run these processes at the same time; return what they did.

    Raises:
        Violation: A sandbox was given to two sessions, or is in two leases; or a process failed.
    """
    running = [processes.start(main, race) for race in races]
    try:
        ends = await asyncio.gather(*(processes.ended(process, within) for process in running))
    finally:
        for process in running:
            processes.finish(process)
    done: Counter[str] = Counter()
    holder: dict[str, str] = {}
    for race, end in zip(races, ends, strict=True):
        if not end or not race.result.exists():
            raise Violation(f"{race.manager} did not end well:\n{race.result.with_suffix('.log').read_text()[-3000:]}")
        said = json.loads(race.result.read_text())
        done.update(said["done"])
        for sandbox_id, key, _ in said["granted"]:
            if holder.setdefault(sandbox_id, key) != key:
                raise Violation(f"{sandbox_id} was given to {key} and to {holder[sandbox_id]}")
        held = [sandbox_id for _, lease in said["leases"] for sandbox_id in lease]
        if len(set(held)) < len(held):
            raise Violation(f"a sandbox is in two leases: {said['leases']}")
    return done
