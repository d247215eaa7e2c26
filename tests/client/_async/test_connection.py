"""How calls travel: one socket, our own errors, and a second try only where that is safe."""

from __future__ import annotations

import json
import time

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import calls, transport
from agentscope_runtime.sandbox._async.connection import ConnectionAsync
from agentscope_runtime.sandbox.errors import (
    CallTimeout,
    InternalError,
    InvalidRequest,
    ManagerUnreachable,
    NotFound,
    Unavailable,
)
from agentscope_runtime.sandbox.settings import Origin, find_origin

POOL = calls.pool()
TOOL = calls.call_tool("sbx-1", "run_shell_command", {"command": "true"}, 1.0)


def to(manager: ScriptedManager) -> ConnectionAsync:
    """Connect to this manager."""
    return ConnectionAsync(find_origin(manager.url, KEY))


async def test_a_call_that_may_be_repeated_is_sent_again(manager: ScriptedManager) -> None:
    """A connection that breaks without a word costs an idempotent call a retry, up to the last."""
    async with to(manager) as connection:
        manager.then_hang_up()
        manager.then_hang_up()
        assert (await connection.send_async(POOL)).limit == 0
        assert len(manager.seen) == 3


async def test_a_manager_that_keeps_hanging_up_is_unreachable(manager: ScriptedManager) -> None:
    """Retries end."""
    async with to(manager) as connection:
        for _ in range(4):
            manager.then_hang_up()
        with pytest.raises(ManagerUnreachable, match=r"the connection to .* broke"):
            await connection.send_async(POOL)
        assert len(manager.seen) == 3


async def test_what_may_have_happened_is_never_sent_twice(manager: ScriptedManager) -> None:
    """The message says that nobody knows."""
    async with to(manager) as connection:
        manager.then_hang_up()
        with pytest.raises(ManagerUnreachable, match="whether the call took effect is not known"):
            await connection.send_async(calls.start_command("sbx-1", "true"))
        assert len(manager.seen) == 1


async def test_a_tool_call_is_asked_for_again_by_its_key(manager: ScriptedManager) -> None:
    """The sandbox knows by the key that it has been made; each call has a key of its own."""
    manager.leases["", "s"] = {"base": "sbx-1"}
    async with to(manager) as connection:
        manager.then_hang_up()
        assert (await connection.send_async(TOOL))["isError"] is False
    first, second = (seen.headers["Idempotency-Key"] for seen in manager.seen)
    assert first == second == TOOL.key
    assert TOOL.key != calls.call_tool("sbx-1", "run_shell_command", {"command": "true"}, 1.0).key


async def test_an_answer_that_breaks_off_is_an_error(manager: ScriptedManager) -> None:
    """Half an answer is never taken for one."""
    async with to(manager) as connection:
        manager.then_hang_up_midway(b'{"types":')
        with pytest.raises(ManagerUnreachable, match="broke"):
            await connection.send_async(POOL)


async def test_silence_ends_in_time(manager: ScriptedManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that gets no answer ends after its seconds and the margin, and says how to give it more."""
    monkeypatch.setattr(transport, "MARGIN", 0.1)
    call = calls.call_tool("sbx-1", "run_shell_command", {}, 0.2)
    async with to(manager) as connection:
        manager.then_be_silent()
        begin = time.monotonic()
        with pytest.raises(
            CallTimeout, match=r"run tool 'run_shell_command' in sbx-1: no answer within 0\.3 s.*timeout="
        ):
            await connection.send_async(call)
        assert 0.3 <= time.monotonic() - begin < 1.3


async def test_an_answer_from_something_else_is_told_apart(manager: ScriptedManager) -> None:
    """A page of a proxy, or an answer of another version, is shown for what it is."""
    async with to(manager) as connection:
        manager.then_say(b"<h1>Bad gateway</h1>", 503, "text/html", Retry_After="4")
        with pytest.raises(Unavailable, match="HTTP 503 <h1>Bad gateway") as caught:
            await connection.send_async(POOL)
        assert caught.value.extras == {"retry_after": 4}
        manager.then_say(b'{"detail": "Not Found"}', 404)
        with pytest.raises(NotFound, match="HTTP 404"):
            await connection.send_async(POOL)
        manager.then_say(b'{"pool": "none"}')
        with pytest.raises(InternalError, match="is it a sandbox manager"):
            await connection.send_async(POOL)
        manager.then_say(b"", 302, Location="http://example.com/")
        with pytest.raises(InternalError, match="HTTP 302"):
            await connection.send_async(POOL)


async def test_an_error_of_a_newer_manager_keeps_its_words(manager: ScriptedManager) -> None:
    """A code that this client does not know becomes the general class of its status."""
    async with to(manager) as connection:
        manager.then_say(json.dumps({"code": "quota", "detail": "5 of 5 used"}).encode(), 429)
        with pytest.raises(InvalidRequest, match="5 of 5 used"):
            await connection.send_async(POOL)


async def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    manager: ScriptedManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manager on loopback is reached directly, whatever HTTP_PROXY says."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with to(manager) as connection:
        await connection.send_async(POOL)


async def test_no_key_sends_no_header(manager: ScriptedManager) -> None:
    """Without a key there is no Authorization header at all."""
    async with ConnectionAsync(Origin(manager.url)) as connection:
        manager.then_say(b'{"types": {}, "limit": 0}')
        await connection.send_async(POOL)
    assert "Authorization" not in manager.seen[0].headers


async def test_a_path_of_the_address_is_kept(manager: ScriptedManager) -> None:
    """A manager below a path, as behind a proxy, is called below it."""
    async with ConnectionAsync(find_origin(f"{manager.url}/sandboxes/", KEY)) as connection:
        with pytest.raises(NotFound):
            await connection.send_async(POOL)
    assert manager.paths() == ["GET /sandboxes/v1/pool"]
