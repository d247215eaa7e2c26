"""What each call to the manager is: method, path, body, and how to read the answer. No I/O happens here.

The async and the sync connection send these; the manager's `api/` answers them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.types import Entries, Entry, ToolResult, plain_type

T = TypeVar("T")
W = TypeVar("W", bound=wire.Wire)

START_ALLOWANCE = 60.0
"""Seconds that a connect may take on top of a call's time, because a sandbox may have to be started for it."""

RELEASE_TIMEOUT = 10.0
"""Seconds for giving back: the manager destroys in the background, and leaving a `with` should not hang."""

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call: pure data, and a function that makes sense of a good answer."""

    what: str
    """What is being done, for messages: `run tool 'x' in sbx-…`."""
    method: str
    path: str
    """Below the manager's base URL, with the query, quoted."""
    read: Callable[[bytes], T]
    body: bytes | None = None
    content_type: str | None = None
    timeout: float | None = None
    """Seconds that the answer may take; the client's default where None."""
    allowance: float = 0.0
    """Seconds on top of that."""
    idempotent: bool = True
    """Whether the call may be sent again when the connection broke and nobody knows whether it arrived."""


def connect(session_id: str, user_id: str = "", sandbox_types: Sequence[str] = ("base",)) -> Call[wire.LeaseInfo]:
    """Lease one sandbox of each kind to a session of a user; repeating it gives the same ones."""
    kinds = [sandbox_types] if isinstance(sandbox_types, str) else sandbox_types
    plain = [plain_type(name) for name in kinds]
    if twice := sorted({name for name in plain if plain.count(name) > 1}):
        raise InvalidRequest(f"asked twice for {', '.join(twice)}: a session holds one sandbox of each type")
    try:
        request = wire.ConnectRequest(session_id=session_id, user_id=user_id, sandbox_types=plain)
    except ValidationError as error:
        raise _invalid(error) from error
    call = _json(f"connect {', '.join(plain)}", "POST", "/v1/leases", request.model_dump(), wire.LeaseInfo)
    return replace(call, allowance=START_ALLOWANCE)


def release(session_id: str, user_id: str = "") -> Call[None]:
    """Give back all that a session of a user holds; nothing to give back is fine."""
    query = urlencode({"session_id": session_id, "user_id": user_id})
    what = f"release session {session_id!r}"
    return Call(what, "DELETE", f"/v1/leases?{query}", _nothing, timeout=RELEASE_TIMEOUT)


def sandbox(sandbox_id: str) -> Call[wire.SandboxInfo]:
    """Describe one sandbox."""
    return Call(f"look up {sandbox_id}", "GET", _at(sandbox_id), wire.SandboxInfo.model_validate_json)


def pool() -> Call[wire.PoolReport]:
    """Report how the pools stand."""
    return Call("ask for the pool", "GET", "/v1/pool", wire.PoolReport.model_validate_json)


def list_tools(sandbox_id: str) -> Call[wire.ToolList]:
    """List the tools of one sandbox."""
    return Call(f"list the tools of {sandbox_id}", "GET", _at(sandbox_id, "tools"), wire.ToolList.model_validate_json)


def call_tool(
    sandbox_id: str, name: str, arguments: Mapping[str, Any], timeout: float | None = None
) -> Call[ToolResult]:
    """Run a tool, with the seconds it may take; the tool's own default where None."""
    if not name:
        raise InvalidRequest("the tool's name is empty; list_tools() has the names")
    if timeout is not None and not 0 < timeout <= 3600:
        raise InvalidRequest(f"timeout is {timeout:g} s; it must be more than 0 and at most 3600")
    body: dict[str, Any] = {"arguments": arguments}
    if timeout is not None:
        body["timeout"] = timeout
    what, path = f"run tool {name!r} in {sandbox_id}", _at(sandbox_id, "tools", name)
    return Call(what, "POST", path, _object, _dump(body), _JSON, timeout, idempotent=False)


def desktop(sandbox_id: str, control: bool) -> Call[wire.DesktopLink]:
    """Make a link that opens the desktop once."""
    return _json(
        f"open the desktop of {sandbox_id}", "POST", _at(sandbox_id, "desktop"), {"control": control}, wire.DesktopLink
    )


def read_file(sandbox_id: str, path: str) -> Call[bytes]:
    """Fetch a file of the workspace."""
    return Call(f"read {path!r} in {sandbox_id}", "GET", _file(sandbox_id, "content", path), bytes)


def write_file(sandbox_id: str, path: str, content_type: str, body: bytes | None = None) -> Call[Entry]:
    """Put a file into the workspace; the body is here, or streamed beside the call."""
    location = _file(sandbox_id, "content", path)
    if not (content_type.isascii() and content_type.isprintable()):
        raise InvalidRequest(f"content_type {content_type!r} is not a media type, such as 'text/plain'")
    what = f"write {path!r} in {sandbox_id}"
    return Call(what, "PUT", location, _entry, body, content_type, idempotent=body is not None)


def list_files(sandbox_id: str, path: str, depth: int) -> Call[Entries]:
    """List a folder of the workspace, so many levels deep."""
    if depth < 1:
        raise InvalidRequest(f"depth is {depth}; 1 lists the folder itself, 2 its folders, too")
    location = _file(sandbox_id, "entries", path) + f"&depth={depth}"
    return Call(f"list {path!r} in {sandbox_id}", "GET", location, _entries)


def file_exists(sandbox_id: str, path: str) -> Call[bool]:
    """Ask whether a path exists."""
    return Call(f"look for {path!r} in {sandbox_id}", "GET", _file(sandbox_id, "exists", path), _flag("exists"))


def make_directory(sandbox_id: str, path: str) -> Call[bool]:
    """Make a folder and its parents; the answer tells whether it is new."""
    body = _dump({"path": path})
    where = _at(sandbox_id, "files", "directories")
    return Call(f"make {path!r} in {sandbox_id}", "POST", where, _flag("created"), body, _JSON, idempotent=False)


def move_file(sandbox_id: str, source: str, destination: str) -> Call[Entry]:
    """Move or rename a file or folder."""
    body = _dump({"source": source, "destination": destination})
    what = f"move {source!r} to {destination!r} in {sandbox_id}"
    return Call(what, "POST", _at(sandbox_id, "files", "move"), _entry, body, _JSON, idempotent=False)


def remove_file(sandbox_id: str, path: str) -> Call[None]:
    """Remove a file, or a folder with all in it; a missing one is fine."""
    return Call(f"remove {path!r} in {sandbox_id}", "DELETE", _file(sandbox_id, None, path), _nothing)


def _json(what: str, method: str, path: str, body: dict[str, Any], answer: type[W]) -> Call[W]:
    return Call(what, method, path, answer.model_validate_json, _dump(body), _JSON)


def _at(sandbox_id: str, *rest: str) -> str:
    return "/".join(("/v1/sandboxes", *(_quoted(part) for part in (sandbox_id, *rest))))


def _quoted(text: str, safe: str = "") -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{text!r} cannot be sent: it is not Unicode text") from error


def _file(sandbox_id: str, verb: str | None, path: str) -> str:
    if not path:
        raise InvalidRequest("the path is empty; '.' is the workspace itself")
    rest = ("files",) if verb is None else ("files", verb)
    return f"{_at(sandbox_id, *rest)}?path={_quoted(path, '/')}"


def _dump(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"the arguments are not JSON: {error}") from error


def _nothing(_: bytes) -> None:
    return None


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    return value


def _entry(body: bytes) -> Entry:
    return cast(Entry, _object(body))


def _entries(body: bytes) -> Entries:
    return cast(Entries, _object(body)["entries"])


def _flag(member: str) -> Callable[[bytes], bool]:
    return lambda body: bool(_object(body)[member])


def _invalid(error: ValidationError) -> InvalidRequest:
    parts = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False))
    return InvalidRequest("; ".join(parts))
