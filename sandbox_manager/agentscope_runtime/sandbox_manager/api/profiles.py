"""`/v1/profiles`: which browser profiles a user has, and forgetting them. What is in them stays with the manager."""

from __future__ import annotations

import asyncio
from typing import Annotated, cast

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.api.answers import as_json, no_content
from agentscope_runtime.sandbox_manager.profiles import ProfileKey, Profiles

router = APIRouter(prefix="/v1/profiles", tags=["browser"])

User = Annotated[str, Query(max_length=wire.SESSION_ID_MAX)]


@router.get("", response_model=wire.ProfileList)
async def profiles(request: Request, user_id: User = "") -> Response:
    """List the profiles of a user; what they hold is not shown."""
    found = await asyncio.to_thread(_kept(request).of, user_id)
    infos = [
        wire.ProfileInfo(name=each.name, saved_at=each.saved_at, cookies=each.cookies, origins=each.origins)
        for each in found
    ]
    return as_json(wire.ProfileList(profiles=infos))


@router.delete("/{name}", status_code=204)
async def forget(
    name: Annotated[str, Path(pattern=wire.PROFILE_NAME)], request: Request, user_id: User = ""
) -> Response:
    """Forget a profile with all its logins; a missing one is fine. Browsers that have it now keep what they have."""
    await asyncio.to_thread(_kept(request).forget, ProfileKey(user_id, name))
    return no_content()


def _kept(request: Request) -> Profiles:
    return cast(Profiles, request.app.state.profiles)
