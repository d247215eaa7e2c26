"""Keeps workspaces as snapshots, and has new leases begin with them.

What travels is the box's own tar stream, from one box to the storage and from there to another: the manager looks at
none of it. A workspace is filled once; the box remembers that, so that neither a second manager nor a second call
overwrites what a session has done since.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import CallTimeout, FileError, SandboxError, Unavailable
from agentscope_runtime.sandbox_manager.box import Box
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.snapshots import PIECE, SnapshotKey, Storage, Summary
from agentscope_runtime.sandbox_manager.states import SandboxRecord

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Snapshots that one manager makes at a time: each has a disk or an object store to itself for some seconds."""
OF_ONE_USER = 4
"""Of these, so that boxes of one user which send slowly hold up nobody else."""
RETRY_AFTER = 5.0
WITHIN = wire.SNAPSHOT_SECONDS
"""Seconds that one may take, and waiting for its turn."""
SILENCE = 60.0
"""Seconds without a byte after which a box is taken to send none."""
TIDY_EVERY = 3600.0
WHOLE = {"path": "."}
EMPTY = b"\0" * 1024
"""A tar stream of nothing."""


class SnapshotKeeper:
    """The way between the boxes of a pool and a storage."""

    def __init__(self, storage: Storage, pool: Pool) -> None:
        """Keep snapshots there, of workspaces here."""
        self.storage = storage
        self._pool = pool
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._underway: Counter[str] = Counter()

    async def take(self, sandbox_id: str, name: str) -> Summary:
        """Keep the workspace of a leased sandbox, under a name of the user of its lease; nothing, if that fails.

        Raises:
            SnapshotRefused: It is larger than what may be kept.
            FileError: Something in it cannot be read, or became shorter while it was read.
            CallTimeout: It took too long.
            Unavailable: Several of this user's are being made already.
            SandboxError: The sandbox, or the storage, does not answer.
        """
        try:
            async with asyncio.timeout(WITHIN), self._pool.use(sandbox_id) as box:
                assert box.record.key is not None, "it is leased"
                key = SnapshotKey(box.record.key.user_id, name)
                with self._one_more(key.user_id):
                    async with self._turns:
                        return await self._keep(box, key)
        except TimeoutError as e:
            raise CallTimeout(f"snapshot {name!r} of sandbox {sandbox_id} was not made within {WITHIN:g} s") from e

    async def fill(self, record: SandboxRecord, options: wire.LeaseOptions) -> None:
        """Fill a sandbox with the snapshot of its lease, unless that was done: a filler (`means.Hook`).

        Raises:
            SnapshotNotFound: The user has no such snapshot.
            SandboxError: The sandbox does not take it, or the storage does not answer.
        """
        if options.from_snapshot is None or record.key is None:
            return
        box = self._pool.reach(record)
        with self._pool.activity.of(record.sandbox_id):
            async with box.request("GET", "/files/origin", timeout=WITHIN) as answer:
                if json.loads(await answer.read())["filled"]:
                    return
            if record.restored or await self._is_filled_by_another(record):
                await _fill(box, _once(EMPTY))  # from now on the box knows that there is nothing to do
                return
            async with self.storage.opened(SnapshotKey(record.key.user_id, options.from_snapshot)) as stream:
                await _fill(box, stream)

    async def run(self) -> None:
        """Remove what dead managers left of snapshots, now and then, for ever."""
        while True:
            try:
                await self.storage.tidy()
            except SandboxError as e:
                logger.warning("the storage of snapshots could not be tidied: %s", e)
            await asyncio.sleep(TIDY_EVERY)

    @contextmanager
    def _one_more(self, user_id: str) -> Iterator[None]:
        if self._underway[user_id] >= OF_ONE_USER:
            raise Unavailable(
                f"{OF_ONE_USER} snapshots of user {user_id!r} are being made, as many as may be at a time; try again",
                retry_after=RETRY_AFTER,
            )
        self._underway[user_id] += 1
        try:
            yield
        finally:
            self._underway[user_id] -= 1
            self._underway += Counter()  # keeps only what is above zero

    async def _keep(self, box: Box, key: SnapshotKey) -> Summary:
        torn = False

        async def flowing(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
            nonlocal torn
            try:
                while piece := await asyncio.wait_for(_some(answer.content), SILENCE):
                    yield piece
            except aiohttp.ClientPayloadError:
                torn = True
                raise

        try:
            async with box.request("GET", "/files/archive", params=WHOLE) as answer:
                return await self.storage.keep(key, flowing(answer))
        except Unavailable as e:
            if not torn:
                raise
            raise FileError(
                f"{key} was not kept: a file became shorter while it was read; make it when less is going on"
            ) from e

    async def _is_filled_by_another(self, record: SandboxRecord) -> bool:
        """Tell whether another one of the lease has the same workspace, and fills it, or has filled it."""
        if not record.volume or record.key is None:
            return False
        sharing = [each for each in await self._pool.store.held(record.key) if each.in_lease]
        # A lease that is released meanwhile has none: then the box says so itself.
        first = min(
            sharing, key=lambda each: (not each.restored, each.leased_at or 0.0, each.sandbox_id), default=record
        )
        return first.sandbox_id != record.sandbox_id


async def _some(content: aiohttp.StreamReader) -> bytes:
    """Return as much as there is, but not each small piece: every one costs the way to a thread and back."""
    pieces = bytearray()
    while len(pieces) < PIECE and (piece := await content.read(PIECE)):
        pieces += piece
    return bytes(pieces)


async def _fill(box: Box, stream: AsyncIterator[bytes]) -> None:
    failure: SandboxError | None = None

    async def flowing() -> AsyncIterator[bytes]:
        nonlocal failure
        try:
            async for piece in stream:
                yield piece
        except SandboxError as e:
            failure = e
            raise

    try:
        async with box.request("PUT", "/files/origin", data=flowing(), timeout=WITHIN):
            pass
    except SandboxError as e:
        # Where what was sent broke off, the box only knows that it did.
        raise failure or e from e


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece
