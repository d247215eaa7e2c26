"""Leases, sandboxes and the pool over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from served_manager import Manager
from served_manager import manager as run_manager

from agentscope_runtime.sandbox import wire


async def test_connect_again_is_the_same(manager: Manager) -> None:
    """The body is what the client's models say, in the asked order."""
    async with manager.http() as http:
        body = {"session_id": "s1", "user_id": "u1", "sandbox_types": ["browser", "base"]}
        first = wire.LeaseInfo.model_validate((await http.post("/v1/leases", json=body)).json())
        again = wire.LeaseInfo.model_validate((await http.post("/v1/leases", json=body)).json())
    assert [sandbox.sandbox_type for sandbox in first.sandboxes] == ["browser", "base"]
    assert [sandbox.sandbox_id for sandbox in first.sandboxes] == [sandbox.sandbox_id for sandbox in again.sandboxes]
    assert [sandbox.desktop for sandbox in first.sandboxes] == [True, False]
    assert first.idle_timeout == 300


async def test_fifty_calls_of_one_key_make_one_lease(manager: Manager) -> None:
    """At once, over HTTP."""
    ids = await asyncio.gather(*(manager.lease("base") for _ in range(50)))
    assert len({tuple(answer) for answer in ids}) == 1


async def test_release_is_idempotent_and_ends_everything(manager: Manager) -> None:
    """A released sandbox is not found; releasing nothing is fine."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        assert (await http.get(f"/v1/sandboxes/{sandbox}")).json()["session_id"] == "s1"
        for _ in range(2):
            assert (await http.delete("/v1/leases", params={"session_id": "s1"})).status_code == 204
        gone = await http.get(f"/v1/sandboxes/{sandbox}")
        assert (gone.status_code, gone.json()["code"]) == (404, "sandbox_not_found")
        assert (await http.get("/v1/leases")).json() == {"leases": []}


async def test_users_with_the_same_session_do_not_share(manager: Manager) -> None:
    """The key is the pair."""
    async with manager.http() as http:
        answers = [await http.post("/v1/leases", json={"session_id": "s", "user_id": user}) for user in ("a", "b")]
        ids = [answer.json()["sandboxes"][0]["sandbox_id"] for answer in answers]
        assert ids[0] != ids[1]
        await http.delete("/v1/leases", params={"session_id": "s", "user_id": "a"})
        (left,) = (await http.get("/v1/leases")).json()["leases"]
        assert left["user_id"] == "b"


async def test_one_sandbox_can_be_given_back(manager: Manager) -> None:
    """The rest of the lease stays; a second time is fine."""
    base, browser = await manager.lease("base", "browser")
    async with manager.http() as http:
        for _ in range(2):
            assert (await http.delete(f"/v1/sandboxes/{base}")).status_code == 204
        (lease,) = (await http.get("/v1/leases")).json()["leases"]
    assert [sandbox["sandbox_id"] for sandbox in lease["sandboxes"]] == [browser]


async def test_options_are_read_and_contradictions_told(manager: Manager) -> None:
    """What nobody knows, or means nothing, is refused by its name; so is another profile than before."""
    async with manager.http() as http:
        for options in ({"profil": "x"}, {"profile": "../x"}, {"resolution": "big"}):
            refused = await http.post("/v1/leases", json={"session_id": "s", "options": options})
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
            assert next(iter(options)) in refused.json()["detail"]
        body = {"session_id": "s", "sandbox_types": ["browser"]}
        for profile, status in (("work", 200), ("work", 200), ("home", 422)):
            answer = await http.post("/v1/leases", json={**body, "options": {"profile": profile}})
            assert answer.status_code == status, answer.text
        (lease,) = await manager.pool.leases()
        assert lease.sandboxes[0].options == wire.LeaseOptions(profile="work")


async def test_a_misspelt_member_is_refused(manager: Manager) -> None:
    """A user whose name is not read would share the sandbox of nobody."""
    async with manager.http() as http:
        for body in ({"user": "alice"}, {"options": {"profil": "x"}}):
            answer = await http.post("/v1/leases", json={"session_id": "s", "sandbox_types": ["base"], **body})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
            assert answer.json()["detail"].endswith(": there is no such member")
        assert (await http.get("/v1/leases")).json() == {"leases": []}


async def test_no_answer_holds_a_secret(manager: Manager) -> None:
    """Neither the box's token nor its address leave the manager."""
    (sandbox,) = await manager.lease("base")
    record = await manager.pool.sandbox(sandbox)
    assert record.address is not None
    async with manager.http() as http:
        for path in ("/v1/leases", "/v1/sandboxes", f"/v1/sandboxes/{sandbox}", "/v1/pool"):
            text = (await http.get(path)).text
            assert record.token not in text
            assert f":{record.address.port}" not in text


async def test_an_unknown_kind_and_a_full_pool(tmp_path: Path) -> None:
    """Both are told with their code."""
    async with run_manager(tmp_path, pool_size=0, max_sandbox_instances=1) as manager, manager.http() as http:
        unknown = await http.post("/v1/leases", json={"session_id": "s", "sandbox_types": ["toaster"]})
        assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_sandbox_type")
        await manager.lease("base", session="first")
        full = await http.post("/v1/leases", json={"session_id": "second"})
        assert (full.status_code, full.json()["code"]) == (503, "pool_exhausted")


async def test_the_pool_is_reported(manager: Manager) -> None:
    """By kind, with what was served from it."""
    await manager.lease("base")
    async with manager.http() as http:
        report = wire.PoolReport.model_validate((await http.get("/v1/pool")).json())
    assert set(report.types) == {"base", "browser"}
    assert report.types["base"].leased == 1
    assert report.types["base"].hits + report.types["base"].misses == 1


async def test_who_is_refused_hears_why_and_when_to_come_again(tmp_path: Path) -> None:
    """503 for what all have together, 429 for what one user has; both with Retry-After and the limit by name."""
    limits = {"max_sandbox_instances": 2, "max_sandboxes_per_user": 1, "pool_size": 0}
    async with run_manager(tmp_path, **limits) as manager, manager.http() as http:

        async def connect(session: str, user: str, **more: object) -> httpx.Response:
            return await http.post("/v1/leases", json={"session_id": session, "user_id": user, **more})

        assert (await connect("a", "alice")).status_code == 200
        quota = await connect("b", "alice")
        assert (quota.status_code, quota.json()["code"], quota.json()["limited_by"]) == (429, "quota_exceeded", "user")
        assert (await connect("c", "bob")).status_code == 200
        full = await connect("d", "carol", wait_s=0.05)
        assert (full.status_code, full.json()["code"], full.json()["limited_by"]) == (503, "pool_exhausted", "total")
        assert int(full.headers["Retry-After"]) >= 1 <= int(quota.headers["Retry-After"])
        assert "waited 0." in full.json()["detail"]
        assert (await connect("d", "carol", wait_s=-1)).status_code == 422
        assert (await connect("d", "carol", wait_s=1e9)).status_code == 422


async def test_who_waits_gets_room_and_who_hangs_up_is_out(tmp_path: Path) -> None:
    """`/v1/pool` shows the line and the limits."""
    async with run_manager(tmp_path, max_sandbox_instances=1, pool_size=0) as manager, manager.http() as http:

        async def queue(waiting: int) -> None:
            for _ in range(1000):  # somebody else's connection: nothing here tells when the manager has noticed
                if (await http.get("/v1/pool")).json()["queue"]["waiting"] == waiting:
                    return
                await asyncio.sleep(0.01)
            pytest.fail(f"not {waiting} callers wait after 10 s")

        await http.post("/v1/leases", json={"session_id": "s1"})
        leaver = asyncio.create_task(http.post("/v1/leases", json={"session_id": "s2", "wait_s": 60}))
        await queue(1)
        waiter = asyncio.create_task(http.post("/v1/leases", json={"session_id": "s3", "wait_s": 60}))
        await queue(2)
        leaver.cancel()
        await queue(1)
        await http.delete("/v1/leases", params={"session_id": "s1"})
        assert (await waiter).json()["session_id"] == "s3"
        report = wire.PoolReport.model_validate((await http.get("/v1/pool")).json())
        assert (report.limits.total, report.queue.waiting, report.queue.length) == (1, 0, 100)
