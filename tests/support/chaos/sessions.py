"""Sessions that use managers over HTTP, and know what was promised to them.

A session believes only what an answer said. What no answer came for may have happened or not, and neither is wrong.
Each marks its boxes with its name: who finds another's mark has been given another's box.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from chaos.manager import KEY

MARK = "mark.txt"
GONE = frozenset({404, 410})
"""A box that is no more, or that died."""
HURRIES = 0.2
"""Of the calls for boxes do not wait for the answer."""
SHARES = 0.2
"""Of the leases have a shared workspace."""
PATIENCE = 30.0
"""Seconds for one call."""


class Violation(AssertionError):
    """Something happened that must never happen."""


@dataclass
class Holdings:
    """Which session was ever given which box: no box is given to two."""

    of: dict[str, str] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    """Boxes that the test let die."""
    done: Counter[str] = field(default_factory=Counter)
    """What sessions did, for the report."""

    def given(self, sandbox_id: str, session: str) -> None:
        """Take note of a box that a manager said is this session's.

        Raises:
            Violation: It was another's.
        """
        if (before := self.of.setdefault(sandbox_id, session)) != session:
            raise Violation(f"{sandbox_id} was given to {session}, after it was given to {before}")


@dataclass
class Session:
    """One session: what it holds, as far as it was told."""

    name: str
    http: aiohttp.ClientSession
    urls: Callable[[], Sequence[str]]
    """The managers of its installation that may be asked now."""
    holdings: Holdings
    dice: random.Random
    spoilt: Callable[[], Awaitable[Sequence[str]]]
    """Boxes whose start the test made fail."""
    keeps: bool = False
    """Whether leases outlive their managers: then a box that was promised has to be there until it is released."""
    held: dict[str, str] = field(default_factory=dict)
    """Kind -> sandbox id, for sure."""
    marked: set[str] = field(default_factory=set)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def acts(self) -> dict[Callable[[], Awaitable[object]], int]:
        """What a session does that holds something, and how often."""
        return {
            self.use: 6,
            self.connect_again: 2,
            self.rest: 1,
            self.release_one: 1,
            self.release: 2,
            self.add_server: 1,
            self.look: 1,
            self.renew: 1,
        }

    async def live(self, kinds: Sequence[str] = ("base",)) -> None:
        """Connect, use and release, in an order of chance, until cancelled."""
        while True:
            if not self.held and self.dice.random() < HURRIES:
                with suppress(TimeoutError):  # whoever leaves while he waits gives back what was meant for him
                    async with asyncio.timeout(self.dice.uniform(0.0, 0.02)):
                        await self.connect(list(kinds))
            elif not self.held:
                await self.connect(self.dice.sample(list(kinds), self.dice.randint(1, len(kinds))))
            else:
                (act,) = self.dice.choices(list(self.acts), list(self.acts.values()))
                await act()
            await asyncio.sleep(self.dice.expovariate(100))

    async def connect(self, kinds: Sequence[str] = ("base",)) -> bool:
        """Ask for boxes; tell whether they were given."""
        if not self.held:
            self.options = {"shared_workspace": True} if self.dice.random() < SHARES else {}
        body = {"session_id": self.name, "user_id": "chaos", "sandbox_types": list(kinds), "options": self.options}
        status, answer = await self._call("POST", "/v1/leases", json=body)
        if status != 200:
            self.holdings.done[f"connect {status}"] += 1
            return False
        for told in answer["sandboxes"]:
            kind, sandbox_id = told["sandbox_type"], told["sandbox_id"]
            self.holdings.given(sandbox_id, self.name)
            before = self.held.get(kind)
            if before not in (None, sandbox_id) and await self._must_be(before):
                raise Violation(f"{self.name} held {before} and was given {sandbox_id} instead")
            self.held[kind] = sandbox_id
        self.holdings.done["connected"] += 1
        return True

    async def connect_again(self) -> bool:
        """Ask for what it holds already."""
        return await self.connect(list(self.held))

    async def use(self) -> bool:
        """Read this session's mark in one of its boxes, or make it; tell whether a box answered."""
        kind, sandbox_id = self.dice.choice(list(self.held.items()))
        path = f"/v1/sandboxes/{sandbox_id}/files/content?path={MARK}"
        status, found = await self._call("GET", path)
        match status:
            case 200 if found != self.name:
                raise Violation(f"{sandbox_id}, which {self.name} holds, bears the mark of {found!r}")
            case 404 if found["code"] == "file_not_found":
                if sandbox_id in self.marked:
                    raise Violation(f"{sandbox_id} lost the mark that {self.name} made in it")
                status, _ = await self._call("PUT", path, data=self.name.encode())
                if status == 200:
                    self.marked.add(sandbox_id)
            case gone if gone in GONE:
                if await self._must_be(sandbox_id):
                    raise Violation(f"{self.name} lost {sandbox_id}: {found}")
                del self.held[kind]
        self.holdings.done[f"used {status}"] += 1
        return status == 200

    async def release(self) -> bool:
        """Give everything back; tell whether that is sure."""
        self.held = {}  # from here on nothing is sure
        status, _ = await self._call("DELETE", f"/v1/leases?session_id={self.name}&user_id=chaos")
        self.holdings.done[f"released {status}"] += 1
        return status == 204

    async def release_one(self) -> bool:
        """Give one box back; tell whether that is sure."""
        _, sandbox_id = self.held.popitem()
        status, _ = await self._call("DELETE", f"/v1/sandboxes/{sandbox_id}")
        self.holdings.done[f"released one {status}"] += 1
        return status == 204

    async def add_server(self) -> None:
        """Add an MCP server to one of its boxes."""
        path = f"/v1/sandboxes/{self.dice.choice(list(self.held.values()))}/mcp/servers"
        servers = {"mcpServers": {"clock": {"command": "clock"}}, "overwrite": True}
        status, _ = await self._call("POST", path, json=servers)
        self.holdings.done[f"added a server {status}"] += 1

    async def rest(self) -> None:
        """Do nothing for long enough that its boxes are frozen, or suspended."""
        await asyncio.sleep(self.dice.uniform(0.2, 1.2))

    async def look(self) -> None:
        """Ask which leases there are."""
        status, _ = await self._call("GET", "/v1/leases")
        self.holdings.done[f"looked {status}"] += 1

    def forget(self) -> None:
        """Expect nothing any more: what kept the leases was lost."""
        self.held.clear()

    async def renew(self) -> None:
        """Ask for more time."""
        body = {"session_id": self.name, "user_id": "chaos", "seconds": 60}
        status, _ = await self._call("POST", "/v1/leases/renew", json=body)
        self.holdings.done[f"renewed {status}"] += 1

    async def _must_be(self, sandbox_id: str) -> bool:
        """Tell whether nothing that the test did can have ended a box."""
        return self.keeps and sandbox_id not in self.holdings.dead and sandbox_id not in await self.spoilt()

    async def _call(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """Ask any manager; return its status and answer, 0 if none came."""
        urls = self.urls()
        if not urls:
            await asyncio.sleep(0.05)
            return 0, "no manager is up"
        headers = {"Authorization": f"Bearer {KEY}"}
        try:
            async with (
                asyncio.timeout(PATIENCE),
                self.http.request(method, self.dice.choice(urls) + path, headers=headers, **body) as answer,
            ):
                if "json" in answer.content_type:
                    return answer.status, await answer.json(content_type=None)
                return answer.status, await answer.text()
        except (aiohttp.ClientError, OSError) as e:
            return 0, repr(e)
        except TimeoutError as e:
            raise Violation(f"{method} {path} has no answer after {PATIENCE:g} s") from e
