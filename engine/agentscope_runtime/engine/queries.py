"""Queries: what `@app.query` makes of a handler, an endpoint that answers as a stream of events or as one document.

A handler takes what it names of `self` (the Runner), `msgs` (the input, in its framework's form), `request` and
`response` (as it is so far), and whatever FastAPI provides for defaults such as `Depends(…)`. Not here: the run
itself (`runs`), and what the handler's outputs mean (`runner`).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import MethodType
from typing import Annotated, Any, get_args, get_origin

from anyio import move_on_after
from fastapi import Request
from fastapi.dependencies.utils import get_typed_signature
from fastapi.params import Depends, Param
from pydantic import BaseModel
from starlette.responses import Response

from agentscope_runtime.engine.errors import EngineError, InvalidOption
from agentscope_runtime.engine.frameworks import Adapter, find, load
from agentscope_runtime.engine.handlers import Handler
from agentscope_runtime.engine.interrupts.claims import Key
from agentscope_runtime.engine.run import PATIENCE_S, Run
from agentscope_runtime.engine.runner import Reply, Runner, with_ids
from agentscope_runtime.engine.runs import Runs
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest, RunStatus
from agentscope_runtime.engine.sse import EventStream, client_left, event_json

GIVEN = ("msgs", "request", "response")
"""What every handler is offered, beside its runner."""

_BODY, _CONNECTION, _BEGUN = "request", "_connection", "_begun"
"""The endpoint's own parameters; handlers cannot have one of the same name that FastAPI would provide."""


@dataclass(frozen=True, kw_only=True)
class Answering:
    """How queries are answered."""

    request_model: type[BaseModel] = AgentRequest
    """What the body must be."""
    streams: bool = True
    """Whether as a stream, unless the request asks for one document."""
    keeps_running: bool = False
    """Whether a run goes on when its reader leaves."""
    keep_alive_s: float = 15.0
    """Seconds of silence after which a stream gets a comment."""


class Query:
    """A handler on a path."""

    def __init__(self, function: Callable[..., Any], *, path: str, framework: str | None, runner: Runner) -> None:
        """Look at the handler; its framework is not imported yet.

        Args:
            function: The handler, of any kind.
            path: Where it is asked.
            framework: Whose messages it takes and yields; None is text.
            runner: What it gets as `self`.

        Raises:
            UnknownFramework: no adapter of this name.
            MissingFramework: its package is not installed.
            InvalidOption: the handler asks for something that nobody can give it.
        """
        self.path = path
        self.framework = find(framework)
        self.handler = Handler(bound(function, runner))
        self._provided = _provided(function)
        self._runner = runner
        _check(self.handler, self._provided)

    def load(self) -> Adapter:
        """Import the adapter, and with it the framework; takes seconds the first time."""
        return load(self.framework.name)

    def endpoint(self, runs: Runs, answering: Answering) -> Callable[..., Any]:
        """Return the function that FastAPI is to call for a POST."""

        async def query(**values: Any) -> Response:
            request = with_ids(values.pop(_BODY))
            connection: Request = values.pop(_CONNECTION)
            begun: list[Run] = values.pop(_BEGUN)
            reply = self._runner.reply(request, self.handler, self.load(), values)
            key: Key = (request.user_id, request.session_id)
            run = await runs.start(key, reply, keep_running=answering.keeps_running)
            begun.append(run)
            if not (answering.streams and getattr(request, "stream", True)):
                return await _document(run, reply, connection)
            return EventStream(run.batches(), keep_alive_s=answering.keep_alive_s, on_disconnect=run.disconnected)

        function = self.handler.function
        query.__name__ = getattr(function, "__name__", query.__name__)
        query.__doc__ = inspect.getdoc(function)
        keyword = inspect.Parameter.KEYWORD_ONLY
        query.__dict__["__signature__"] = inspect.Signature(
            [
                inspect.Parameter(_BODY, keyword, annotation=answering.request_model),
                inspect.Parameter(_CONNECTION, keyword, annotation=Request),
                *(parameter.replace(kind=keyword) for parameter in self._provided),
                inspect.Parameter(_BEGUN, keyword, annotation=list, default=Depends(_accompanied)),
            ]
        )
        return query


def bound(function: Callable[..., Any], runner: Runner) -> Callable[..., Any]:
    """Return a handler that gets the runner as its first parameter, if that is meant to be `self`."""
    if inspect.ismethod(function):
        return function
    first, *others = get_typed_signature(function).parameters.values() or [None]
    if first is None or first.kind is not first.POSITIONAL_OR_KEYWORD or first.name in GIVEN or _is_provided(first):
        return function
    # Some call it otherwise. A lone parameter of another name is more likely meant for the question.
    is_self = first.name == "self" or (others and first.default is first.empty)
    return MethodType(function, runner) if is_self else function


def _provided(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters that FastAPI provides, their annotations resolved where the handler was written."""
    return [parameter for parameter in get_typed_signature(function).parameters.values() if _is_provided(parameter)]


def _is_provided(parameter: inspect.Parameter) -> bool:
    marks = get_args(parameter.annotation)[1:] if get_origin(parameter.annotation) is Annotated else ()
    return any(isinstance(mark, Depends | Param) for mark in (parameter.default, *marks))


def _check(handler: Handler, provided: list[inspect.Parameter]) -> None:
    known = {*GIVEN, *(parameter.name for parameter in provided)}
    for parameter in handler.signature.parameters.values():
        is_open = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if not is_open and parameter.default is parameter.empty and parameter.name not in known:
            name = getattr(handler.function, "__name__", repr(handler.function))
            raise InvalidOption(
                f"the query handler {name} asks for {parameter.name!r}: it may ask for self, {', '.join(GIVEN)}, "
                "and for what has a default, such as Depends(…)"
            )


async def _accompanied() -> AsyncIterator[list[Run]]:
    """Give room for the run that a request begins; a request ends with its run.

    Whatever the handler depends on was opened before this, and is closed after it: handlers use it to their end. And
    where something fails between the endpoint and its response, which is never called then, the run has no reader.
    """
    begun: list[Run] = []
    try:
        yield begun
    finally:
        for run in begun:
            await run.disconnected()
            try:
                await run.ended()
            except asyncio.CancelledError:
                with move_on_after(PATIENCE_S, shield=True):  # a failing middleware cancels again and again
                    await run.ended()
                raise


async def _document(run: Run, reply: Reply, connection: Request) -> Response:
    """Wait for the end of a run, and answer with its response; a client that leaves is a reader that left."""
    finished = asyncio.ensure_future(run.finished())
    gone = asyncio.ensure_future(client_left(connection.receive))
    try:
        await asyncio.wait((finished, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not finished.done():
            finished.cancel()
            await run.disconnected()
    return Response(event_json(reply.response), _status_of(reply), media_type="application/json")


def _status_of(reply: Reply) -> int:
    """Return the status of a document: a request that was refused is the client's mistake, and no failure of ours."""
    if reply.response.status != RunStatus.Failed:
        return 200
    error = reply.failure
    return error.status if isinstance(error, EngineError) and error.status < 500 else 500
