"""Snapshots of workspaces."""

from __future__ import annotations

from agentscope_runtime.sandbox.wire.base import Name, Request, Wire

SNAPSHOT_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
SNAPSHOT_SECONDS = 600.0
"""The most that making one, or beginning from one, may take."""


class SnapshotRequest(Request):
    """Body of `PUT /v1/snapshots/{name}`: keep the workspace of this sandbox under that name."""

    sandbox_id: Name


class SnapshotInfo(Wire):
    """One snapshot of a user, without what is in it."""

    name: str
    size: int
    """Bytes that are kept."""
    created_at: float


class SnapshotList(Wire):
    """Answer of `GET /v1/snapshots`."""

    snapshots: list[SnapshotInfo]
