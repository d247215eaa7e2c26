"""The channel between a run and its reader: order, bounds, and two ways to end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentscope_runtime.engine.channel import Channel
from agentscope_runtime.engine.schemas.agent_schemas import Event


def numbered(numbers: Iterable[int]) -> list[Event]:
    """Return events that can be told apart."""
    return [Event(sequence_number=number) for number in numbers]


async def turns(count: int = 5) -> None:
    """Let everybody else go on as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)


@settings(deadline=None)  # a busy machine is no bug
@given(st.lists(st.integers(0, 5)), st.integers(1, 8), st.integers(0, 3))
def test_everything_arrives_in_order(sizes: list[int], limit: int, slowness: int) -> None:
    """Whoever is faster: nothing is lost, doubled or turned round, and no batch is empty."""

    async def run() -> tuple[list[int], list[int | None]]:
        channel = Channel(limit)
        put: list[int] = []

        async def produce() -> None:
            for size in sizes:
                numbers = range(len(put), len(put) + size)
                put.extend(numbers)
                await channel.put(numbered(numbers))
            channel.finish()

        producer = asyncio.create_task(produce())
        got = []
        async for batch in channel.batches():
            assert 0 < len(batch) < limit + 5
            got += [event.sequence_number for event in batch]
            await turns(slowness)
        await producer
        return put, got

    put, got = asyncio.run(run())
    assert got == put


async def test_a_slow_reader_holds_the_producer() -> None:
    """Not more than the limit waits to be read, and whoever waits goes on when something was read."""
    channel = Channel(limit=3)
    done = 0

    async def produce() -> None:
        nonlocal done
        while True:
            await channel.put(numbered([done]))
            done += 1

    producer = asyncio.create_task(produce())
    await turns()
    assert done == 3
    batches = channel.batches()
    assert len(await anext(batches)) == 3
    await turns()
    assert done == 6
    producer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await producer
    await batches.aclose()


async def test_the_reader_gets_what_was_put_before_the_end() -> None:
    """Finishing loses nothing, even if nobody had read before."""
    channel = Channel()
    await channel.put(numbered([0, 1]))
    await channel.put([])
    channel.finish()
    assert [len(batch) async for batch in channel.batches()] == [2]


async def test_a_reader_that_waits_learns_of_the_end() -> None:
    """An end without further events ends the reading, too."""
    channel = Channel()
    reading = asyncio.ensure_future(anext(channel.batches(), None))
    await turns()
    assert not reading.done()
    channel.finish()
    assert await reading is None


async def test_dropping_lets_a_held_producer_go() -> None:
    """A producer that outlives its reader is never held again, and keeps nothing in memory."""
    channel = Channel(limit=1)
    await channel.put(numbered([0]))
    held = asyncio.create_task(channel.put(numbered([1])))
    await turns()
    assert not held.done()
    channel.drop()
    await held
    for number in range(10):
        await channel.put(numbered([number]))
    assert [batch async for batch in channel.batches()] == []


async def test_a_producer_without_reader_lets_others_have_their_turn() -> None:
    """It may be endless: whoever wants to cancel it must be able to."""
    channel = Channel()
    channel.drop()

    async def produce() -> None:
        while True:
            await channel.put(numbered([0]))

    producer = asyncio.create_task(produce())
    await turns()
    producer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await producer


async def test_what_cannot_wait_goes_above_the_limit() -> None:
    """Last words find room in a full channel, in their order, and go nowhere without a reader."""
    channel = Channel(limit=1)
    await channel.put(numbered([0]))
    channel.add(numbered([1]))
    channel.finish()
    assert [event.sequence_number async for batch in channel.batches() for event in batch] == [0, 1]
    channel.drop()
    channel.add(numbered([2]))
    assert [batch async for batch in channel.batches()] == []


async def test_last_words_need_no_room() -> None:
    """What cannot wait is put above the limit, and read like everything else; nothing is added without a reader."""
    channel = Channel(limit=1)
    await channel.put(numbered([0]))
    channel.add(numbered([1, 2]))
    channel.finish()
    assert [event.sequence_number async for batch in channel.batches() for event in batch] == [0, 1, 2]
    channel.drop()
    channel.add(numbered([3]))
    assert [batch async for batch in channel.batches()] == []
