"""`/v1/snapshots`: keeping workspaces under names that each user has for themselves; what is in them is not shown."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.api.answers import as_json, no_content
from agentscope_runtime.sandbox_manager.snapshot_keeper import SnapshotKeeper
from agentscope_runtime.sandbox_manager.snapshots import SnapshotKey, Summary

router = APIRouter(prefix="/v1/snapshots", tags=["snapshots"])

User = Annotated[str, Query(max_length=wire.SESSION_ID_MAX)]
SnapshotName = Annotated[str, Path(pattern=wire.SNAPSHOT_NAME)]


@router.get("", response_model=wire.SnapshotList)
async def snapshots(request: Request, user_id: User = "") -> Response:
    """List the snapshots of a user, by name."""
    found = await _keeper(request).storage.of(user_id)
    return as_json(wire.SnapshotList(snapshots=[_info(each) for each in found]))


@router.put("/{name}", response_model=wire.SnapshotInfo)
async def take(name: SnapshotName, body: wire.SnapshotRequest, request: Request) -> Response:
    """Keep the workspace of a sandbox under a name of its user, whole or not at all; what had the name is replaced."""
    return as_json(_info(await _keeper(request).take(body.sandbox_id, name)))


@router.delete("/{name}", status_code=204)
async def delete(name: SnapshotName, request: Request, user_id: User = "") -> Response:
    """Delete a snapshot; a missing one is fine. Sandboxes that began with it keep what they have."""
    await _keeper(request).storage.forget(SnapshotKey(user_id, name))
    return no_content()


def _info(found: Summary) -> wire.SnapshotInfo:
    return wire.SnapshotInfo(name=found.name, size=found.size, created_at=found.created_at)


def _keeper(request: Request) -> SnapshotKeeper:
    return cast(SnapshotKeeper, request.app.state.snapshots)
