"""Users' functions, called alike: plain or async, with one result or with many, in a thread where they would block.

    handler = Handler(function)
    async for output in handler.outputs(msgs, request=request):
        ...

A function that is not async runs in a thread of its own run, always the same one: what it opened before a `yield` it
may use after it, and it sees its own context variables. Nobody can interrupt a thread: whoever is cancelled
while one works waits until it is through, so that the function is over when its caller is told so.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, Final

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

END: Final = object()
"""What comes after the last item; no item is it."""

MOST_THREADS = 256
"""Functions that may run in threads at the same time; further ones wait for their turn."""


class Handler:
    """A function whose kind is known once, and which gets of what it is offered only what it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Look at a function, method, partial or callable object."""
        self.function = function
        self.signature = inspect.signature(function)
        called = _called(function)
        self._is_async = inspect.isasyncgenfunction(called) or inspect.iscoroutinefunction(called)
        parameters = self.signature.parameters.values()
        self._takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        self._takes = frozenset(parameter.name for parameter in parameters if parameter.kind in by_name)

    def accepts(self, offers: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the offered keyword arguments that the function takes."""
        if self._takes_all:
            return dict(offers)
        return {name: value for name, value in offers.items() if name in self._takes}

    async def call(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function; return its result, or an asynchronous iterator if it streams, of whatever kind it is."""
        call = functools.partial(self.function, *args, **self.accepts(kwargs))
        thread = None if self._is_async else await _Thread.start()
        try:
            result = call() if thread is None else await thread.run(call)
            if inspect.isawaitable(result):
                result = await result
            if inspect.isgenerator(result):
                thread, its_own = None, thread or await _Thread.start()
                return _driven(result, its_own)
            return result
        finally:
            if thread is not None:
                thread.stop()

    async def outputs(self, /, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """Run the function and yield what it yields, or else its one result.

        A cancellation that hits the reader between two outputs may be thrown in here (see `Relay`): the function
        hears of it at its `yield`.
        """
        result = await self.call(*args, **kwargs)
        if not isinstance(result, AsyncGenerator):
            async for output in result if isinstance(result, AsyncIterator) else _alone(result):
                yield output
            return
        async with aclosing(result):
            relay = Relay(result)
            while (output := await relay.next()) is not END:
                with relay:
                    yield output


class Relay:
    """Reads a generator, and tells it, where it waits at its `yield`, of a cancellation that hits what is done within.

        while (item := await relay.next()) is not END:
            with relay:
                await use(item)

    Closing the generator would tell it, too, but by `GeneratorExit`: agents' handlers expect `CancelledError` when they
    are stopped, wherever they are.
    """

    __slots__ = ("_cancelled", "_source")

    def __init__(self, source: AsyncGenerator[Any, None]) -> None:
        self._source = source
        self._cancelled: asyncio.CancelledError | None = None

    async def next(self) -> Any:
        """Return the next item, `END` after the last."""
        if self._cancelled is None:
            return await anext(self._source, END)
        cancelled, self._cancelled = self._cancelled, None
        try:
            return await self._source.athrow(cancelled)
        except StopAsyncIteration:
            return END

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, asyncio.CancelledError):
            return False
        self._cancelled = error
        return True


async def _alone(result: Any) -> AsyncGenerator[Any, None]:
    yield result


def _called(function: Callable[..., Any]) -> Any:
    """Return what says of which kind a function is: a callable object's method, without partials around it."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function):
        return function
    return function.__call__  # type: ignore[operator]  # every object that is called has it


async def _driven(generator: Generator[Any, Any, Any], thread: _Thread) -> AsyncGenerator[Any, None]:
    """Yield what a plain generator yields in its thread; end the thread with it."""
    try:
        while (output := await thread.run(next, generator, END)) is not END:
            yield output
    finally:
        try:
            await thread.run(generator.close)
        finally:
            thread.stop()


_turns: RunVar[CapacityLimiter] = RunVar("turns of functions that run in threads")


class _Thread:
    """A thread for the one function that is run in it, step by step, in one context."""

    def __init__(self, turns: CapacityLimiter) -> None:
        self._turns = turns
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="handler")
        self._context = contextvars.copy_context()

    @classmethod
    async def start(cls) -> _Thread:
        """Wait for a turn."""
        try:
            turns = _turns.get()
        except LookupError:
            turns = CapacityLimiter(MOST_THREADS)
            _turns.set(turns)
        thread = cls(turns)
        await turns.acquire_on_behalf_of(thread)
        return thread

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a step of the function to its end; only a second cancellation leaves it to itself."""
        step = asyncio.get_running_loop().run_in_executor(self._executor, self._context.run, _attempt, function, args)
        try:
            result, error = await asyncio.shield(step)
        except asyncio.CancelledError:
            await asyncio.wait([step])
            raise
        if error is not None:
            raise error
        return result

    def stop(self) -> None:
        """Let the thread go."""
        self._executor.shutdown(wait=False)
        self._turns.release_on_behalf_of(self)


def _attempt(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    """Return the result or the error: a `StopIteration` could not be raised across, and its waiter would hang."""
    try:
        return function(*args), None
    except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
        return None, error
