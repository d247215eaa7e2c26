"""The Runner: calls a handler in the words of its framework, and says in events what it answers.

    class Echo(Runner):
        framework_type = "text"

        async def query_handler(self, request, **kwargs):
            yield request.input[-1].get_text_content()

    async with Echo() as runner:
        async for event in runner.stream_query({"input": [{"role": "user", "content": "hello"}]}):
            ...

Not here: that a session has one run at a time, and how a run is stopped (`runs`); what comes over HTTP (`queries`).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from agentscope_runtime.engine.errors import NotStarted
from agentscope_runtime.engine.events import EventWriter
from agentscope_runtime.engine.frameworks import Adapter, load
from agentscope_runtime.engine.handlers import END, Handler, Relay
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest, AgentResponse, BaseRequest, Event
from agentscope_runtime.engine.steps import Step
from agentscope_runtime.engine.told import told

logger = logging.getLogger(__name__)


class Runner:
    """Runs one agent: subclasses say how, by `query_handler`, and of which framework it is.

    Whatever is set on a runner, by its `init_handler` for instance, its handlers find there as `self`.
    """

    framework_type: str | None = None
    """Whose messages the handler gets and yields; None is text."""
    _health = False

    def __init__(self) -> None:
        self.in_type_converters: dict[str, Callable[[Any], Any]] = {}
        """What converts messages of the request, by their type, instead of the adapter."""
        self.out_type_converters: dict[str, Callable[[Any], Any]] = {}
        """What converts blocks that the handler yields, by their type, instead of the adapter."""

    def query_handler(self, *args: Any, **kwargs: Any) -> Any:
        """Answer a request: a function of any kind, which takes of `msgs`, `request` and `response` what it names."""
        raise NotImplementedError("this runner has no query_handler: override it, or use @app.query")

    def init_handler(self, *args: Any, **kwargs: Any) -> Any:
        """Prepare what the handlers need; plain or async."""

    def shutdown_handler(self, *args: Any, **kwargs: Any) -> Any:
        """Clean up; plain or async."""

    @property
    def health(self) -> bool:
        """Whether it is started."""
        return self._health

    async def start(self) -> None:
        """Load the framework and call `init_handler`; does nothing when it is started already."""
        if self._health:
            return
        # Frameworks take seconds to import.
        await asyncio.to_thread(load, self.framework_type)
        await _finished(self.init_handler())
        self._health = True

    async def stop(self) -> None:
        """Call `shutdown_handler`, once for each start."""
        if self._health:
            self._health = False
            await _finished(self.shutdown_handler())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stream_query(
        self, request: AgentRequest | Mapping[str, Any], **kwargs: Any
    ) -> AsyncGenerator[Event, None]:
        """Answer a request with the events of one response. A failure of the handler is the last of them.

        Args:
            request: What is asked.
            kwargs: What the handler gets beside it.

        Raises:
            NotStarted: the runner was not started.
            pydantic.ValidationError: the request is none.
        """
        if not isinstance(request, BaseRequest):
            request = AgentRequest.model_validate(request)
        handler, adapter = Handler(self.query_handler), load(self.framework_type)
        reply = self.reply(with_ids(request), handler, adapter, kwargs)
        async with aclosing(reply.batches()) as batches:
            is_over, events = False, list[Event]()
            while not is_over:
                # Nothing is yielded within: what the caller throws in there, such as `GeneratorExit`, is no failure.
                try:
                    if (batch := await anext(batches, None)) is None:
                        is_over, events = True, reply.completed()
                    else:
                        events = batch
                except (KeyboardInterrupt, asyncio.CancelledError):
                    raise
                except BaseException as error:  # noqa: BLE001 - the edge to users' code; `failed` logs it
                    is_over, events = True, reply.failed(error)
                for event in events:
                    yield event

    def reply(self, request: Any, handler: Handler, adapter: Adapter, offers: Mapping[str, Any]) -> Reply:
        """Prepare the answer to a request that has its ids.

        Raises:
            NotStarted: the runner was not started.
        """
        if not self._health:
            raise NotStarted("Runner has not been started: call `await runner.start()`, or serve its application")
        return Reply(self, request, handler, adapter, offers)


class Reply:
    """One answer: events in batches while the handler works, and what is to be said last, however it ends."""

    def __init__(
        self, runner: Runner, request: Any, handler: Handler, adapter: Adapter, offers: Mapping[str, Any]
    ) -> None:
        self.request = request
        self._runner = runner
        self._handler = handler
        self._adapter = adapter
        self._offers = offers
        self._writer = EventWriter(session_id=request.session_id)
        self._unsaid: list[Event] = []  # of an output that was not understood to its end
        self._is_canceled = False
        self.failure: BaseException | None = None

    @property
    def response(self) -> AgentResponse:
        """The response as it is so far."""
        return self._writer.response

    async def batches(self) -> AsyncGenerator[list[Event], None]:
        """Call the handler, and yield what each of its outputs means; whatever it raises is raised here.

        A cancellation may be thrown in between two batches, as into `Handler.outputs`.
        """
        yield self._writer.begin()
        translator = self._adapter.translator(self._runner.out_type_converters)
        msgs = self._adapter.messages(getattr(self.request, "input", ()), self._runner.in_type_converters)
        offers = {**self._offers, "msgs": msgs, "request": self.request, "response": self.response}
        async with aclosing(self._handler.outputs(**offers)) as outputs:
            relay = Relay(outputs)
            while (output := await relay.next()) is not END:
                if self._is_canceled:
                    return  # the handler goes on although it was stopped: it is closed
                if not (events := self._events(translator.take(output))):
                    continue
                with relay:
                    yield events
        if events := self._events(translator.finish()):
            yield events

    def completed(self) -> list[Event]:
        """Return the last events when the handler came to its end."""
        return self._last(self._writer.complete())

    def failed(self, error: BaseException) -> list[Event]:
        """Log what the handler raised, and return the last events, which tell no secrets."""
        self.failure = error
        logger.error("the handler failed in session %r", self.request.session_id, exc_info=error)
        return self._last(self._writer.fail(*told(error)))

    def canceled(self) -> list[Event]:
        """Return the last events when somebody stopped the run; what the handler says after that is not said."""
        self._is_canceled = True
        return self._last(self._writer.cancel())

    def _events(self, steps: Iterable[Step]) -> list[Event]:
        """Return what steps mean; where one of them fails, what those before it mean is said with the last words."""
        events = self._unsaid
        for step in steps:
            events += self._writer.take(step)
        self._unsaid = []
        return events

    def _last(self, words: list[Event]) -> list[Event]:
        unsaid, self._unsaid = self._unsaid, []
        return unsaid + words


def with_ids(request: Any) -> Any:
    """Return a request that says whose it is: a session without a name is new, and a user without one is the session.

    This comes before everything else: two requests without names have nothing to do with each other.
    """
    session_id = getattr(request, "session_id", None) or str(uuid4())
    user_id = getattr(request, "user_id", None) or session_id
    return request.model_copy(update={"session_id": session_id, "user_id": user_id})


async def _finished(result: Any) -> None:
    if inspect.isawaitable(result):
        await result
