"""What an agentscope handler yields, in steps: Msgs that grow, each with a flag that says whether it is complete.

    async for msg, last in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
        yield msg, last

A Msg comes again and again with all of its content so far; clients are told what was added. Each of its runs of blocks
(`runs.runs_of`) is a message with a life of its own. Msgs of several agents may be interleaved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from agentscope.message import Msg

from agentscope_runtime.adapters.agentscope.blocks import Block, as_part, blocks_in
from agentscope_runtime.adapters.agentscope.runs import (
    CALLS,
    FLOWING,
    RESULTS,
    Run,
    call_data,
    metadata_of,
    origin_of,
    result_data,
    result_media,
    role_in,
    runs_of,
)
from agentscope_runtime.adapters.text.stream import EXPECTED, TextTranslator
from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.serialization import to_jsonable
from agentscope_runtime.engine.steps import Close, Data, Key, Open, Step, Text, Used, Whole


class MsgTranslator:
    """Says what each Msg adds to what clients know; for one response."""

    def __init__(self, converters: Converters | None = None) -> None:
        """Begin a response.

        Args:
            converters: By type of block, what makes a message, parts or text of a complete block instead.
        """
        self._converters = converters or {}
        self._plain = TextTranslator(expected=f"(Msg, last), Msg, {EXPECTED}")
        self._telling: dict[str, _Telling] = {}
        self._servers: dict[Any, Any] = {}  # of MCP, by the id of the call

    def take(self, output: Any) -> Iterator[Step]:
        """Yield what is new in an output.

        Raises:
            UnusableOutput: it is neither a Msg nor anything that all handlers may yield.
        """
        match output:
            case Msg():
                yield from self._msg(output, True, None)
            case (Msg() as msg, last):
                yield from self._msg(msg, bool(last), None)
            case (Msg() as msg, last, speech):
                yield from self._msg(msg, bool(last), speech)
            case (said, bool()):  # what a handler puts among its Msgs in the same form
                yield from self.take(said)
            case Open() | Text() | Data() | Whole() | Close() | Used():
                yield output
            case _:
                yield from self._plain.take(output)

    def finish(self) -> Iterator[Step]:
        """Yield the end of what no `last` has ended."""
        for telling in self._telling.values():
            yield from telling.rest()
        yield from self._plain.finish()

    def _msg(self, msg: Msg, last: bool, speech: Block | list[Block] | None) -> Iterator[Step]:
        if (telling := self._telling.get(msg.id)) is None:
            yield from self._plain.finish()  # bare text before it is complete
            telling = self._telling[msg.id] = _Telling(msg.id, self._converters)
        blocks = [self._labelled(block) for block in blocks_in(msg.content)]
        spoken = [speech] if isinstance(speech, dict) else speech or []
        # Models of sound put what they say into the Msg, too.
        yield from telling.take(msg, [*blocks, *(block for block in spoken if block not in blocks)], last)

    def _labelled(self, block: Block) -> Block:
        """Mark the result of an MCP tool as such: only its call says so."""
        if block.get("tool_type") == "mcp":
            self._servers[block.get("id")] = block.get("server_label")
        elif block.get("type") == "tool_result" and block.get("id") in self._servers:
            return {**block, "tool_type": "mcp", "server_label": self._servers[block["id"]]}
        return block


class _Telling:
    """What clients were told of one Msg, by the messages that it is to them."""

    def __init__(self, msg_id: str, converters: Converters) -> None:
        self._msg_id = msg_id
        self._converters = converters
        self._latest: tuple[Msg, list[Block]] | None = None
        """How it came, unless that was its end."""
        self._open: dict[Key, Open] = {}
        self._texts: dict[Key, str] = {}
        self._data: dict[Key, dict[str, Any]] = {}
        self._shown: set[Key] = set()
        """Parts that are told once: pictures, and what converters made."""

    def take(self, msg: Msg, blocks: list[Block], last: bool) -> Iterator[Step]:
        """Yield what is new; with `last`, close all."""
        self._latest = None if last else (msg, blocks)
        runs = runs_of(blocks, self._converters)
        for run in runs:
            key: Key = (self._msg_id, run.kind, run.number, run.blocks[0].get("id"))
            # Text with something behind it has ended; calls and results may change until their Msg is complete.
            over = last or (run is not runs[-1] and run.kind in FLOWING)
            yield from self._tell(msg, run, key, over)
            if over:
                yield from self._close(msg, key, _usage_of(msg) if run is runs[-1] else None)
        if last:
            for key in list(self._open):  # what was in it before, and is not any more
                yield from self._close(msg, key, None)

    def rest(self) -> Iterator[Step]:
        """Yield the end of a Msg that did not come to its own."""
        if self._latest is not None:
            yield from self.take(*self._latest, last=True)

    def _tell(self, msg: Msg, run: Run, key: Key, over: bool) -> Iterator[Step]:
        first = run.blocks[0]
        if run.kind in self._converters:
            if over and key not in self._shown:
                self._shown.add(key)
                yield from self._converted(first, key)
        elif run.kind in CALLS:
            if first.get("id") or over:  # some models name a call late
                yield from self._snapshot(msg, run, key, call_data(first, whole=over))
        elif run.kind in RESULTS:
            yield from self._result(msg, run, key, over)
        else:
            yield from self._flow(msg, run, key, over)

    def _converted(self, block: Block, key: Key) -> Iterator[Step]:
        made = self._converters[block["type"]](block)
        own = TextTranslator(expected=EXPECTED)
        yield from own.put(list(made) if isinstance(made, Iterator) else made, key)
        yield from own.finish()

    def _snapshot(self, msg: Msg, run: Run, key: Key, data: dict[str, Any]) -> Iterator[Step]:
        """Tell a call or a result as far as it is known."""
        if self._data.get(key) == data:
            return
        yield from self._begin(msg, run, key)
        if key not in self._data and data.get("arguments"):
            yield Data(key, data | {"arguments": ""})
        self._data[key] = data
        yield Data(key, data)

    def _result(self, msg: Msg, run: Run, key: Key, over: bool) -> Iterator[Step]:
        yield from self._snapshot(msg, run, key, result_data(run.blocks[0]))
        if over and key in self._open:
            for part in result_media(run.blocks[0]):
                yield Whole(key, part)

    def _flow(self, msg: Msg, run: Run, key: Key, over: bool) -> Iterator[Step]:
        """Tell what was added to text or thoughts, and the pictures between."""
        counted: Counter[str] = Counter()
        for block in run.blocks:
            kind = str(block.get("type"))
            part = (kind, counted[kind])
            counted[kind] += 1
            told = (key, part)
            if kind in ("text", "thinking"):
                added = self._added(told, block.get(kind) or "", key)
                if added:
                    yield from self._begin(msg, run, key)
                    yield Text(key, added, part)
            elif told not in self._shown and (over or kind != "audio"):  # sound grows as it is spoken
                self._shown.add(told)
                yield from self._begin(msg, run, key)
                yield Whole(key, as_part(block))

    def _added(self, told: Key, text: str, key: Key) -> str:
        """Return what a text is longer by than what was told; all of it, if it does not continue that."""
        before = self._texts.get(told, "")
        if before.startswith(text):
            return ""  # the same, or shortened: what is told is told
        added = text.removeprefix(before)
        if before and key not in self._open and not added.strip():
            return ""  # some models put a line break behind their calls of tools
        self._texts[told] = text
        return added

    def _begin(self, msg: Msg, run: Run, key: Key) -> Iterator[Step]:
        if key not in self._open:
            self._open[key] = Open(key, run.kind, role_in(run.kind, msg.role), metadata_of(msg, run))
            yield self._open[key]

    def _close(self, msg: Msg, key: Key, usage: dict[str, Any] | None) -> Iterator[Step]:
        if (opening := self._open.pop(key, None)) is not None:
            if opening.metadata != (
                metadata := {**(opening.metadata or {}), **origin_of(msg)}
            ):  # structured output comes with the end
                yield Open(key, opening.type, opening.role, metadata)
            yield Close(key, usage)


def _usage_of(msg: Msg) -> dict[str, Any] | None:
    """Return the tokens that a Msg cost, where an agent writes them to it as `usage`."""
    usage = getattr(msg, "usage", None)
    if not isinstance(usage, Mapping):
        return None
    told: dict[str, Any] = to_jsonable({name: usage[name] for name in usage if name not in ("type", "metadata")})
    if "total_tokens" not in told and {"input_tokens", "output_tokens"} <= told.keys():
        told["total_tokens"] = told["input_tokens"] + told["output_tokens"]
    return told
