"""A reader of event streams that forgives nothing: a state machine written from the contract, not from the writer.

    response created, in_progress, then messages, then response completed | failed | canceled, then nothing
    message  in_progress, then its parts, then completed (incomplete, if the response fails or is canceled)
    part     any number of in_progress, then completed (incomplete, as its message)

Whatever is told twice must be the same both times: deltas and the whole text, parts and their message, messages and the
output of the response.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

RESPONSE_KEYS = [
    "sequence_number",
    "object",
    "status",
    "error",
    "id",
    "created_at",
    "completed_at",
    "output",
    "usage",
    "session_id",
]
MESSAGE_KEYS = [
    "sequence_number",
    "object",
    "status",
    "error",
    "id",
    "type",
    "role",
    "content",
    "code",
    "message",
    "usage",
    "metadata",
    "text",
]
CONTENT_KEYS = ["sequence_number", "object", "status", "error", "type", "index", "delta", "msg_id"]
OWN_KEYS = {
    "text": ["text"],
    "data": ["data"],
    "image": ["image_url"],
    "audio": ["data", "format"],
    "video": ["video_url"],
    "file": ["file_url", "file_id", "filename", "file_data"],
    "refusal": ["refusal"],
}
MESSAGE_TYPES = {
    *("message", "function_call", "function_call_output", "plugin_call", "plugin_call_output", "component_call"),
    *("component_call_output", "mcp_list_tools", "mcp_approval_request", "mcp_call", "mcp_approval_response"),
    *("mcp_call_output", "reasoning", "heartbeat", "error", "a2ui_response", "a2ui_action"),
}
ROLES = {"assistant", "user", "system", "tool"}
ENDS = {"completed", "failed", "canceled"}


@dataclass
class Reading:
    """What a whole stream said."""

    response: dict[str, Any]
    """Its last event."""
    messages: list[dict[str, Any]]
    """The last event of each message, in the order in which they ended."""
    text: str
    """What the agent said to the user: the text of its plain messages."""


@dataclass
class _Part:
    type: str
    said: Any = None
    """The text so far, or the latest data."""
    end: dict[str, Any] | None = None


@dataclass
class _Message:
    begin: dict[str, Any]
    parts: list[_Part] = field(default_factory=list)


def read(events: Iterable[dict[str, Any]]) -> Reading:
    """Read a whole stream; AssertionError says what is wrong with it, and at which event."""
    reader = _Reader()
    event: dict[str, Any] | None = None
    try:
        for event in events:
            reader.take(event)
        event = None
        return reader.reading()
    except AssertionError as error:
        error.add_note(f"at {json.dumps(event, ensure_ascii=False)}" if event else "at the end of the stream")
        raise


def parse_sse(stream: bytes | str) -> tuple[list[dict[str, Any]], bool]:
    """Return the events of a `text/event-stream`, and whether it ended with `[DONE]`."""
    text = stream.decode("utf-8") if isinstance(stream, bytes) else stream
    assert not text or text.endswith("\n\n"), f"the stream breaks off: …{text[-80:]!r}"
    events: list[dict[str, Any]] = []
    done = False
    for block in text.split("\n\n")[:-1]:
        assert not done, f"something follows [DONE]: {block!r}"
        if block.startswith(":"):
            assert "\n" not in block, f"a comment of several lines: {block!r}"
            continue
        assert block.startswith("data: ") and "\n" not in block, f"not one data line: {block!r}"
        if block == "data: [DONE]":
            done = True
        else:
            events.append(json.loads(block.removeprefix("data: "), parse_constant=_no_json, object_pairs_hook=_unique))
    return events, done


class _Reader:
    def __init__(self) -> None:
        self._number = 0
        self._response: dict[str, Any] | None = None
        self._open: dict[str, _Message] = {}
        self._ended: list[dict[str, Any]] = []
        self._ids: set[str] = set()

    def take(self, event: dict[str, Any]) -> None:
        number = event["sequence_number"]
        assert type(number) is int and number == self._number, f"number {number!r} where {self._number} is due"
        self._number += 1
        assert self._response is None or self._response["status"] not in ENDS, "something follows the end"
        match event["object"]:
            case "response":
                self._take_response(event)
            case "message" | "content" if self._response is None or self._response["status"] != "in_progress":
                raise AssertionError("it comes before the response is in progress")
            case "message":
                self._take_message(event)
            case "content":
                self._take_content(event)
            case other:
                raise AssertionError(f"unknown object {other!r}")

    def reading(self) -> Reading:
        assert self._response is not None and self._response["status"] in ENDS, "the response does not end"
        said = [one["text"] or "" for one in self._ended if (one["type"], one["role"]) == ("message", "assistant")]
        return Reading(self._response, self._ended, "".join(said))

    def _take_response(self, event: dict[str, Any]) -> None:
        _check_keys(event, RESPONSE_KEYS)
        before, self._response = self._response, event
        assert event["id"] and event["session_id"], "a response without id or session"
        assert type(event["created_at"]) is int, "created_at is no whole number of seconds"
        assert (event["error"] is not None) == (event["status"] == "failed"), "an error belongs to a failed response"
        if before is None:
            assert event["status"] == "created", f"the first event is {event['status']!r}"
        else:
            for key in ("id", "session_id", "created_at"):
                assert event[key] == before[key], f"the response's {key} changes"
            allowed = {"in_progress"} if before["status"] == "created" else ENDS
            assert event["status"] in allowed, f"{event['status']!r} after {before['status']!r}"
        if event["status"] in ENDS:
            self._check_end(event)
        else:
            assert not event["output"] and event["completed_at"] is None, "output before the end"

    def _check_end(self, event: dict[str, Any]) -> None:
        assert not self._open, f"messages that were never closed: {list(self._open)}"
        assert event["output"] == [one | {"sequence_number": None} for one in self._ended], (
            "output is not what was told"
        )
        _check_usage(event)
        if event["status"] == "completed":
            assert type(event["completed_at"]) is int, "a completed response without the time"
            assert event["completed_at"] >= event["created_at"], "it was completed before it was created"
            assert all(one["status"] == "completed" for one in self._ended), "a message is incomplete"
        else:
            assert event["completed_at"] is None, "completed_at of a response that was not completed"
        if event["status"] == "failed":
            assert list(event["error"]) == ["code", "message"], f"keys of the error: {list(event['error'])}"
            assert all(isinstance(said, str) and said for said in event["error"].values()), "an empty error"

    def _take_message(self, event: dict[str, Any]) -> None:
        _check_keys(event, MESSAGE_KEYS)
        assert event["error"] is None and event["code"] is None and event["message"] is None
        id = event["id"]
        if event["status"] == "in_progress":
            assert id and id not in self._ids, f"the id {id!r} is empty or was used before"
            assert event["type"] in MESSAGE_TYPES, f"unknown type {event['type']!r}"
            assert event["role"] in ROLES, f"unknown role {event['role']!r}"
            assert not event["content"] and event["text"] is None, "content before the message ends"
            self._ids.add(id)
            self._open[id] = _Message(event)
            return
        assert event["status"] in ("completed", "incomplete"), f"a message is {event['status']!r}"
        assert id in self._open, f"no message {id!r} is open"
        message = self._open.pop(id)
        for key in ("type", "role"):
            assert event[key] == message.begin[key], f"the message's {key} changes"
        assert all(part.end for part in message.parts), "a part of the message was never closed"
        told = [part.end | {"sequence_number": None} for part in message.parts if part.end]
        assert event["content"] == told, "the content is not what the parts told"
        statuses = {part["status"] for part in told}
        assert event["status"] == "incomplete" or statuses <= {"completed"}, "a complete message has an incomplete part"
        texts = [part["text"] for part in told if part["type"] == "text"]
        assert event["text"] == ("".join(texts) if texts else None), "text is not the text of the parts"
        _check_usage(event)
        self._ended.append(event)

    def _take_content(self, event: dict[str, Any]) -> None:
        assert event["type"] in OWN_KEYS, f"unknown content {event['type']!r}"
        _check_keys(event, [*CONTENT_KEYS, *OWN_KEYS[event["type"]]])
        assert event["error"] is None
        assert event["msg_id"] in self._open, f"no message {event['msg_id']!r} is open"
        parts = self._open[event["msg_id"]].parts
        index = event["index"]
        assert type(index) is int and 0 <= index <= len(parts), f"index {index!r} where {len(parts)} parts are known"
        new = index == len(parts)
        if new:
            parts.append(_Part(event["type"]))
        part = parts[index]
        assert part.type == event["type"], f"the part was {part.type!r} before"
        assert part.end is None, "the part has ended before"
        if event["status"] == "in_progress":
            _grow(part, event)
            return
        assert event["status"] in ("completed", "incomplete"), f"a part is {event['status']!r}"
        assert event["delta"] is None, "a whole part is no delta"
        if not new:
            assert event[part.type] == part.said, "the whole is not the sum of its deltas, or not the latest snapshot"
        part.end = event


def _grow(part: _Part, event: dict[str, Any]) -> None:
    if part.type == "text":
        assert event["delta"] is True, "text in progress is told by deltas"
        assert isinstance(event["text"], str) and event["text"], "an empty delta"
        part.said = (part.said or "") + event["text"]
    else:
        assert part.type == "data" and event["delta"] is False, "only data is told by snapshots"
        assert isinstance(event["data"], dict), "a snapshot that is no object"
        part.said = event["data"]


def _check_keys(event: dict[str, Any], keys: list[str]) -> None:
    assert list(event) == keys, f"keys {list(event)} instead of {keys}"


def _check_usage(event: dict[str, Any]) -> None:
    assert event["usage"] is None or isinstance(event["usage"], dict), "usage is no object"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a key twice: {names}"
    return dict(pairs)


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")
