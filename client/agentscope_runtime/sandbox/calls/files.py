"""The files of a workspace."""

from __future__ import annotations

from typing import cast

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import (
    JSON,
    Call,
    at,
    check_seconds,
    dump,
    flag,
    json_call,
    nothing,
    quoted,
    read_object,
)
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.types import Entries, Entry

WATCH_MAX = 86_400.0
"""Seconds of the longest watch with an end."""


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


def read_archive(sandbox_id: str, path: str) -> Call[bytes]:
    """Fetch a folder of the workspace as a tar stream."""
    return Call(f"download {path!r} from {sandbox_id}", "GET", _file(sandbox_id, "archive", path), bytes)


def write_archive(sandbox_id: str, path: str) -> Call[Entry]:
    """Unpack a tar stream, which goes beside the call, into a folder of the workspace."""
    location = _file(sandbox_id, "archive", path)
    what = f"upload {path!r} to {sandbox_id}"
    return Call(what, "PUT", location, _entry, None, "application/x-tar", idempotent=False)


def file_entry(sandbox_id: str, path: str) -> Call[Entry]:
    """Describe one file or folder."""
    return Call(f"look at {path!r} in {sandbox_id}", "GET", _file(sandbox_id, "entry", path), _entry)


def watch_files(sandbox_id: str, path: str, recursive: bool, seconds: float | None) -> Call[bytes]:
    """Hear of changes in a folder, for so many seconds."""
    location = _file(sandbox_id, "watch", path) + f"&recursive={str(recursive).lower()}"
    if seconds is not None:
        check_seconds("timeout", seconds, WATCH_MAX)
        location += f"&seconds={seconds:g}"
    return Call(f"watch {path!r} in {sandbox_id}", "GET", location, bytes)


def file_link(sandbox_id: str, path: str, method: wire.LinkMethod, expires_in: float) -> Call[wire.FileLink]:
    """Make a link to a file for a person's browser."""
    check_seconds("expires_in", expires_in, wire.LINK_SECONDS_MAX, least=1)
    body = {"path": _given(path), "method": method, "expires_in": expires_in}
    return json_call(f"link to {path!r} in {sandbox_id}", "POST", at(sandbox_id, "links"), body, wire.FileLink)


def list_files(sandbox_id: str, path: str, depth: int) -> Call[Entries]:
    """List a folder of the workspace, so many levels deep."""
    if depth < 1:
        raise InvalidRequest(f"depth is {depth}; 1 lists the folder itself, 2 its folders, too")
    location = _file(sandbox_id, "entries", path) + f"&depth={depth}"
    return Call(f"list {path!r} in {sandbox_id}", "GET", location, _entries)


def file_exists(sandbox_id: str, path: str) -> Call[bool]:
    """Ask whether a path exists."""
    return Call(f"look for {path!r} in {sandbox_id}", "GET", _file(sandbox_id, "exists", path), flag("exists"))


def make_directory(sandbox_id: str, path: str) -> Call[bool]:
    """Make a folder and its parents; the answer tells whether it is new."""
    body = dump({"path": path})
    where = at(sandbox_id, "files", "directories")
    return Call(f"make {path!r} in {sandbox_id}", "POST", where, flag("created"), body, JSON, idempotent=False)


def move_file(sandbox_id: str, source: str, destination: str) -> Call[Entry]:
    """Move or rename a file or folder."""
    body = dump({"source": source, "destination": destination})
    what = f"move {source!r} to {destination!r} in {sandbox_id}"
    return Call(what, "POST", at(sandbox_id, "files", "move"), _entry, body, JSON, idempotent=False)


def remove_file(sandbox_id: str, path: str) -> Call[None]:
    """Remove a file, or a folder with all in it; a missing one is fine."""
    return Call(f"remove {path!r} in {sandbox_id}", "DELETE", _file(sandbox_id, None, path), nothing)


def _file(sandbox_id: str, verb: str | None, path: str) -> str:
    rest = ("files",) if verb is None else ("files", verb)
    return f"{at(sandbox_id, *rest)}?path={quoted(_given(path), '/')}"


def _given(path: str) -> str:
    if not path:
        raise InvalidRequest("the path is empty; '.' is the workspace itself")
    return path


def _entry(body: bytes) -> Entry:
    return cast(Entry, read_object(body))


def _entries(body: bytes) -> Entries:
    return cast(Entries, read_object(body)["entries"])
