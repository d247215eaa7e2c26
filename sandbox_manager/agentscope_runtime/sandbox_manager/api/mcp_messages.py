"""The messages of the Model Context Protocol, as a server that keeps no session reads and writes them. No I/O.

Two eras of the protocol are spoken side by side. Until 2025-11-25 a client says `initialize` once and its revision in
a header; since 2026-07-28 each request carries its revision in `_meta`, and `server/discover` takes the place of that
handshake. A request is answered in the era that it comes in. Why this is not the `mcp` package: decision 022.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic_core import from_json, to_json

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)
VERSIONS = (*HANDSHAKE_VERSIONS, *MODERN_VERSIONS)

PARSE_ERROR = -32700
INVALID_MESSAGE = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
SANDBOX_ERROR = -32000
"""The sandbox cannot be used: it is gone, or never was; `data` has the problem document."""

STATUS = {
    METHOD_NOT_FOUND: HTTPStatus.NOT_FOUND,
    SANDBOX_ERROR: HTTPStatus.OK,
    INTERNAL_ERROR: HTTPStatus.OK,
}
"""HTTP status of an error since 2026-07-28, 400 where it is not here. Clients of before read errors from 200 only."""

META = "io.modelcontextprotocol/"

Json = dict[str, Any]


class RpcError(Exception):
    """A request that is answered with an error, not with a result."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        """Describe it as JSON-RPC does."""
        super().__init__(message)
        self.code = code
        self.data = data

    def to_json(self) -> Json:
        """Return the member `error` of the answer."""
        error: Json = {"code": self.code, "message": str(self)}
        return error if self.data is None else {**error, "data": self.data}


@dataclass(frozen=True, slots=True)
class Message:
    """One request, or a notification, which has no id and gets no answer."""

    method: str
    params: Json
    id: str | int | None
    version: str | None
    """The revision that it says it is of; None says nothing."""

    @property
    def is_modern(self) -> bool:
        """Whether each request stands for itself, as since 2026-07-28."""
        return self.version in MODERN_VERSIONS


def parse(body: bytes, headers: Mapping[str, str]) -> Message:
    """Read one message.

    Args:
        body: What was posted.
        headers: Of HTTP, by lower-case name.

    Raises:
        RpcError: It is no message, or contradicts its headers, or is of a revision that nobody here knows.
    """
    try:
        members = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RpcError(PARSE_ERROR, f"the body is not JSON: {error}") from error
    if isinstance(members, list):
        raise RpcError(INVALID_MESSAGE, "batches are not served: post one message at a time")
    if not isinstance(members, dict) or members.get("jsonrpc") != "2.0" or not isinstance(members.get("method"), str):
        raise RpcError(INVALID_MESSAGE, 'the body is no request: {"jsonrpc": "2.0", "id": …, "method": …} is one')
    identity = members.get("id")
    if "id" in members and (not isinstance(identity, str | int) or isinstance(identity, bool)):
        raise RpcError(INVALID_MESSAGE, "the id of a request is a text or an integer")
    params = members.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params must be an object")
    message = Message(members["method"], params, identity, _version(params, headers))
    _check(message, headers)
    return message


def identity_of(body: bytes) -> str | int | None:
    """Return the id of a message that `parse` refused, where one can be read."""
    try:
        members = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    identity = members.get("id") if isinstance(members, dict) else None
    return identity if isinstance(identity, str | int) and not isinstance(identity, bool) else None


def _version(params: Json, headers: Mapping[str, str]) -> str | None:
    meta = params.get("_meta")
    said = meta.get(f"{META}protocolVersion") if isinstance(meta, dict) else None
    if said is not None and not isinstance(said, str):
        raise RpcError(INVALID_PARAMS, "the protocol version in _meta is not a text")
    return said or headers.get("mcp-protocol-version")


def _check(message: Message, headers: Mapping[str, str]) -> None:
    """Refuse what contradicts itself: something between the client and us may have acted on the headers."""
    header = headers.get("mcp-protocol-version")
    if header is not None and header != message.version:
        raise RpcError(HEADER_MISMATCH, f"MCP-Protocol-Version is {header!r}, and _meta says {message.version!r}")
    if message.version not in (None, *VERSIONS):
        data = {"supported": list(VERSIONS), "requested": message.version}
        raise RpcError(UNSUPPORTED_VERSION, f"there is no protocol version {message.version!r} here", data)
    if message.is_modern and headers.get("mcp-method", message.method) != message.method:
        raise RpcError(HEADER_MISMATCH, f"Mcp-Method is not {message.method!r}")


def negotiated(params: Json) -> str:
    """Return the revision to speak with a client that says `initialize`: its own, or our newest of that era."""
    wanted = params.get("protocolVersion")
    return wanted if wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]


def finished(message: Message, result: Json, server: Json) -> Json:
    """Return a result with what the revision of its request asks for on top."""
    if not message.is_modern:
        return result
    meta = {f"{META}serverInfo": server, **result.get("_meta", {})}
    cached = {} if message.method == "tools/call" else {"ttlMs": 0, "cacheScope": "private"}
    return {"resultType": "complete", **cached, **result, "_meta": meta}


def answer(identity: str | int | None, result: Json) -> bytes:
    """Return the answer that carries a result."""
    message = {"jsonrpc": "2.0", "id": identity, "result": result}
    try:
        return to_json(message)
    except ValueError:  # half of a surrogate pair in what an MCP server of the box said
        return json.dumps(message).encode()


def read(body: bytes) -> Json:
    """Read what a box answered."""
    try:
        value: Json = from_json(body)
    except ValueError:  # as above; slower, and takes what JSON can spell and no encoding can carry
        value = json.loads(body)
    return value


def refusal(identity: str | int | None, error: RpcError) -> bytes:
    """Return the answer that carries an error."""
    return to_json({"jsonrpc": "2.0", "id": identity, "error": error.to_json()})


def tool(listed: Json) -> Json:
    """Return a tool as the protocol has it, from how our API lists it."""
    schema = {"type": "object", "properties": {}, **listed["input_schema"]}
    made = {"name": listed["name"], "description": listed["description"], "inputSchema": schema}
    if listed.get("output_schema") is not None:
        made["outputSchema"] = listed["output_schema"]
    return {**made, "_meta": {"group": listed["group"]}}


def tool_result(result: Json) -> Json:
    """Return a tool's result as the protocol has it: what our API says as null is left out there."""
    made: Json = {"content": [_item(item) for item in result["content"]], "isError": result["isError"]}
    if result.get("structuredContent") is not None:
        made["structuredContent"] = result["structuredContent"]
    if result.get("meta") is not None:
        made["_meta"] = result["meta"]
    return made


def said(text: str) -> Json:
    """Return the result that says what is wrong with a call, for the model to do better."""
    return {"content": [{"type": "text", "text": text}], "isError": True}


def _item(item: Json) -> Json:
    made = {name: value for name, value in item.items() if value is not None and name != "description"}
    if item.get("description") is not None and item["type"] in ("text", "image"):
        made["_meta"] = {"description": item["description"], **made.get("_meta", {})}
    return made
