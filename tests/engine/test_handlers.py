"""Users' functions of every kind, called alike."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import aclosing
from typing import Any

import pytest

from agentscope_runtime.engine import handlers
from agentscope_runtime.engine.handlers import END, Handler, Relay

WHERE: contextvars.ContextVar[str] = contextvars.ContextVar("where", default="nowhere")


def plain(word: str) -> str:
    """One result."""
    return word


def plain_many(word: str) -> Generator[str, None, None]:
    """Many results."""
    yield from word


async def one(word: str) -> str:
    """One result, awaited."""
    return word


async def many(word: str) -> AsyncGenerator[str, None]:
    """Many results, awaited."""
    for letter in word:
        yield letter


def returns_many(word: str) -> AsyncGenerator[str, None]:
    """Return a generator from a function that is none."""
    return many(word)


def returns_plain_many(word: str) -> Generator[str, None, None]:
    """Return a plain generator from a function that is none."""
    return plain_many(word)


async def awaits_many(word: str) -> AsyncGenerator[str, None]:
    """Return a generator from a coroutine."""
    return many(word)


async def awaits_plain_many(word: str) -> Generator[str, None, None]:
    """Return a plain generator from a coroutine."""
    return plain_many(word)


def decorated(word: str) -> Any:
    """Return a coroutine, as a careless decorator does."""
    return one(word)


class Iterated:
    """An iterator that is no generator, as clients of model servers return."""

    def __init__(self, word: str) -> None:
        self._letters = iter(word)

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        try:
            return next(self._letters)
        except StopIteration:
            raise StopAsyncIteration from None


class Called:
    """An object that is called as a function is."""

    async def __call__(self, word: str) -> AsyncGenerator[str, None]:
        """Be called."""
        for letter in word:
            yield letter

    async def method(self, word: str) -> AsyncGenerator[str, None]:
        """Be a method."""
        for letter in word:
            yield letter

    def plain_method(self, word: str) -> Generator[str, None, None]:
        """Be a method that blocks."""
        yield from word


async def collect(function: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
    """Return all outputs of a function."""
    return [output async for output in Handler(function).outputs(*args, **kwargs)]


@pytest.mark.parametrize("function", [plain, one, decorated])
async def test_a_function_with_one_result_has_one_output(function: Callable[..., Any]) -> None:
    """A result is one output, be it waited for or not, even where it could be iterated."""
    assert await collect(function, "abc") == ["abc"]


@pytest.mark.parametrize(
    "function",
    [
        plain_many,
        many,
        returns_many,
        returns_plain_many,
        awaits_many,
        awaits_plain_many,
        Iterated,
        Called(),
        Called().method,
        Called().plain_method,
        functools.partial(many),
        functools.partial(functools.partial(Called())),
    ],
)
async def test_whatever_streams_has_its_items_as_outputs(function: Callable[..., Any]) -> None:
    """Generators stream, written or returned, plain or async, and so do other asynchronous iterators."""
    assert await collect(function, "abc") == ["a", "b", "c"]


async def test_a_function_gets_what_it_takes() -> None:
    """Of the offered arguments a function gets those that it names, or all if it takes any."""

    def few(msgs: str, *, request: str) -> tuple[str, str]:
        return msgs, request

    def all_of_them(msgs: str, **kwargs: Any) -> tuple[str, list[str]]:
        return msgs, sorted(kwargs)

    offers = {"msgs": "m", "request": "r", "response": "x"}
    assert await collect(few, **offers) == [("m", "r")]
    assert await collect(all_of_them, **offers) == [("m", ["request", "response"])]
    assert await collect(lambda: "nothing", **offers) == ["nothing"]


@pytest.mark.parametrize("function", [plain, plain_many, one, many])
async def test_errors_come_out_as_they_are(function: Callable[..., Any]) -> None:
    """What a function raises is raised where its outputs are read."""
    with pytest.raises(TypeError, match="word"):
        await collect(function)


async def test_a_stop_iteration_does_not_hang() -> None:
    """A `StopIteration` from a function in a thread, which no future can carry, is an error, not an endless wait."""

    def exhausted() -> Any:
        return next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(collect(exhausted), 5)


@pytest.mark.parametrize("as_generator", [False, True])
async def test_a_function_that_blocks_does_not_block_others(as_generator: bool) -> None:
    """While a plain function waits, the event loop goes on."""
    gate = threading.Event()

    def waits() -> str:
        assert gate.wait(10)
        return "through"

    def waits_inside() -> Generator[str, None, None]:
        yield waits()

    reading = asyncio.create_task(collect(waits_inside if as_generator else waits))
    await asyncio.sleep(0.01)
    assert not reading.done()
    gate.set()  # only a loop that is not blocked gets here
    assert await reading == ["through"]


async def test_a_plain_generator_stays_in_its_thread_and_context() -> None:
    """All steps of a plain generator run in one thread, in one context, which begins as its caller's."""
    seen: list[tuple[int, str]] = []

    def steps() -> Generator[int, None, None]:
        for number in range(3):
            seen.append((threading.get_ident(), WHERE.get()))
            WHERE.set(f"step {number}")
            yield number
        seen.append((threading.get_ident(), WHERE.get()))

    WHERE.set("outside")
    assert await collect(steps) == [0, 1, 2]
    assert [where for _, where in seen] == ["outside", "step 0", "step 1", "step 2"]
    assert len({ident for ident, _ in seen}) == 1
    assert threading.get_ident() not in {ident for ident, _ in seen}
    assert WHERE.get() == "outside"


async def test_closing_the_outputs_closes_a_plain_generator() -> None:
    """Whoever stops reading ends the generator, whose `finally` has run then."""
    ended = threading.Event()

    def endless() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    async with aclosing(Handler(endless).outputs()) as outputs:
        assert await anext(outputs) == 1
    assert ended.is_set()


async def test_a_cancelled_reader_waits_for_the_thread() -> None:
    """Who is cancelled while a plain function works hears so when it is through, so that nothing goes on unseen."""
    working, gate, ended = threading.Event(), threading.Event(), threading.Event()

    def slow() -> Generator[int, None, None]:
        try:
            working.set()
            assert gate.wait(10)
            yield 1
        finally:
            ended.set()

    reading = asyncio.create_task(collect(slow))
    await asyncio.to_thread(working.wait, 10)
    reading.cancel()
    await asyncio.sleep(0.01)
    assert not reading.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert ended.is_set()


async def test_a_cancellation_reaches_a_generator_at_its_yield() -> None:
    """A cancellation thrown in between two outputs is raised at the function's `yield`, which may answer."""

    async def polite() -> AsyncGenerator[str, None]:
        try:
            yield "first"
        except asyncio.CancelledError:
            yield "farewell"
            raise

    relay = Relay(Handler(polite).outputs())
    assert await relay.next() == "first"
    with relay:
        raise asyncio.CancelledError
    assert await relay.next() == "farewell"
    with pytest.raises(asyncio.CancelledError):
        await relay.next()


async def test_a_generator_may_end_when_it_is_cancelled() -> None:
    """A function that takes a cancellation for a reason to return has simply no more outputs."""

    async def obedient() -> AsyncGenerator[str, None]:
        try:
            yield "first"
        except asyncio.CancelledError:
            return

    relay = Relay(Handler(obedient).outputs())
    assert await relay.next() == "first"
    with relay:
        raise asyncio.CancelledError
    assert await relay.next() is END


async def test_other_errors_are_not_relayed() -> None:
    """They are the reader's own."""
    relay = Relay(Handler(many).outputs("ab"))
    with pytest.raises(LookupError), relay:
        raise LookupError
    assert await relay.next() == "a"


async def test_threads_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions beyond the limit wait for their turn; the ends of others give it to them, failures and all."""
    monkeypatch.setattr(handlers, "MOST_THREADS", 1)
    at_work: list[int] = []

    def busy(number: int) -> int:
        at_work.append(number)
        assert len(at_work) == 1
        at_work.remove(number)
        if number % 2:
            raise LookupError
        return number

    done = await asyncio.gather(*(collect(busy, number) for number in range(6)), return_exceptions=True)
    assert [result for result in done if not isinstance(result, LookupError)] == [[0], [2], [4]]
