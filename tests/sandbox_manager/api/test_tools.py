"""Tools through the manager: what goes in and what comes out is what the box sees and says."""

from __future__ import annotations

import asyncio
import json

import pytest
from served_manager import Manager

from agentscope_runtime.sandbox_manager.api.tools import GRACE, LONGEST, PARSED, _patience


async def test_a_result_passes_as_it_is(manager: Manager) -> None:
    """Unicode and all; it is never mistaken for a page."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        answer = await http.post(
            f"/v1/sandboxes/{sandbox}/tools/run_ipython_cell", json={"arguments": {"code": "print('ü✓')"}}
        )
    assert answer.status_code == 200
    result = answer.json()
    assert result["isError"] is False
    assert result["content"][0]["text"] == "print('ü✓')"
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_fails_inside_is_a_result(manager: Manager) -> None:
    """An exit code is no error of HTTP."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        path = f"/v1/sandboxes/{sandbox}/tools/run_shell_command"
        answer = await http.post(path, json={"arguments": {"command": "exit 3"}})
    assert answer.status_code == 200
    assert answer.json()["isError"] is True
    assert answer.json()["content"][-1] == {
        "type": "text",
        "text": "3",
        "annotations": None,
        "description": "returncode",
    }


@pytest.mark.parametrize(
    ("name", "body", "status", "code", "told"),
    [
        ("dance", {"arguments": {}}, 404, "unknown_tool", "dance"),
        ("..", {"arguments": {}}, 404, "unknown_tool", ".."),
        ("%2e%2e", {"arguments": {}}, 404, "unknown_tool", ".."),
        ("run_ipython_cell", {"arguments": {}}, 422, "invalid_request", "code"),
    ],
)
async def test_what_the_box_refuses_arrives_as_it_said_it(
    manager: Manager, name: str, body: dict[str, object], status: int, code: str, told: str
) -> None:
    """Code, status and words are the box's."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        # The whole target by hand: httpx would fold dots away.
        request = http.build_request("POST", "/", json=body)
        request.url = request.url.copy_with(raw_path=f"/v1/sandboxes/{sandbox}/tools/{name}".encode())
        answer = await http.send(request)
    if name == "..":  # the client folds it, whatever we do; then it is no path of ours
        assert answer.status_code in (404, 405)
        return
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert told in answer.json()["detail"]


async def test_the_tools_are_listed(manager: Manager) -> None:
    """With their schemas."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        tools = (await http.get(f"/v1/sandboxes/{sandbox}/tools")).json()["tools"]
    assert {tool["name"] for tool in tools} == {"run_ipython_cell", "run_shell_command"}


async def test_only_leased_sandboxes_answer(manager: Manager) -> None:
    """Neither an unknown one nor one that nobody leased can be used, key or no key."""
    (leased,) = await manager.lease("base")
    others = [record.sandbox_id for record in await manager.pool.sandboxes() if record.sandbox_id != leased]
    async with manager.http() as http:
        for sandbox in ("sbx-unknown", *others):
            path = f"/v1/sandboxes/{sandbox}/tools/run_ipython_cell"
            answer = await http.post(path, json={"arguments": {"code": "1"}})
            assert (answer.status_code, answer.json()["code"]) == (404, "sandbox_not_found")


async def test_a_box_that_dies_in_mid_call_is_told(manager: Manager) -> None:
    """The call ends with the typed error, not with a broken connection."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        path = f"/v1/sandboxes/{sandbox}/tools/run_shell_command"
        call = asyncio.create_task(http.post(path, json={"arguments": {"command": "sleep 600"}, "timeout": 700}))
        while sandbox not in manager.pool.activity.running():  # noqa: ASYNC110 - the pool tells nobody
            await asyncio.sleep(0)
        await manager.backend.die(sandbox)
        answer = await call
    assert (answer.status_code, answer.json()["code"]) == (410, "sandbox_died")


async def test_a_refused_token_is_our_fault(manager: Manager) -> None:
    """The caller's key was right; a 401 would send them looking for another one."""
    (sandbox,) = await manager.lease("base")
    manager.backend.engine.containers[sandbox].box._token = "another"
    async with manager.http() as http:
        answer = await http.post(f"/v1/sandboxes/{sandbox}/tools/run_ipython_cell", json={"arguments": {"code": "1"}})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


async def test_slow_calls_keep_nobody_waiting(manager: Manager) -> None:
    """Forty calls sleep in boxes while health and connects are answered."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as slow, manager.http() as http:
        path = f"/v1/sandboxes/{sandbox}/tools/run_shell_command"
        body = {"arguments": {"command": "sleep 600"}, "timeout": 700}
        calls = [asyncio.create_task(slow.post(path, json=body)) for _ in range(40)]
        for turn in range(20):
            assert (await http.get("/health")).status_code == 200
            await manager.lease("base", session=f"other {turn}")
        assert not any(call.done() for call in calls)
        await http.delete("/v1/leases", params={"session_id": "s1"})
        codes = {answer.json()["code"] for answer in await asyncio.gather(*calls)}
    assert codes == {"sandbox_not_found"}, "released under the calls"


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"arguments": {}}, LONGEST),
        ({"arguments": {}, "timeout": None}, LONGEST),
        ({"arguments": {}, "timeout": 5}, 5 + GRACE),
        ({"arguments": {"timeout": 5}}, LONGEST),
        ({"arguments": {}, "timeout": "5"}, LONGEST),
        ({"arguments": {}, "timeout": -5}, LONGEST),
        ([{"timeout": 5}], LONGEST),
        ({"timeout": 5.5, "arguments": {"code": "x" * (PARSED - 100)}}, 5.5 + GRACE),
        ({"arguments": {"code": "x" * PARSED}, "timeout": 5.5}, LONGEST),
    ],
    ids=range(9),
)
def test_the_gateway_gives_up_just_after_the_call_should_have_ended(body: object, seconds: float) -> None:
    """It reads the time-out of the call, never one of the tool's own arguments; what is large is left to the box."""
    assert _patience(json.dumps(body).encode()) == seconds


@pytest.mark.parametrize("body", [b"", b'{"timeout": 5', b'\xff"timeout"', b'"timeout"', b'["timeout",' * 5_000])
def test_nonsense_is_left_to_the_box(body: bytes) -> None:
    """The gateway does not stumble over it."""
    assert _patience(body) == LONGEST


async def test_a_call_is_made_once_by_its_key(manager: Manager) -> None:
    """Whoever lost the answer asks again with the key; whoever leaves for good has the call stopped."""
    (sandbox,) = await manager.lease("base")
    path = f"/v1/sandboxes/{sandbox}/tools/run_shell_command"
    box = manager.backend.engine.containers[sandbox].box
    async with manager.http(headers={"Idempotency-Key": "k1"}) as http:
        body = {"arguments": {"command": "echo"}}
        assert (await http.post(path, json=body)).json() == (await http.post(path, json=body)).json()
    assert list(box.calls) == ["k1"]
    box.called.clear()
    async with manager.http(headers={"Idempotency-Key": "k2"}) as http:
        leaving = asyncio.create_task(http.post(path, json={"arguments": {"command": "sleep 60"}}))
        await box.called.wait()
        leaving.cancel()
        await asyncio.wait({leaving})
    await asyncio.wait({box.calls["k2"]}, timeout=10)
    assert box.calls["k2"].cancelled()
