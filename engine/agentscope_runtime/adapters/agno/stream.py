"""What agents and teams of agno yield, as steps: the events of a run, and its output.

A handler passes on what `agent.arun(msgs, stream=True, stream_events=True)` yields, or returns what
`await agent.arun(msgs)` returns. Without `stream_events` agno tells of text only. Converters are found by the name of
an event (`RunContent`, `ToolCallStarted`, …, teams' without their `Team`), and by `RunOutput`; events that nobody
converts and that say nothing to users are dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agno.models.response import ToolExecution
from agno.run.agent import RunOutput
from agno.run.base import BaseRunOutputEvent, RunStatus
from agno.run.team import TeamRunOutput

from agentscope_runtime.adapters.agno.media import from_agno
from agentscope_runtime.adapters.text.stream import TextTranslator
from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.schemas.content import DataContent
from agentscope_runtime.engine.schemas.kinds import MessageType, Role
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.serialization import to_jsonable
from agentscope_runtime.engine.steps import Close, Data, Key, Open, Step, Text, Used, Whole

EXPECTED = "events of agno's runs, RunOutput, str, Message, Content, dict"


class AgnoRunFailed(Exception):
    """A run of agno ended with an error, which agno reports instead of raising it."""


@dataclass(slots=True)
class _Run:
    """One run of an agent; a team's members have runs of their own."""

    id: str | None
    name: str | None = None
    speaking: Key = None  #: the message that text goes into, if it is open
    said: bool = False  #: whether it said anything to the user
    thought: str = ""  #: what it thought so far
    cost: dict[str, Any] | None = None  #: of a request whose answer was nothing but calls

    @property
    def origin(self) -> dict[str, Any]:
        """Return the metadata of its messages."""
        named = {"original_id": self.id, "original_name": self.name}
        return {name: value for name, value in named.items() if value}


class AgnoTranslator:
    """Turns the outputs of one handler into steps. Runs may alternate: they are told apart by their ids."""

    def __init__(self, converters: Converters | None = None) -> None:
        self._converters = converters or {}
        self._plain = TextTranslator(expected=EXPECTED)
        self._runs: dict[str | None, _Run] = {}
        self._told: set[Key] = set()  # calls, results and media
        self._spent: dict[str, int] = {}

    def take(self, output: Any) -> list[Step]:
        """Return what an output says.

        Raises:
            AgnoRunFailed: that the run failed.
        """
        is_event = isinstance(output, BaseRunOutputEvent)
        if not is_event and not isinstance(output, RunOutput | TeamRunOutput):
            return self._plain.take(output)
        kind = output.event.removeprefix("Team") if is_event else "RunOutput"
        run = self._run(output)
        if convert := self._converters.get(kind):
            converted = convert(output)
            steps = list(self._leave(run)) if isinstance(converted, Message) else []
            return [*steps, *self._plain.put(converted, ("converted", run.id))]
        tell = _TELLERS.get(kind)
        return [*self._plain.finish(), *(tell(self, run, output) if tell else ())]

    def finish(self) -> list[Step]:
        """Return the closing of what no end was seen of."""
        return [*self._plain.finish(), *(step for run in self._runs.values() for step in self._leave(run))]

    def _run(self, output: Any) -> _Run:
        if (run := self._runs.get(output.run_id)) is None:
            run = self._runs[output.run_id] = _Run(output.run_id)
        run.name = getattr(output, "agent_name", None) or getattr(output, "team_name", None) or run.name
        return run

    def _content(self, run: _Run, event: Any) -> Iterator[Step]:
        if event.reasoning_content:
            yield from self._think(run, event.reasoning_content)
        yield from self._say(run, event.content)
        if event.response_audio is not None:
            yield from self._say(run, event.response_audio.transcript)
        yield from self._show(run, event.image)

    def _thought_delta(self, run: _Run, event: Any) -> Iterator[Step]:
        yield from self._think(run, event.reasoning_content)

    def _thought_step(self, run: _Run, event: Any) -> Iterator[Step]:
        yield from self._think(
            run, (event.reasoning_content or "").removeprefix(run.thought)
        )  # it holds the earlier ones

    def _intermediate(self, run: _Run, event: Any) -> Iterator[Step]:
        """Tell what another model will put into its final form: it is not the answer."""
        if isinstance(event.content, str):
            yield from self._think(run, event.content)

    def _ended(self, run: _Run, event: Any) -> Iterator[Step]:
        yield from self._leave(run)

    def _requested(self, run: _Run, event: Any) -> Iterator[Step]:
        """Count what a request to a model cost, and say so where its answer ends."""
        if not (cost := _cost(event)):
            return
        self._spent = {name: self._spent.get(name, 0) + count for name, count in cost.items()}
        if run.speaking is None:
            run.cost = cost
        yield from self._leave(run, cost)
        yield Used(self._spent)

    def _called(self, run: _Run, event: Any) -> Iterator[Step]:
        yield from self._call(run, event.tool)

    def _returned(self, run: _Run, event: Any) -> Iterator[Step]:
        media = [*(event.images or ()), *(event.videos or ()), *(event.audio or ()), *(event.files or ())]
        yield from self._result(run, event.tool, media)

    def _paused(self, run: _Run, event: Any) -> Iterator[Step]:
        """Tell which calls wait for somebody outside: for a person to agree, or for the caller to run the tool."""
        for tool in event.tools or ():
            yield from self._call(run, tool)

    def _failed(self, run: _Run, event: Any) -> Iterator[Step]:
        yield from self._leave(run)
        if getattr(event, "parent_run_id", None) is None:  # a team can go on without one of its members
            raise AgnoRunFailed(f"{event.error_type or 'error'}: {event.content}")

    def _completed(self, run: _Run, event: Any) -> Iterator[Step]:
        """Tell what was not told on the way."""
        if event.reasoning_content and not run.thought:
            yield from self._think(run, event.reasoning_content)
        if not run.said:
            yield from self._say(run, event.content)
        media = [event.images, event.videos, event.audio, event.files, [event.response_audio]]
        for medium in (medium for some in media for medium in some or ()):
            yield from self._show(run, medium)
        cost = _cost(event.metrics)
        yield from self._leave(run, None if self._spent else cost)
        if cost and not self._spent:
            yield Used(cost)

    def _output(self, run: _Run, output: Any) -> Iterator[Step]:
        if output.status == RunStatus.error:
            raise AgnoRunFailed(str(output.content))
        for tool in output.tools or ():
            yield from self._call(run, tool)
            if tool.result is not None:
                yield from self._result(run, tool, [])
        yield from self._completed(run, output)

    def _call(self, run: _Run, tool: ToolExecution | None) -> Iterator[Step]:
        if tool is None or (key := ("call", tool.tool_call_id)) in self._told:
            return
        self._told.add(key)
        yield from self._leave(run)
        arguments = json.dumps(tool.tool_args or {}, ensure_ascii=False, default=str)
        yield Open(key, MessageType.PLUGIN_CALL, metadata=run.origin)
        yield Data(key, {"call_id": tool.tool_call_id or "", "name": tool.tool_name or "", "arguments": arguments})
        yield Close(key, run.cost)
        run.cost = None

    def _result(self, run: _Run, tool: ToolExecution | None, media: Iterable[Any]) -> Iterator[Step]:
        if tool is None or (key := ("result", tool.tool_call_id)) in self._told:
            return
        yield from self._call(run, tool)
        self._told.add(key)
        yield Open(
            key, MessageType.PLUGIN_CALL_OUTPUT, Role.TOOL, {"status": "error"} if tool.tool_call_error else None
        )
        yield Data(key, {"call_id": tool.tool_call_id or "", "name": tool.tool_name or "", "output": tool.result or ""})
        for medium in media:
            self._told.add(("medium", medium.id))  # the run's output has them, too
            yield Whole(key, from_agno(medium))
        yield Close(key)

    def _say(self, run: _Run, content: Any) -> Iterator[Step]:
        if content is None or content == "":
            return
        run.said = True
        yield from self._enter(run, MessageType.MESSAGE)
        if isinstance(content, str):
            yield Text(run.speaking, content)
        else:
            yield Whole(run.speaking, DataContent(data=to_jsonable(content)))

    def _think(self, run: _Run, thought: str | None) -> Iterator[Step]:
        if thought:
            run.thought += thought
            yield from self._enter(run, MessageType.REASONING)
            yield Text(run.speaking, thought)

    def _show(self, run: _Run, medium: Any) -> Iterator[Step]:
        if medium is None or (key := ("medium", medium.id)) in self._told:
            return
        self._told.add(key)
        yield from self._enter(run, MessageType.MESSAGE)
        yield Whole(run.speaking, from_agno(medium))

    def _enter(self, run: _Run, kind: str) -> Iterator[Step]:
        if run.speaking != (kind, run.id):
            yield from self._leave(run)
            yield Open((kind, run.id), kind, metadata=run.origin)
            run.speaking = (kind, run.id)

    def _leave(self, run: _Run, usage: dict[str, Any] | None = None) -> Iterator[Step]:
        if run.speaking is not None:
            yield Close(run.speaking, usage)
            run.speaking = None


def _cost(metrics: Any) -> dict[str, Any] | None:
    if metrics is None or not metrics.total_tokens:
        return None
    names = ("input_tokens", "output_tokens", "total_tokens")
    return {name: getattr(metrics, name) or 0 for name in names}


_TELLERS: dict[str, Callable[[AgnoTranslator, _Run, Any], Iterator[Step]]] = {
    "RunContent": AgnoTranslator._content,
    "RunIntermediateContent": AgnoTranslator._intermediate,
    "RunContentCompleted": AgnoTranslator._ended,
    "ReasoningContentDelta": AgnoTranslator._thought_delta,
    "ReasoningStep": AgnoTranslator._thought_step,
    "ReasoningCompleted": AgnoTranslator._ended,
    "ModelRequestCompleted": AgnoTranslator._requested,
    "ToolCallStarted": AgnoTranslator._called,
    "ToolCallCompleted": AgnoTranslator._returned,
    "RunPaused": AgnoTranslator._paused,
    "RunCancelled": AgnoTranslator._ended,
    "RunError": AgnoTranslator._failed,
    "RunCompleted": AgnoTranslator._completed,
    "RunOutput": AgnoTranslator._output,
}
"""What each kind of event tells users."""
