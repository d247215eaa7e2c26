"""What boxes remember of their leases: enough to take them up again, and nothing that somebody else could have made."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from fake_pool import World, key, world
from hypothesis import given
from virtual_time import settle, virtual

from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.api import BODY_LIMIT
from agentscope_runtime.sandbox_manager.backends import Remembered
from agentscope_runtime.sandbox_manager.heartbeat import Heartbeat
from agentscope_runtime.sandbox_manager.identity import Identity
from agentscope_runtime.sandbox_manager.lease_notes import LeaseNotes, digest_of, leased_again, note_of
from agentscope_runtime.sandbox_manager.means import Policy
from agentscope_runtime.sandbox_manager.states import LeaseKey, SandboxRecord, State
from sandbox_server.lease_note import LONGEST

US, THEM = Identity("one", b"s" * 32), Identity("one", b"t" * 32)
FOUND = SandboxRecord("sbx-1", "base", State.WARM, "image", 5.0, "token", container_id="c1", memory=7)
OPTIONS = LeaseOptions(resolution="1600x1000", environment={"A": "ä"}, mcp_servers={"x": {"command": "true"}})
LEASED = replace(
    FOUND,
    state=State.LEASED,
    key=LeaseKey("anna", "s\n1"),
    options=OPTIONS,
    mcp_servers={"x": {"command": "true"}, "y": {"url": "http://y"}},
    generation=2,
    leased_at=10.5,
    expires_at=0.1 + 0.2,
    volume="vol-1",
    warm=True,
    restored=True,
)

texts = st.text(max_size=20)
numbers = st.floats(0, 1e10, allow_nan=False)
leased_records = st.builds(
    lambda user, session, options, times, generation: replace(
        LEASED, key=LeaseKey(user, session), options=options, leased_at=times[0], expires_at=times[1],
        generation=generation,
    ),
    texts,
    texts,
    st.sampled_from([OPTIONS, LeaseOptions(), LeaseOptions(shared_workspace=True, profile="work")]),
    st.tuples(numbers, st.none() | numbers),
    st.integers(1, 2**40),
)  # fmt: skip


@given(record=leased_records)
def test_a_note_gives_back_the_lease_exactly(record: SandboxRecord) -> None:
    """Whoever holds it, with all options, and with times to the last bit."""
    again = leased_again(FOUND, Remembered(note_of(record, US), record.generation), US)
    assert again == record


def test_the_longest_note_is_one_that_boxes_take() -> None:
    """Of a lease whose options are as long as a connect may be, in letters that grow most."""
    servers = {"x": {"command": "é" * (BODY_LIMIT // 2)}}
    record = replace(LEASED, options=LeaseOptions(mcp_servers=servers), mcp_servers=servers)
    assert 4 << 20 < len(note_of(record, US)) < LONGEST


@given(record=leased_records, cut=st.integers(0, 10_000), put=st.binary(max_size=3))
def test_a_note_that_was_changed_says_nothing(record: SandboxRecord, cut: int, put: bytes) -> None:
    """Wherever, and however little."""
    note = note_of(record, US)
    changed = note[: cut % len(note)] + put + note[cut % len(note) + 1 :]
    if changed != note:
        expected = FOUND if not changed else None
        assert leased_again(FOUND, Remembered(changed, 0), US) == expected


@pytest.mark.parametrize(
    ("found", "remembered"),
    [
        (FOUND, Remembered(note_of(LEASED, THEM), 2)),
        (replace(FOUND, sandbox_id="sbx-2"), Remembered(note_of(LEASED, US), 2)),
        (replace(FOUND, sandbox_type="browser"), Remembered(note_of(LEASED, US), 2)),
        (FOUND, Remembered(note_of(LEASED, US), 3)),
        (FOUND, Remembered(b"", 1)),
        (FOUND, Remembered(f"{US.sign('lease', b'{}')}\n{{}}".encode(), 0)),
    ],
    ids=["another secret", "another box", "another kind", "a later lease", "used by nobody known", "another version"],
)
def test_a_box_without_a_note_of_its_own_lease_is_of_no_use(found: SandboxRecord, remembered: Remembered) -> None:
    """It is not given back to a session, and not to the pool."""
    assert leased_again(found, remembered, US) is None


def test_a_box_that_nobody_used_goes_back_to_the_pool() -> None:
    """It has met no lease, and has no note."""
    assert leased_again(FOUND, Remembered(b"", 0), US) == FOUND


def test_what_changes_with_each_call_changes_no_note() -> None:
    """Else each heartbeat would write."""
    busy = replace(LEASED, last_active_at=99.0, paused=True, manager="mgr-2")
    assert note_of(busy, US) == note_of(LEASED, US)


def remembered_in(w: World) -> dict[str, bytes]:
    """Return the notes of all boxes by id."""
    return {name: container.box.note.note for name, container in w.backend.engine.containers.items()}


@virtual
async def test_a_lease_is_noted_in_the_background_and_mended_by_heartbeats() -> None:
    """Connecting does not wait for it; what could not be written, got lost, or is old by now, is written then."""
    async with world(Policy(targets={"base": 1})) as w:
        notes = LeaseNotes(w.means)
        w.means.outfitters.append(notes.write_soon)
        heartbeat = Heartbeat(w.means, w.pool.retirement, notes)
        await settle()
        lease = await w.pool.connect(key(), ["base"])
        (name,) = (record.sandbox_id for record in lease.sandboxes)
        assert remembered_in(w)[name] == b"", "not yet"
        await settle()
        note = note_of(lease.sandboxes[0], w.means.identity)
        assert remembered_in(w) == {name: note, **dict.fromkeys(w.containers - {name}, b"")}

        w.backend.engine.containers[name].box.note.note = b"lost"
        await heartbeat.beat()
        await settle()
        assert remembered_in(w)[name] == note

        await w.pool.store.renew(key(), expires_at=77.0)
        await heartbeat.beat()
        await settle()
        renewed = await w.pool.sandbox(name)
        assert renewed.expires_at == 77.0
        assert digest_of(remembered_in(w)[name]) == digest_of(note_of(renewed, w.means.identity)) != digest_of(note)
        await notes.aclose()


@virtual
async def test_a_box_that_cannot_be_told_is_told_later() -> None:
    """Nobody hears of it: the session has what it asked for."""
    async with world(Policy(targets={"base": 1}), loops=False) as w:
        notes = LeaseNotes(w.means)
        w.means.outfitters.append(notes.write_soon)
        await settle()
        (name,) = w.containers
        w.backend.engine.containers[name].box.awake.clear()
        await w.pool.connect(key(), ["base"])
        await settle()
        assert remembered_in(w)[name] == b""
        w.backend.engine.containers[name].box.awake.set()
        await Heartbeat(w.means, w.pool.retirement, notes).beat()
        await settle()
        assert remembered_in(w)[name]
        await notes.aclose()


@virtual
async def test_what_is_under_way_ends_with_the_manager() -> None:
    """A box that hangs keeps nobody."""
    async with world(Policy(targets={"base": 1}), loops=False) as w:
        notes = LeaseNotes(w.means)
        await settle()
        lease = await w.pool.connect(key(), ["base"])
        stuck = asyncio.Event()

        async def hang(record: SandboxRecord, note: bytes) -> None:
            stuck.set()
            await asyncio.Event().wait()

        w.backend.write_note = hang  # type: ignore[method-assign]
        await notes.write_soon(lease.sandboxes[0], LeaseOptions())
        await stuck.wait()
        await notes.aclose()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("note")]
