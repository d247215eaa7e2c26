"""Engine, managers and sessions of one chaos test, and what has to hold of them."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from chaos import manager
from chaos.engines import engine_process, real_engine
from chaos.manager_process import ManagerProcess
from chaos.sessions import Holdings, Session, Violation
from managers import free_port
from redis_server import RedisServer

SETTLES_WITHIN = 30.0
"""Seconds in which everything has to be as it should be, once nobody is killed any more."""
TIMES = {"watcher_scan_interval": 0.1, "pause_after_seconds": 0.21, "heartbeat_timeout": 0.4, "start_timeout": 6}
"""Settings with which sessions that rest are frozen, and then suspended, and promises to the dead come to their end."""
REAL_TIMES = {"watcher_scan_interval": 0.2, "pause_after_seconds": 0.5, "heartbeat_timeout": 2.0}
POOL = {"base": 2, "browser": 1}
SECRET = "known to all managers of these tests, and to nobody else"
SETTLED = ("warm", "leased", "suspended")


@dataclass
class Installation:
    """Managers that share a store, and the sessions that use them."""

    managers: list[ManagerProcess]
    sessions: list[Session] = field(default_factory=list)

    def urls(self) -> list[str]:
        """Return the managers that live."""
        return [each.url for each in self.managers if each.lives]


@dataclass
class World:
    """What a chaos test works with."""

    folder: Path
    seed: int
    dice: random.Random
    http: aiohttp.ClientSession
    engine: Any
    """The engine process's own calls: see `engine.EngineProcess`; or `real.RealEngine`."""
    pool: Mapping[str, int] = field(default_factory=lambda: POOL)
    """What each installation keeps warm."""
    installations: list[Installation] = field(default_factory=list)
    holdings: Holdings = field(default_factory=Holdings)
    killed: list[str] = field(default_factory=list)
    """What was killed, in order."""

    victims: list[ManagerProcess] = field(default_factory=list)
    """Managers that may be killed; none means all."""

    @property
    def managers(self) -> list[ManagerProcess]:
        """All managers."""
        return [one for each in self.installations for one in each.managers]

    @property
    def sessions(self) -> list[Session]:
        """All sessions."""
        return [one for each in self.installations for one in each.sessions]

    def note(self, what: str) -> None:
        """Tell what is killed now; it stands in the report, too."""
        self.killed.append(what)
        print(f"seed {self.seed}: kill {len(self.killed)}: {what}", file=sys.stderr, flush=True)

    def companions(self, one: ManagerProcess) -> list[ManagerProcess]:
        """Return the other managers of an installation."""
        return [each for i in self.installations if one in i.managers for each in i.managers if each is not one]

    def lost(self, manager: ManagerProcess) -> None:
        """Take note that a manager died: leases that live with it are gone."""
        for installation in self.installations:
            if manager in installation.managers:
                for session in installation.sessions:
                    if not session.keeps:
                        session.forget()

    async def ready(self, one: ManagerProcess, within: float = 20.0) -> bool:
        """Wait until a manager answers; False if it died before."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + within
        while one.lives:
            with suppress(aiohttp.ClientError, OSError):
                async with self.http.get(f"{one.url}/liveness") as answer:
                    if answer.status == 200:
                        return True
            if loop.time() > give_up:
                raise Violation(f"the manager does not answer within {within:g} s; its log ends:\n{one.log()}")
            await asyncio.sleep(0.01)
        return False

    async def asked(self, path: str, name: str) -> list[dict[str, Any]]:
        """Ask each installation a question that has to be answered; return the lists of this name together."""
        found = []
        headers = {"Authorization": f"Bearer {manager.KEY}"}
        for installation in self.installations:
            async with self.http.get(installation.urls()[0] + path, headers=headers) as answer:
                if answer.status != 200:
                    raise Violation(f"{path}: {answer.status} {await answer.text()}")
                found += (await answer.json())[name]
        return found

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Let the sessions live while the context is open; what went wrong with one of them is raised."""
        tasks = [asyncio.create_task(each.live(list(self.pool))) for each in self.sessions]
        tasks.append(asyncio.create_task(self._trouble()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _trouble(self) -> None:
        """Let boxes die and starts fail, as they do anyway, until cancelled."""
        while True:
            await asyncio.sleep(self.dice.uniform(0.0, 0.4))
            if self.dice.random() < 0.5:
                await self.engine.fail_start()
            elif alive := sorted(await self.engine.containers()):
                victim = self.dice.choice(alive)
                self.holdings.dead.add(victim)
                await self.engine.die(victim, quietly=self.dice.random() < 0.3)

    async def settle(self) -> None:
        """Wait until the world is as it should be.

        Raises:
            Violation: It is not, and time is up; says what is wrong.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + SETTLES_WITHIN
        while wrong := await self.wrong():
            if loop.time() > give_up:
                for each in self.managers:
                    each.kill(signal.SIGALRM)
                await asyncio.sleep(0.5)  # until they have said what they wait for
                logs = "\n".join(each.log() for each in self.managers)
                raise Violation(f"not settled: {wrong}\nkilled last: {self.killed[-10:]}\n{logs}")
            await asyncio.sleep(0.1)

    async def wrong(self) -> str:
        """Compare what managers say with what is on the engine, and with the pools' targets; "" if all is well."""
        records = {each["sandbox_id"]: each for each in await self.asked("/v1/sandboxes", "sandboxes")}
        leases = await self.asked("/v1/leases", "leases")
        containers, volumes = await self.engine.containers(), await self.engine.volumes()
        unsettled = {name: each["state"] for name, each in records.items() if each["state"] not in SETTLED}
        up = {name for name, each in records.items() if each["state"] != "suspended"}
        # Workspaces that are shared have names of their own.
        resting = [each for each in records.values() if each["state"] == "suspended"]
        kept = {*records, *(volumes if any(each["shared_workspace"] for each in resting) else ())}
        running = {name for name, (_, runs) in containers.items() if runs}
        leased = {each["sandbox_id"] for lease in leases for each in lease["sandboxes"]}
        free = {
            kind: sum(each["state"] == "warm" and each["sandbox_type"] == kind for each in records.values())
            for kind in self.pool
        }
        targets = {kind: target * len(self.installations) for kind, target in self.pool.items()}
        troubles = {
            "on their way": unsettled,
            "leaked containers": sorted(containers.keys() - up),
            "records without a container": sorted(up - running),
            "leaked volumes": sorted(volume for volume in volumes if volume not in kept),
            "leases and records differ": sorted(leased ^ {n for n, e in records.items() if e["state"] in SETTLED[1:]}),
            "pools": {kind: count for kind, count in free.items() if count != targets[kind]},
        }
        return "; ".join(f"{name}: {trouble}" for name, trouble in troubles.items() if trouble)

    async def everybody_connects(self) -> None:
        """Check that each session gets boxes, and can use them.

        Raises:
            Violation: One does not, or not its own.
        """
        for session in self.sessions:
            kinds = list(self.pool)
            # It may hold what it was never told of, with options that it has forgotten.
            if not await session.connect(kinds) and not (await session.release() and await session.connect(kinds)):
                raise Violation(f"{session.name} cannot connect: {session.holdings.done}")
            for _ in range(2):
                if not await session.use():
                    raise Violation(f"{session.name} cannot use what it was given: {session.held}")

    async def everybody_leaves(self) -> None:
        """Release everything, and check that only the pools are left."""
        for session in self.sessions:
            if not await session.release():
                raise Violation(f"{session.name} cannot release")
        await self.settle()
        left, volumes = await self.engine.containers(), await self.engine.volumes()
        if len(left) != sum(self.pool.values()) * len(self.installations) or volumes:
            raise Violation(f"left after all sessions left: {sorted(left)}, {volumes}")

    async def empty(self, *, within: float) -> None:
        """Wait until nothing is left on the engine, though no manager runs.

        Raises:
            Violation: Something is.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + within
        while left := [*await self.engine.containers(), *await self.engine.volumes()]:
            if loop.time() > give_up:
                raise Violation(f"left by a killed manager: {left}")
            await asyncio.sleep(0.2)

    def report(self) -> str:
        """Return what was done and killed."""
        return f"seed {self.seed}: {len(self.killed)} kills; sessions: {dict(self.holdings.done.most_common())}"


@asynccontextmanager
async def world(
    folder: Path,
    *,
    seed: int,
    installations: int = 1,
    managers: int = 1,
    sessions: int = 4,
    pool: Mapping[str, int] = POOL,
    real: bool = False,
    **settings: Any,
) -> AsyncIterator[World]:
    """Start an engine, and make managers and sessions; the managers are started by the test.

    Args:
        folder: Where sockets, logs and states of managers are.
        seed: Of all dice.
        installations: How many there are on the engine.
        managers: Of each installation; several have a Redis among the settings.
        sessions: Of each installation.
        pool: What each installation keeps warm.
        real: Whether boxes are containers of the real engine.
        settings: Of the managers.
    """
    dice = random.Random(seed)  # noqa: S311 - dice, no secret
    socket = folder / "engine.sock"
    values = {**(REAL_TIMES if real else TIMES), "pool_size": dict(pool), **settings}
    names = [str(settings["installation"])] if "installation" in settings else []
    states = [folder / f"state-{number}" for number in range(installations * managers)]
    async with AsyncExitStack() as stack:
        seen = real_engine(stack, states, *names) if real else await engine_process(stack, socket, seed)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2.0)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        made = World(folder, seed, dice, http, seen, pool)
        for number in range(installations):
            made.installations.append(installation := Installation([]))
            for state in states[number * managers : (number + 1) * managers]:
                state.mkdir(mode=0o700, exist_ok=True)
                plan = manager.Plan(state, free_port(), "" if real else str(socket), settings=values)
                installation.managers.append(one := ManagerProcess(plan))
                stack.callback(one.end)
            for each in range(sessions):
                own = random.Random(dice.random())  # noqa: S311 - dice, no secret
                name = f"s{number}-{each}"
                keeps = "redis_url" in settings
                session = Session(name, http, installation.urls, made.holdings, own, seen.failed_starts, keeps)
                installation.sessions.append(session)
        try:
            yield made
        except BaseException as e:
            e.add_note(f"{made.report()}\nkilled last: {made.killed[-10:]}")
            raise
        print(made.report(), file=sys.stderr, flush=True)


def shared(folder: Path, redis: RedisServer, seed: int, **what: Any) -> AbstractAsyncContextManager[World]:
    """Make two managers with one pool, in this Redis; the rest is as `world` has it."""
    name = f"chaos-{secrets.token_hex(4)}"
    known: dict[str, Any] = {"redis_url": redis.url, "installation": name, "installation_secret": SECRET}
    return world(folder, seed=seed, managers=2, **known, **what)
