"""The store of managers that share a Redis: each verb is one script there (`lua/`).

What was decided is in Redis alone; nothing is cached here, so any manager may serve any call. A verb that raises
`StoreUnavailable` may have been done: say it again to learn what holds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from agentscope_runtime.sandbox.errors import SandboxError, SandboxNotFound, StoreUnavailable
from agentscope_runtime.sandbox_manager.states import (
    Address,
    Census,
    Ending,
    Lease,
    LeaseKey,
    Limits,
    SandboxRecord,
    State,
    Wish,
)
from agentscope_runtime.sandbox_manager.stores import DISPLACED, LEFT, Claim, GivenBack, StaleLeader
from agentscope_runtime.sandbox_manager.stores.news import News, Room
from agentscope_runtime.sandbox_manager.stores.redis import answers
from agentscope_runtime.sandbox_manager.stores.redis.link import RETRY_AFTER, RedisLink, prefix_of, script
from agentscope_runtime.sandbox_manager.stores.redis.records import (
    OWN,
    SERVER,
    dump,
    dump_key,
    dump_options,
    dump_servers,
    load,
    load_key,
)

AT_ONCE = 64
"""Leases that one script ends or lists: it is done within some milliseconds, and Redis is free for others."""
HEAR_AGAIN = 0.5
"""Seconds until a lost subscription is tried again."""


class RedisStore:
    """Records in Redis; they outlive every manager."""

    def __init__(self, link: RedisLink, installation: str, manager: str) -> None:
        """Describe the store of an installation, in the name of a manager; whoever opened the link closes it."""
        self._link = link
        self._prefix = prefix_of(installation)
        self._manager = manager

    @property
    def manager(self) -> str:
        """See `Store.manager`."""
        return self._manager

    # --- pool members

    async def record_start(self, draft: SandboxRecord, *, limits: Limits, fence: int = 0) -> bool:
        """See `Store.record_start`."""
        said = await self._led("record_start", fence, draft=dump(draft), limits=answers.limits_of(limits))
        return "full" not in said

    async def record_container(
        self, sandbox_id: str, *, container_id: str, image_id: str, address: Address
    ) -> SandboxRecord | None:
        """See `Store.record_container`."""
        made = SandboxRecord("", "", State.STARTING, "", 0.0, "", container_id, image_id, address)
        fields = {name: value for name, value in dump(made).items() if name in ("container_id", "image_id", "address")}
        return answers.record(await self._said("record_container", id=sandbox_id, made=fields))

    async def mark_ready(self, sandbox_id: str) -> SandboxRecord | None:
        """See `Store.mark_ready`."""
        return answers.record(await self._said("mark_ready", id=sandbox_id))

    async def trim(self, sandbox_type: str, *, keep: int, ending: Ending, fence: int = 0) -> tuple[SandboxRecord, ...]:
        """See `Store.trim`."""
        return answers.records(
            await self._led("trim", fence, kind=sandbox_type, keep=keep, ending=answers.ending_of(ending))
        )

    # --- leases

    async def claim(self, wish: Wish, drafts: Mapping[str, SandboxRecord], *, limits: Limits, now: float) -> Claim:
        """See `Store.claim`."""
        fixed = {
            "key": dump_key(wish.key),
            "types": wish.types,
            "grows": wish.grows,
            "drafts": {kind: dump(draft) for kind, draft in drafts.items()} or False,
            "limits": answers.limits_of(limits),
            "now": repr(now),
            "ends": repr(now + wish.life) if wish.life else False,
            "asked": dump_servers(wish.options.mcp_servers or {}),
            "displaced": answers.ending_of(DISPLACED),
        }
        options, seen = wish.options, dump_options(wish.options)
        while True:
            agreed = {
                "seen": seen,
                "options": dump_options(options) or False,
                OWN: "1" if options.needs_own else False,
                "servers": dump_servers(options.mcp_servers or {}),
            }
            said = await self._said("claim", **fixed, **agreed)
            if "options" not in said:
                break
            seen = said["options"]
            options = answers.agreed(wish, seen)
        if "refused" in said:
            raise answers.refusal(said, wish.key, limits)
        if "lease" not in said:
            return Claim(
                begun=answers.records(said, "begun"),
                awaited=answers.records(said, "awaited"),
                displaced=answers.records(said, "displaced"),
            )
        lease = Lease(wish.key, answers.records(said, "lease"))
        return Claim(lease, tuple(each for each in lease.sandboxes if each.sandbox_type in said["granted"]))

    async def give_back(self, key: LeaseKey, types: Sequence[str]) -> GivenBack:
        """See `Store.give_back`."""
        left = answers.ending_of(LEFT)
        return answers.given_back(await self._said("give_back", key=dump_key(key), types=list(types), left=left))

    async def touch(self, sandbox_id: str, *, now: float) -> SandboxRecord:
        """See `Store.touch`."""
        record = answers.found(sandbox_id, await self._said("touch", id=sandbox_id, now=repr(now)))
        if not record.in_lease:
            raise SandboxNotFound(f"sandbox {sandbox_id} is {record.state.value}: no session has leased it")
        return record

    async def change_mcp_servers(
        self, sandbox_id: str, added: Mapping[str, Any], *, overwrite: bool = False, removed: str | None = None
    ) -> None:
        """See `Store.change_mcp_servers`."""
        gone = SERVER + removed if removed is not None else False
        await self._said(
            "change_mcp_servers", id=sandbox_id, added=dump_servers(added), overwrite=overwrite, removed=gone
        )

    async def renew(self, key: LeaseKey, *, expires_at: float | None) -> Lease | None:
        """See `Store.renew`."""
        said = await self._said("renew", key=dump_key(key), expires_at=expires_at is not None and repr(expires_at))
        return Lease(key, records) if (records := answers.records(said)) else None

    async def end_lease(self, key: LeaseKey, ending: Ending) -> GivenBack:
        """See `Store.end_lease`."""
        said, left = answers.ending_of(ending), answers.ending_of(LEFT)
        return answers.given_back(await self._said("end_lease", key=dump_key(key), ending=said, left=left))

    # --- time

    async def end_idle(self, *, idle_since: float, ending: Ending) -> tuple[Lease, ...]:
        """See `Store.end_idle`; ends a few leases at once."""
        return await self._some("end_idle", idle_since=repr(idle_since), ending=answers.ending_of(ending))

    async def suspend_idle(self, *, idle_since: float) -> tuple[Lease, ...]:
        """See `Store.suspend_idle`; suspends a few leases at once."""
        return await self._some("suspend_idle", idle_since=repr(idle_since))

    async def mark_suspended(self, sandbox_id: str, *, now: float) -> SandboxRecord | None:
        """See `Store.mark_suspended`."""
        return answers.record(await self._said("mark_suspended", id=sandbox_id, now=repr(now)))

    async def pause_idle(self, *, idle_since: float) -> tuple[SandboxRecord, ...]:
        """See `Store.pause_idle`; marks a few at once."""
        paused: list[SandboxRecord] = []
        while True:
            found = answers.records(await self._said("pause_idle", idle_since=repr(idle_since), limit=AT_ONCE))
            paused += found
            if len(found) < AT_ONCE:
                return tuple(paused)

    async def end_expired(self, *, now: float, suspended_before: float, ending: Ending) -> tuple[Lease, ...]:
        """See `Store.end_expired`; ends a few leases at once."""
        return await self._some(
            "end_expired", now=repr(now), suspended_before=repr(suspended_before), ending=answers.ending_of(ending)
        )

    # --- endings

    async def mark_stopping(self, sandbox_id: str, ending: Ending, *, if_free: bool = False) -> SandboxRecord | None:
        """See `Store.mark_stopping`."""
        end = answers.ending_of(ending)
        return answers.record(await self._said("mark_stopping", id=sandbox_id, ending=end, if_free=if_free))

    async def forget(self, sandbox_id: str) -> bool:
        """See `Store.forget`."""
        return bool((await self._said("forget", id=sandbox_id)).get("last"))

    # --- many managers

    async def adopt(self, record: SandboxRecord) -> bool:
        """See `Store.adopt`."""
        if not record.is_adoptable:
            return False
        return "adopted" in await self._said("adopt", record=dump(record))

    async def take_over(self, dead: str) -> tuple[SandboxRecord, ...]:
        """See `Store.take_over`."""
        return answers.records(await self._said("take_over", dead=dead))

    async def fail(self, key: LeaseKey, sandbox_type: str, error: SandboxError) -> None:
        """See `Store.fail`."""
        await self._said("fail", key=dump_key(key), kind=sandbox_type, code=error.code, detail=json.dumps(error.detail))

    async def news(self) -> AsyncIterator[News]:
        """See `Store.news`. While Redis is away nothing is heard: after that, and at the beginning, it is `Room`."""
        while True:
            try:
                async with self._link.subscribed(f"{self._prefix}news") as messages:
                    yield Room()
                    async for message in messages:
                        for item in answers.news(message, self._manager):
                            yield item
            except StoreUnavailable:
                await asyncio.sleep(HEAR_AGAIN)

    # --- questions

    async def get(self, sandbox_id: str) -> SandboxRecord:
        """See `Store.get`."""
        return answers.found(sandbox_id, await self._said("get", id=sandbox_id))

    async def held(self, key: LeaseKey) -> tuple[SandboxRecord, ...]:
        """See `Store.held`."""
        return answers.records(await self._said("held", key=dump_key(key)))

    async def sandboxes(self) -> list[SandboxRecord]:
        """See `Store.sandboxes`; read a few at once."""
        return [load(kept) async for kept in self._listed("all")]

    async def leases(self) -> list[Lease]:
        """See `Store.leases`; read a few at once."""
        found = [answers.lease(kept) async for kept in self._listed("keys")]
        return [lease for lease in found if lease.sandboxes]

    async def waits(self) -> dict[LeaseKey, str]:
        """See `Store.waits`."""
        return {load_key(key): manager for key, manager in (await self._said("waits")).items()}

    async def census(self) -> dict[str, Census]:
        """See `Store.census`."""
        return {kind: answers.census(counts) for kind, counts in (await self._said("census")).items()}

    # --- how scripts are asked

    async def _said(self, verb: str, **arguments: Any) -> dict[str, Any]:
        step = script("base", "ledger", "endings", verb)
        answer = json.loads(await self._link.run(step, self._prefix, self._manager, json.dumps(arguments)))
        if not answer:  # Lua has one word for an empty list and an empty object
            return {}
        if answer.get("lost") and not answer.get("ending"):
            raise StoreUnavailable(
                f"{self._link.where} came back empty, or without the last that it was told; that is being looked for: "
                "try again",
                retry_after=RETRY_AFTER,
            )
        return dict(answer)

    async def _led(self, verb: str, fence: int, **arguments: Any) -> dict[str, Any]:
        said = await self._said(verb, fence=str(fence), **arguments)
        if "stale" in said:
            raise StaleLeader(f"fence {fence} is older than that of another leader")
        return said

    async def _some(self, verb: str, **arguments: Any) -> tuple[Lease, ...]:
        """Take a verb's step again until nothing is left that it is about."""
        leases: list[Lease] = []
        offset = 0
        while True:
            try:
                said = await self._said(verb, limit=AT_ONCE, offset=offset, **arguments)
            except StoreUnavailable:
                if not leases:
                    raise
                return tuple(leases)  # the caller has to finish what was begun; the rest is due later, too
            found, seen = [answers.lease(kept) for kept in said.get("leases") or ()], said.get("seen", 0)
            leases += found
            if seen < AT_ONCE:
                return tuple(leases)
            offset += seen - len(found)

    async def _listed(self, what: str) -> AsyncIterator[dict[str, Any]]:
        after = "0"
        while True:
            said = await self._said("list", what=what, after=after, limit=AT_ONCE)
            items = said.get("items") or []
            for item in items:
                yield item
            if len(items) < AT_ONCE:
                return
            after = said["last"]
