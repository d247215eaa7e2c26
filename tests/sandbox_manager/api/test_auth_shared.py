"""Managers that share a pool share what they let browsers in by: sign-ins, links, addresses, sealed links."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from shared_pool import INSTALLATION, SECRET, Town, eventually, town

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.api import create_app
from agentscope_runtime.sandbox_manager.settings import Settings

KEY = "k" * 40


@asynccontextmanager
async def served(t: Town, folder: Path) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """Serve one manager of the town, on a port of its own."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(t.manager())
        settings = Settings(
            bearer_token=SecretStr(KEY),
            port=8000 + len(str(folder)),
            redis_url=SecretStr(t.redis.url),
            installation=INSTALLATION,
            installation_secret=SecretStr(SECRET),
            state_dir=folder,
        )
        app = create_app(settings, pool=pool)
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app=app)
        base = f"http://127.0.0.1:{settings.port}"
        yield app, await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=base))


async def test_a_browser_that_signed_in_at_one_manager_is_signed_in_at_all(tmp_path: Path) -> None:
    """Its cookie has one name everywhere; signing out does so everywhere, too."""
    async with town(tmp_path) as t, served(t, tmp_path / "a") as (_, one), served(t, tmp_path / "bb") as (_, two):
        signed_in = await one.post("/session", json={"key": KEY})
        assert signed_in.status_code == 204, signed_in.text
        (cookie,) = signed_in.cookies.jar
        headers = {"Cookie": f"{cookie.name}={cookie.value}"}
        assert (await two.get("/v1/pool", headers=headers)).status_code in (200, 503)
        assert (await two.get("/v1/pool", headers={"Cookie": f"{cookie.name}=guess"})).status_code == 401
        assert (await two.request("DELETE", "/session", headers=headers)).status_code == 204
        assert (await one.get("/v1/pool", headers=headers)).status_code == 401


async def test_links_that_one_manager_made_open_at_the_other(tmp_path: Path) -> None:
    """Once, where they open once; links to files for as long as they say."""
    async with town(tmp_path) as t, served(t, tmp_path / "a") as (one, _), served(t, tmp_path / "bb") as (two, client):
        sealed = one.state.access.seals.seal("file", {"path": "x"}, 60)
        assert two.state.access.seals.open("file", sealed) == {"path": "x"}

        async def leased() -> str:
            try:
                body = {"session_id": "s", "sandbox_types": ["browser"]}
                answer = await client.post("/v1/leases", json=body, headers={"Authorization": f"Bearer {KEY}"})
                return str(answer.json()["sandboxes"][0]["sandbox_id"]) if answer.status_code == 200 else ""
            except StoreUnavailable:
                return ""

        sandbox_id = await eventually(leased)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=one),
            base_url="http://127.0.0.1",
            headers={"Authorization": f"Bearer {KEY}"},
        ) as first:
            link = (await first.post(f"/v1/sandboxes/{sandbox_id}/desktop", json={})).json()["url"]
        ticket = {"ticket": link.partition("#ticket=")[2]}
        assert (await client.post(f"/desktop/{sandbox_id}/session", json=ticket)).status_code == 200
        assert (await client.post(f"/desktop/{sandbox_id}/session", json=ticket)).status_code == 401
