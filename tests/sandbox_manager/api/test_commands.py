"""Commands through the manager: what passes, both ways, and that a reader who leaves is noticed."""

from __future__ import annotations

import asyncio
import json

from served_manager import Manager

FOLLOW = {"follow": "true"}


async def test_a_command_passes_both_ways(manager: Manager) -> None:
    """Starting, listing, describing, input, signals and removal reach the box, and its answers the caller."""
    (sandbox,) = await manager.lease("base")
    path = f"/v1/sandboxes/{sandbox}/commands"
    async with manager.http() as http:
        started = await http.post(path, json={"command": "echo ü", "background": True})
        assert started.status_code == 201
        one = f"{path}/{started.json()['command_id']}"
        assert [each["command"] for each in (await http.get(path)).json()["commands"]] == ["echo ü"]
        assert (await http.get(one, params={"wait": "1"})).json()["state"] == "exited"
        assert (await http.post(f"{one}/stdin", content=b"\x00in")).status_code == 204
        assert (await http.post(f"{one}/signal", json={"signal": "INT"})).json()["signalled"] == "INT"
        assert (await http.delete(one)).status_code == 204
        gone = await http.get(one)
    assert (gone.status_code, gone.json()["code"]) == (404, "command_not_found")
    assert manager.backend.engine.containers[sandbox].box.commands.written == b"\x00in"


async def test_output_is_lines_of_json(manager: Manager) -> None:
    """Following a start, and reading later, bring the same lines, never as a page."""
    (sandbox,) = await manager.lease("base")
    path = f"/v1/sandboxes/{sandbox}/commands"
    async with manager.http() as http:
        started = await http.post(path, params=FOLLOW, json={"command": "hello"})
        first, *_, last = [json.loads(line) for line in started.text.splitlines()]
        later = await http.get(f"{path}/{first['command_id']}/output", params={**FOLLOW, "from": "0"})
    assert (started.status_code, later.status_code, last["exit_code"]) == (201, 200, 0)
    assert started.text == later.text
    assert started.headers["content-type"].startswith("application/x-ndjson")
    assert started.headers["x-content-type-options"] == "nosniff"


async def test_wrong_calls_are_refused(manager: Manager) -> None:
    """By the manager where it is the path or the query, by the box where it is the body; always by name."""
    (sandbox,) = await manager.lease("base")
    path = f"/v1/sandboxes/{sandbox}/commands"
    async with manager.http() as http:
        for answer, code in (
            (await http.post(path, json={"command": 5}), "invalid_request"),
            (await http.post(path, params=FOLLOW, content=b"{"), "internal_error"),
            (await http.post(path, params={"follow": "perhaps"}, json={"command": "x"}), "invalid_request"),
            (await http.get(f"{path}/cmd-9"), "command_not_found"),
            (await http.get(f"{path}/cmd-9", params={"wait": "1e9"}), "invalid_request"),
            (await http.get(f"{path}/cmd-9/output", params={"from": "-1"}), "invalid_request"),
            (await http.get(f"{path}/%2e%2e"), "command_not_found"),
            (await http.get("/v1/sandboxes/sbx-none/commands"), "sandbox_not_found"),
        ):
            if code != "internal_error":  # the fake, unlike the box, does not check JSON
                assert answer.json()["code"] == code, answer.text


async def test_a_reader_who_leaves_is_gone_at_the_box(manager: Manager) -> None:
    """The stream from the box ends with the caller's, so that a foreground command can."""
    (sandbox,) = await manager.lease("base")
    async with (
        manager.http() as http,
        http.stream("POST", f"/v1/sandboxes/{sandbox}/commands", params=FOLLOW, json={"command": "wait"}) as answer,
    ):
        lines = answer.aiter_lines()
        assert json.loads(await anext(lines))["command"] == "wait"
        assert json.loads(await anext(lines))["data"] == "wait"
    async with asyncio.timeout(5):
        await manager.backend.engine.containers[sandbox].box.commands.left.wait()
