"""Snapshots of workspaces, by the names that a user gave them."""

from __future__ import annotations

import re
from typing import cast
from urllib.parse import urlencode

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import JSON, Call, dump, nothing
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.types import SnapshotEntry

ALLOWANCE = 10.0
"""Seconds on top of what the manager gives itself, so that its word comes before our own end."""


def take_snapshot(sandbox_id: str, name: str) -> Call[SnapshotEntry]:
    """Keep the workspace of a sandbox under a name of its user."""
    what, body = f"keep snapshot {name!r} of {sandbox_id}", dump({"sandbox_id": sandbox_id})
    return Call(what, "PUT", _path(name), _entry, body, JSON, wire.SNAPSHOT_SECONDS, ALLOWANCE)


def list_snapshots(user_id: str = "") -> Call[list[SnapshotEntry]]:
    """List the snapshots of a user, by name."""
    path = f"/v1/snapshots?{urlencode({'user_id': user_id})}"
    return Call(f"list the snapshots of user {user_id!r}", "GET", path, _entries)


def delete_snapshot(name: str, user_id: str = "") -> Call[None]:
    """Delete a snapshot of a user; a missing one is fine."""
    path = f"{_path(name)}?{urlencode({'user_id': user_id})}"
    return Call(f"delete snapshot {name!r} of user {user_id!r}", "DELETE", path, nothing)


def _path(name: str) -> str:
    if not re.fullmatch(wire.SNAPSHOT_NAME.strip("^$"), name):
        raise InvalidRequest(
            f"{name!r} cannot name a snapshot: take up to 128 letters, digits and . _ -, a letter or digit first"
        )
    return f"/v1/snapshots/{name}"


def _entry(body: bytes) -> SnapshotEntry:
    return cast(SnapshotEntry, wire.SnapshotInfo.model_validate_json(body).model_dump())


def _entries(body: bytes) -> list[SnapshotEntry]:
    found = wire.SnapshotList.model_validate_json(body).snapshots
    return [cast(SnapshotEntry, info.model_dump()) for info in found]
