"""Custom endpoints: functions that are answered as JSON, generators that are streamed.

    @app.endpoint("/numbers")
    async def numbers(count: int = 3):
        for number in range(count):
            yield {"number": number}

Parameters follow FastAPI's rules, whatever the kind of function. What is returned or yielded may be any value
(`serialization`). Not here: query handlers, whose streams have a contract of their own (`queries`).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from anyio import CancelScope
from fastapi.dependencies.utils import get_typed_signature
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from agentscope_runtime.engine.handlers import Handler
from agentscope_runtime.engine.serialization import to_json, to_jsonable

logger = logging.getLogger(__name__)

UNREAD = 16
"""Chunks that a stream may be ahead of its reader; then its generator waits."""


def endpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what FastAPI is to call for a function: with the same parameters, and never a generator itself."""
    handler = Handler(function)

    async def call(**values: Any) -> Any:
        name = getattr(function, "__name__", "an endpoint")
        try:
            result = await handler.call(**values)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            if _is_cancelled():
                raise
            # A function that calls sys.exit() shall end no server, nor who waits for something that was cancelled.
            raise RuntimeError(f"{name} raised {type(error).__name__}") from error
        if isinstance(result, AsyncIterator):
            return _Stream(result, name)
        return result if isinstance(result, Response) else to_jsonable(result)

    functools.update_wrapper(call, function)
    # FastAPI would look behind the wrapper, find a generator, and stream it in a form of its own.
    del call.__dict__["__wrapped__"]
    call.__dict__["__signature__"] = _signature(function)
    return call


def described(path: str, methods: Sequence[str], function: Callable[..., Any]) -> dict[str, Any]:
    """Return what is known of an endpoint, enough to register it in another application."""
    name = getattr(function, "__name__", type(function).__name__)
    where = {"module": getattr(function, "__module__", None), "function_name": name}
    return {"path": path, "methods": list(methods), "handler": function, **where}


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the parameters that FastAPI is to fill, with annotations read as FastAPI reads them in that module."""
    signature = get_typed_signature(function)
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # no request says their names
    return signature.replace(parameters=[each for each in signature.parameters.values() if each.kind not in open_ended])


class _Stream(StreamingResponse):
    """Sends each chunk as an event, and an exception as the last one."""

    def __init__(self, chunks: AsyncIterator[Any], name: str) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # the latter for nginx
        self._events = _ahead(_as_events(chunks, name))
        super().__init__(self._events, headers=headers, media_type="text/event-stream")

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._events):  # also when the reader left while nothing was read
            await super().stream_response(send)


async def _as_events(chunks: AsyncIterator[Any], name: str) -> AsyncGenerator[str, None]:
    try:
        async with aclosing(_iterated(chunks)) as items:
            async for item in items:
                yield f"data: {to_json(item)}\n\n"
    except (GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # users' code ends no server
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise  # the reader left; any other cancellation is of something that the function waited for
        logger.exception("%s failed while it streamed", name)
        told = {"error": str(error), "error_type": type(error).__name__, "message": "Error in streaming generator"}
        yield f"data: {to_json(told)}\n\n"


async def _iterated(chunks: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Yield from an iterator, and close it if it can be closed."""
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


async def _ahead(events: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Run a generator in a task of its own, a little ahead of who reads.

    A server cancels a response again and again until it ends, so that nothing in it could be awaited any more. In a
    task of its own the generator is cancelled once, and what it does at its end is waited for.
    """
    queue: asyncio.Queue[str | None] = asyncio.Queue(UNREAD)

    is_read = True

    async def pump() -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    if is_read:  # else nobody would make room for it
                        await queue.put(event)
        finally:  # whatever happened: who reads waits for the end
            if is_read:
                await queue.put(None)

    task = asyncio.create_task(pump())
    try:
        while (event := await queue.get()) is not None:
            yield event
    finally:
        is_read = False
        task.cancel()
        with CancelScope(shield=True):
            await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a stream broke off", exc_info=error)


def _is_cancelled() -> bool:
    """Say whether somebody cancelled the task that this runs in."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
