"""Whole messages: what a handler gets of a request as `Msg`s, and what a finished Msg is as messages.

A Msg may hold thoughts, text, calls of tools and their results, each of which is a message of its own for clients. The
metadata of those say which Msg they were (`original_id`, `original_name`, `original_metadata`), so that it can be put
together again when a client sends them back, or when a session's history is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Literal, cast, overload

from agentscope.formatter import (
    GeminiChatFormatter,
    GeminiMultiAgentFormatter,
    OllamaChatFormatter,
    OllamaMultiAgentFormatter,
)
from agentscope.message import Msg

from agentscope_runtime.adapters.agentscope.blocks import (
    MEDIA,
    Block,
    as_block,
    as_part,
    blocks_in,
    every_block,
    input_of,
    result_of,
)
from agentscope_runtime.adapters.agentscope.runs import (
    CALLS,
    RESULTS,
    Run,
    call_data,
    metadata_of,
    result_data,
    result_media,
    role_in,
    runs_of,
)
from agentscope_runtime.adapters.media import elsewhere, not_loaded
from agentscope_runtime.engine.frameworks import Converters
from agentscope_runtime.engine.schemas.content import Content, DataContent, TextContent
from agentscope_runtime.engine.schemas.kinds import MessageType, Role, RunStatus
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.serialization import to_jsonable

_ROLES: dict[str | None, Literal["assistant", "system"]] = {
    Role.ASSISTANT: "assistant",
    Role.SYSTEM: "system",
    Role.TOOL: "system",
    "developer": "system",
}
"""What agentscope, which knows three roles, calls ours; everybody else is a user."""

_FORM = "original_form"
"""What a Msg and its blocks have beside what a message can say: only where it is kept, not where it is streamed."""

_LOADERS = (GeminiChatFormatter, GeminiMultiAgentFormatter, OllamaChatFormatter, OllamaMultiAgentFormatter)
"""Formatters that load pictures themselves; those for OpenAI, DashScope and Anthropic tell the model the address."""


def agentscope_msg_to_message(messages: Msg | Sequence[Msg]) -> list[Message]:
    """Return the messages that finished Msgs are; `message_to_agentscope_msg` makes the same Msgs of them again."""
    msgs = [messages] if isinstance(messages, Msg) else messages
    return [message for msg in msgs for message in _messages_of(msg)]


def _messages_of(msg: Msg) -> Iterator[Message]:
    form: dict[str, Any] = {"role": msg.role, "timestamp": msg.timestamp, "plain": isinstance(msg.content, str)}
    if invocation := getattr(msg, "invocation_id", None):
        form["invocation_id"] = invocation
    for run in runs_of(blocks_in(msg.content)) or [Run(MessageType.MESSAGE, 0, [])]:
        extras = {str(place): more for place, block in enumerate(run.blocks) if (more := _beside(block))}
        yield Message(
            type=run.kind,
            role=role_in(run.kind, msg.role),
            content=_parts_of(run),
            status=RunStatus.Completed,
            metadata=metadata_of(msg, run) | {_FORM: to_jsonable(form | ({"extras": extras} if extras else {}))},
        )


_SAID = {
    "text": {"type", "text"},
    "thinking": {"type", "thinking"},
    "tool_use": {"type", "id", "name", "input", "raw_input", "server_label"},
    "tool_result": {"type", "id", "name", "output", "server_label"},
    **{kind: {"type", "source"} for kind in MEDIA - {"file"}},
}
"""Keys of blocks that parts of messages have a place for, by type of block."""


def _beside(block: Block) -> Block:
    """Return what a block has that its part cannot say, such as the signature of a thought; all of an unknown one."""
    said: set[str] = _SAID.get(str(block.get("type")), set())
    return {key: value for key, value in block.items() if key not in said}


def _parts_of(run: Run) -> list[Any]:
    first = run.blocks[0] if run.blocks else {}
    if run.kind in CALLS:
        return [DataContent(data=call_data(first, whole=True))]
    if run.kind in RESULTS:
        return [DataContent(data=result_data(first)), *result_media(first)]
    if run.kind == MessageType.REASONING:
        return [TextContent(text=block.get("thinking") or "") for block in run.blocks]
    return [as_part(block) for block in run.blocks]


@overload
def message_to_agentscope_msg(messages: Message) -> Msg: ...


@overload
def message_to_agentscope_msg(messages: Sequence[Message]) -> list[Msg]: ...


def message_to_agentscope_msg(messages: Message | Sequence[Message]) -> Msg | list[Msg]:
    """Return the Msgs that messages of a client are: those which were one Msg become one again.

    Raises:
        LocalAddress: the client names a file of this machine, or a place in its network.
        RemoteAddress: it names a sound or film elsewhere, which some of agentscope's formatters load.
    """
    msgs = restored([messages] if isinstance(messages, Message) else messages)
    _check_addresses(msgs)
    return msgs[0] if isinstance(messages, Message) else msgs


def restored(messages: Iterable[Message]) -> list[Msg]:
    """Return the Msgs that messages were, whoever wrote them; each stands where the first of its messages does."""
    together: dict[str, list[Message]] = {}
    for message in messages:
        together.setdefault(original_id(message), []).append(message)
    return [_msg_of(group) for group in together.values()]


def original_id(message: Message) -> str:
    """Return the id of the Msg that a message was, or was part of."""
    return str((message.metadata or {}).get("original_id") or message.id)


def _msg_of(messages: Sequence[Message]) -> Msg:
    """Make one Msg of the messages that it was."""
    first, origin = messages[0], messages[0].metadata or {}
    form = _object(origin.get(_FORM))
    blocks = [block for message in messages for block in _blocks_of(message)]
    plain = form.get("plain") and [block["type"] for block in blocks] == ["text"]
    role = _role_of(first, form.get("role"))
    msg = Msg(
        name=str(origin.get("original_name") or first.role or role),
        content=blocks[0]["text"] if plain else cast(Any, blocks),
        role=role,
        metadata=_object(origin.get("original_metadata", origin.get("metadata"))),
        timestamp=form.get("timestamp"),
    )
    msg.id = original_id(first)
    if "invocation_id" in form:
        msg.invocation_id = form["invocation_id"]
    return msg


def _role_of(message: Message, kept: object) -> Literal["user", "assistant", "system"]:
    match kept:
        case "user" | "assistant" | "system":
            return kept
    if message.role in _ROLES:
        return _ROLES[message.role]
    if message.role is not None or message.type == MessageType.MESSAGE:
        return "user"
    return "system" if message.type in RESULTS else "assistant"


def _object(value: object) -> dict[str, Any]:
    """Return an object that clients were to send; they may send anything."""
    return value if isinstance(value, dict) else {}


def _blocks_of(message: Message) -> list[Block]:
    parts: list[Content] = list(message.content or ())
    if message.type in CALLS:
        blocks = _calls_in(message, parts)
    elif message.type in RESULTS:
        blocks = _results_in(message, parts)
    elif message.type == MessageType.REASONING:
        blocks = [{"type": "thinking", "thinking": part.text or ""} for part in parts if isinstance(part, TextContent)]
    else:
        blocks = _as_they_are(parts)
    extras = _object(_object((message.metadata or {}).get(_FORM)).get("extras"))
    return [_with(block, _object(extras.get(str(place)))) for place, block in enumerate(blocks)]


def _with(block: Block, beside: Block) -> Block:
    return beside if "type" in beside else block | beside


def _calls_in(message: Message, parts: Sequence[Content]) -> list[Block]:
    calls: dict[str, Block] = {}  # the last snapshot of each
    for part in parts:
        if isinstance(part, DataContent) and (data := part.data):
            id = str(data.get("call_id") or message.id)
            call = {"type": "tool_use", "id": id, "name": str(data.get("name") or "")}
            calls[id] = call | {"input": input_of(data.get("arguments"))} | _labelled(data, message)
    return [*_as_they_are(part for part in parts if not isinstance(part, DataContent)), *calls.values()]


def _results_in(message: Message, parts: Sequence[Content]) -> list[Block]:
    data = [part.data for part in parts if isinstance(part, DataContent) and part.data]
    if not data:
        return _as_they_are(parts)
    last = data[-1]
    output = result_of(last.get("output", ""), (part for part in parts if not isinstance(part, DataContent)))
    result = {"type": "tool_result", "id": str(last.get("call_id") or message.id), "output": output}
    return [result | {"name": str(last.get("name") or "")} | _labelled(last, message)]


def _as_they_are(parts: Iterable[Content]) -> list[Block]:
    return [block for part in parts if (block := as_block(part))]


def _labelled(data: Mapping[str, Any], message: Message) -> Block:
    if message.type not in (MessageType.MCP_TOOL_CALL, MessageType.MCP_TOOL_CALL_OUTPUT):
        return {}
    return {"tool_type": "mcp", "server_label": data.get("server_label")}


def msgs_for_handler(messages: Sequence[Message], converters: Converters | None = None) -> list[Any]:
    """Return what a handler gets of a request's input.

    Args:
        messages: What the client sent.
        converters: By type of message, what makes a Msg, or several, of it instead.

    Raises:
        LocalAddress: the client names a file of this machine, or a place in its network.
        RemoteAddress: it names a sound or film elsewhere, which some of agentscope's formatters load.
    """
    msgs: list[Any] = []
    for special, group in groupby(messages, lambda message: message.type in (converters or {})):
        if special and converters:
            made = [converters[message.type](message) for message in group]
            msgs += [msg for one in made for msg in (one if isinstance(one, list) else [one])]
        else:
            msgs += message_to_agentscope_msg(list(group))
    return msgs


def refuse_linked_pictures(msgs: Iterable[Any], formatter: object) -> None:
    """Refuse links to pictures where an agent's formatter would load them, on the event loop; others hand them over.

    Raises:
        RemoteAddress: there is one.
    """
    if isinstance(formatter, _LOADERS):
        for kind, url in _links(msg for msg in msgs if isinstance(msg, Msg)):
            if kind == "image":
                not_loaded(url)


def _check_addresses(msgs: Iterable[Msg]) -> None:
    for kind, url in _links(msgs):
        check = not_loaded if kind in ("audio", "video") else elsewhere
        check(url)


def _links(msgs: Iterable[Msg]) -> Iterator[tuple[Any, str]]:
    for msg in msgs:
        for block in every_block(blocks_in(msg.content)):
            source = block.get("source")
            if isinstance(source, Mapping) and source.get("type") == "url":
                yield block.get("type"), str(source.get("url"))
