"""Profiles come into the browsers of sessions and out again, and sessions beside each other lose nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_manager import Manager
from served_manager import manager as run_manager

from agentscope_runtime.sandbox_manager.backends.fake_browser import FakeBrowser
from agentscope_runtime.sandbox_manager.profiles import ProfileKey, Profiles
from agentscope_runtime.sandbox_manager.storage_state import entries


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """Run a manager with two browsers ready."""
    async with run_manager(tmp_path, pool_size={"browser": 2, "base": 1}) as running:
        yield running


def kept(tmp_path: Path, user: str = "ann", name: str = "work") -> set[str]:
    """Return the items that are kept, as name=value."""
    return {f"{key[-1]}={value}" for key, value in Profiles(tmp_path / "profiles").load(ProfileKey(user, name)).items()}


def keep(tmp_path: Path, **items: str) -> None:
    """Put items into Ann's profile at work."""
    key = ProfileKey("ann", "work")
    Profiles(tmp_path / "profiles").save(key, {}, entries(storage(**items)))


def storage(**items: str) -> dict[str, Any]:
    """Make the state of a browser that was at one site."""
    pairs = [{"name": name, "value": value} for name, value in items.items()]
    return {"cookies": [], "origins": [{"origin": "https://example.com", "localStorage": pairs, "indexedDB": []}]}


async def connect(manager: Manager, session: str, *kinds: str, **options: str) -> httpx.Response:
    """Lease sandboxes to a session of Ann's."""
    body = {"session_id": session, "user_id": "ann", "sandbox_types": list(kinds), "options": options}
    async with manager.http() as http:
        return await http.post("/v1/leases", json=body)


async def browser_of(manager: Manager, session: str, **options: str) -> FakeBrowser:
    """Lease a browser and return what is inside."""
    answer = await connect(manager, session, "browser", **options)
    assert answer.status_code == 200, answer.text
    box = manager.backend.engine.containers[answer.json()["sandboxes"][0]["sandbox_id"]].box
    return box.browser


async def release(manager: Manager, session: str) -> None:
    """Give back what a session of Ann's holds."""
    async with manager.http() as http:
        await http.delete("/v1/leases", params={"session_id": session, "user_id": "ann"})


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[Manager]:
    """Run a manager for a part of a test."""
    async with run_manager(tmp_path, pool_size={"browser": 1}) as manager:
        yield manager


async def test_a_session_begins_with_the_profile_and_leaves_its_changes(manager: Manager, tmp_path: Path) -> None:
    """At its end, before its sandbox is gone; the next session sees them, however soon it comes."""
    keep(tmp_path, a="1")
    browser = await browser_of(manager, "one", profile="work")
    assert browser.profile == storage(a="1")
    browser.profile = storage(a="2", b="3")
    await release(manager, "one")
    assert (await browser_of(manager, "two", profile="work")).profile == storage(a="2", b="3")
    assert kept(tmp_path) == {"a=2", "b=3"}


async def test_without_the_option_nothing_is_put_in_or_kept(manager: Manager, tmp_path: Path) -> None:
    """Nor with the profile of another name."""
    keep(tmp_path, a="1")
    browser = await browser_of(manager, "one")
    assert browser.profile["origins"] == []
    browser.profile = storage(secret="x")
    assert (await browser_of(manager, "two", profile="home")).profile["origins"] == []
    await release(manager, "one")
    await manager.pool.retirement.drained(5)
    assert kept(tmp_path) == {"a=1"}
    assert kept(tmp_path, name="home") == set()


async def test_sessions_beside_each_other_keep_each_others_logins(manager: Manager, tmp_path: Path) -> None:
    """Also what the first did comes to the second, when that begins."""
    keep(tmp_path, a="1")
    first = await browser_of(manager, "one", profile="work")
    first.profile = storage(a="1", first="x")
    second = await browser_of(manager, "two", profile="work")
    assert second.profile == storage(a="1", first="x")
    second.profile = storage(second="y", first="x")  # and without a: logged out there
    first.profile = storage(a="1", first="z")
    await release(manager, "two")
    await manager.pool.retirement.drained(5)
    assert kept(tmp_path) == {"first=x", "second=y"}
    await release(manager, "one")
    await manager.pool.retirement.drained(5)
    assert kept(tmp_path) == {"first=z", "second=y"}


async def test_the_end_of_the_manager_saves_too(tmp_path: Path) -> None:
    """All that its sessions changed."""
    async with running(tmp_path) as manager:
        browser = await browser_of(manager, "one", profile="work")
        browser.profile = storage(a="1")
    assert kept(tmp_path) == {"a=1"}
    async with running(tmp_path) as manager:
        assert (await browser_of(manager, "one", profile="work")).profile == storage(a="1")


async def test_a_browser_that_died_leaves_what_was_saved(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every few seconds; and it is forgotten."""
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.profile_keeper.SAVE_EVERY", 0.02)
    async with running(tmp_path / "other") as other:
        answer = await connect(other, "one", "browser", profile="work")
        sandbox_id = answer.json()["sandboxes"][0]["sandbox_id"]
        other.backend.engine.containers[sandbox_id].box.browser.profile = storage(a="1")
        async with asyncio.timeout(5):
            while kept(tmp_path / "other") != {"a=1"}:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.01)
        await other.backend.die(sandbox_id)
    assert kept(tmp_path / "other") == {"a=1"}


async def test_what_has_no_browser_has_no_profile(manager: Manager) -> None:
    """Unless it comes with one that has."""
    answer = await connect(manager, "one", "base", profile="work")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "a profile is for browsers, and base has none" in answer.json()["detail"]
    assert (await connect(manager, "two", "base", "browser", profile="work")).status_code == 200


async def test_a_damaged_profile_fails_the_connect_in_words(manager: Manager, tmp_path: Path) -> None:
    """And once it is forgotten, all is well."""
    keep(tmp_path, a="1")
    (path,) = (tmp_path / "profiles").rglob("*.json")
    path.write_text("{")
    answer = await connect(manager, "one", "browser", profile="work")
    assert answer.status_code == 500 and "DELETE /v1/profiles" in answer.json()["detail"]
    async with manager.http() as http:
        assert (await http.delete("/v1/profiles/work", params={"user_id": "ann"})).status_code == 204
    assert (await connect(manager, "one", "browser", profile="work")).status_code == 200


async def test_a_profile_without_bounds_is_not_taken(
    manager: Manager, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Sites decide what browsers hold: the manager, which is everybody's, reads no more than a profile may have."""
    browser = await browser_of(manager, "one", profile="work")
    browser.profile = storage(a="x" * (17 << 20))
    await release(manager, "one")
    await browser_of(manager, "two", profile="work")
    assert kept(tmp_path) == set()
    assert "has a profile of more than 16777216 bytes" in caplog.text
