"""What each box is told of its lease, signed, so that managers whose store lost everything can ask the boxes.

Written in the background after a lease; a heartbeat says which note a box has, so that one that is missing or old is
mended then. What is signed is believed only by managers that know the installation's secret. Not here: asking all boxes
(`rebuild`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox_manager.backends import Remembered, Unreachable
from agentscope_runtime.sandbox_manager.identity import Identity
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.states import LeaseKey, SandboxRecord, State
from agentscope_runtime.sandbox_manager.uninterrupted import give_up

PURPOSE = "lease"
PARALLEL = 16
"""Notes written at the same time."""
PLAIN = ("sandbox_id", "sandbox_type", "generation", "leased_at", "expires_at", "volume", "warm", "restored")
"""Members of a record that are told as they are. Not among them is what changes with each call."""


def note_of(record: SandboxRecord, identity: Identity) -> bytes:
    """Return the note of a leased sandbox: the signature, a line break, and what is signed. The same each time."""
    assert record.key is not None
    members = {name: getattr(record, name) for name in PLAIN} | {
        "user_id": record.key.user_id,
        "session_id": record.key.session_id,
        "options": record.options.model_dump(mode="json", exclude_none=True),
        "mcp_servers": record.mcp_servers,
    }
    statement = json.dumps(members, sort_keys=True, separators=(",", ":"), default=dict).encode()
    return f"{identity.sign(PURPOSE, statement)}\n".encode() + statement


def digest_of(note: bytes) -> str:
    """Return by what a box names its note."""
    return hashlib.sha256(note).hexdigest()


def leased_again(found: SandboxRecord, remembered: Remembered, identity: Identity) -> SandboxRecord | None:
    """Return the record of a box that was found, given what it remembers; None if it is of no use to anybody.

    Args:
        found: What is known without the box: WARM, and nobody's.
        remembered: What the box says.
        identity: Whose signature counts.
    """
    if not remembered.note:
        # One that was used, and does not know by whom, must not be used by somebody else.
        return found if remembered.generation == 0 else None
    members = _stated(remembered.note, identity)
    if members is None or (members["sandbox_id"], members["sandbox_type"]) != (found.sandbox_id, found.sandbox_type):
        return None
    if members["generation"] < remembered.generation:
        return None  # a later lease held it, and nobody knows which
    return replace(
        found,
        state=State.LEASED,
        key=LeaseKey(members["user_id"], members["session_id"]),
        options=wire.LeaseOptions.model_validate(members["options"]),
        mcp_servers=members["mcp_servers"],
        **{name: members[name] for name in PLAIN},
    )


def _stated(note: bytes, identity: Identity) -> dict[str, Any] | None:
    """Return what a manager of ours stated; None if it is not ours, or of a version that stated something else."""
    signature, _, statement = note.partition(b"\n")
    if not identity.has_signed(PURPOSE, statement, signature.decode("ascii", "replace")):
        return None
    members: dict[str, Any] = json.loads(statement)
    try:
        wire.LeaseOptions.model_validate(members.get("options"))
    except ValidationError:
        return None
    return members if {*PLAIN, "user_id", "session_id", "mcp_servers"} <= members.keys() else None


class LeaseNotes:
    """Writes the notes."""

    def __init__(self, means: Means) -> None:
        """Prepare; see `aclose`."""
        self._means = means
        self._slots = asyncio.Semaphore(PARALLEL)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def write_soon(self, record: SandboxRecord, options: wire.LeaseOptions) -> None:
        """Tell a box what its lease is, in the background; an outfitter."""
        self._begin(record.sandbox_id)

    def check(self, record: SandboxRecord, digest: str) -> None:
        """Compare what a box has with what it should have, and mend it in the background."""
        if record.state is State.LEASED and digest != digest_of(note_of(record, self._means.identity)):
            self._begin(record.sandbox_id)

    async def aclose(self) -> None:
        """Give up what is under way."""
        await give_up(self._tasks.values())

    def _begin(self, sandbox_id: str) -> None:
        if sandbox_id not in self._tasks:
            task = asyncio.create_task(self._write(sandbox_id), name=f"note {sandbox_id}")
            self._tasks[sandbox_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(sandbox_id, None))

    async def _write(self, sandbox_id: str) -> None:
        try:
            async with self._slots:
                # As it is when the turn comes: what was true when it was asked for may be over.
                record = await self._means.store.get(sandbox_id)
                if record.state is State.LEASED:
                    await self._means.doorbell.write_note(record, note_of(record, self._means.identity))
        except (Unreachable, SandboxError):
            pass  # the next heartbeat notices
