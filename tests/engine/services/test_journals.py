"""Journals in memory: what is theirs alone; what all journals do is tested by the services that write them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from served_manager import Clock

from agentscope_runtime.engine.services.agent_state import InMemoryStateService
from agentscope_runtime.engine.services.journals import MemoryJournals
from agentscope_runtime.engine.services.session_history import InMemorySessionHistoryService


async def test_one_journal_does_not_take_the_room_of_all() -> None:
    """It gives up its own oldest entries first; others are not pushed out."""
    journals = MemoryJournals(most_entries=None, ttl_seconds=None, max_bytes=80_000)
    await journals.start()
    await journals.append("quiet", "s", [("a", b"hello")])
    for number in range(100):
        await journals.append("noisy", "s", [(str(number), b"x" * 1000)])
    assert await journals.read("quiet", "s") == [b"hello"]
    kept = await journals.read("noisy", "s")
    assert kept is not None
    assert len(kept) == 9
    await journals.append("noisy", "s", [("huge", b"x" * 50_000)])
    assert await journals.read("noisy", "s") == [b"x" * 50_000]


async def test_a_part_can_be_read() -> None:
    """From one place up to another."""
    journals = MemoryJournals(most_entries=None, ttl_seconds=None, max_bytes=80_000)
    await journals.start()
    await journals.append("u", "s", [("", str(number).encode()) for number in range(5)])
    assert await journals.read("u", "s", 1, 3) == [b"1", b"2"]
    assert await journals.read("u", "s", 4, 9) == [b"4"]
    assert await journals.read("u", "none") is None


async def test_what_nobody_uses_is_gone() -> None:
    """Sessions and states, by the clock that the service was given."""
    clock = Clock()
    histories = InMemorySessionHistoryService(ttl_seconds=60, clock=clock)
    states = InMemoryStateService(ttl_seconds=60, clock=clock)
    async with histories, states:
        await histories.create_session("u", "s")
        await states.save_state("u", {"n": 1})
        clock.now += 59
        assert await states.export_state("u") == {"n": 1}
        clock.now += 1
        assert await histories.list_sessions("u") == []
        assert await states.export_state("u") == {"n": 1}
        clock.now += 60
        assert await states.export_state("u") is None


async def test_states_make_room_for_each_other() -> None:
    """A service keeps so many bytes; who did not come for longest begins anew."""
    async with InMemoryStateService(max_bytes=10_000, max_rounds=1) as service:
        for user in ("a", "b", "c", "d"):
            await service.save_state(user, {"text": "x" * 3000})
        assert [bool(await service.export_state(user)) for user in ("a", "b", "c", "d")] == [False, False, True, True]


async def test_threads_with_loops_of_their_own_lose_nothing() -> None:
    """Sync handlers run in threads, and may run a coroutine there."""
    async with InMemoryStateService(max_rounds=400) as service:

        def save(number: int) -> int:
            return asyncio.run(service.save_state("u", {"n": number}))

        with ThreadPoolExecutor(8) as threads:
            rounds = await asyncio.to_thread(lambda: list(threads.map(save, range(200))))
        assert sorted(rounds) == list(range(1, 201))
