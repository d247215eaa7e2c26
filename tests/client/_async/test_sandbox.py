"""How a sandbox object starts, works and gives back."""

from __future__ import annotations

import gc
import json

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandboxAsync, BrowserSandboxAsync, SandboxType
from agentscope_runtime.sandbox.errors import (
    CallTimeout,
    InvalidRequest,
    ManagerUnreachable,
    NotAuthorized,
    PoolExhausted,
    SandboxDied,
    SandboxNotFound,
    StartFailed,
    UnknownSandboxType,
)
from agentscope_runtime.sandbox.registry import SandboxRegistry


def base(manager: ScriptedManager, sandbox_id: str | None = None, sandbox_type: str | None = None) -> BaseSandboxAsync:
    """Make a base sandbox of this manager."""
    return BaseSandboxAsync(sandbox_id, manager.url, KEY, sandbox_type)


async def test_a_block_leases_one_sandbox_and_gives_it_back(manager: ScriptedManager) -> None:
    """Entering connects a session of its own, leaving releases that session."""
    async with base(manager) as box:
        assert box.sandbox_id is not None
        assert box.sandbox_type == "base"
        assert [list(held) for held in manager.leases.values()] == [["base"]]
    assert not manager.leases
    assert manager.paths() == ["POST /v1/leases", "DELETE /v1/leases"]


async def test_two_objects_never_share(manager: ScriptedManager) -> None:
    """Each object has a session of its own."""
    async with base(manager) as one, base(manager) as other:
        assert one.sandbox_id != other.sandbox_id
        assert len(manager.leases) == 2


async def test_start_and_close_may_be_repeated(manager: ScriptedManager) -> None:
    """Started twice is one lease, closed twice is one release, and a closed object starts anew."""
    box = base(manager)
    assert await box.start_async() is box
    first = box.sandbox_id
    await box.start_async()
    await box.close_async()
    await box.close_async()
    assert manager.paths() == ["POST /v1/leases", "DELETE /v1/leases"]
    assert box.sandbox_id is None
    await box.start_async()
    assert box.sandbox_id != first
    await box.close_async()


async def test_calls_share_one_connection(manager: ScriptedManager) -> None:
    """Everything that one object sends travels over one socket."""
    async with base(manager) as box:
        for _ in range(3):
            await box.run_shell_command("true")
    assert len({seen.peer for seen in manager.seen}) == 1


async def test_a_tool_returns_what_the_sandbox_answered(manager: ScriptedManager) -> None:
    """The result is the sandbox's, unchanged, and the arguments are as given."""
    async with base(manager) as box:
        result = await box.run_ipython_cell("print(1)")
    assert result["isError"] is False
    assert json.loads(result["content"][0]["text"])["arguments"] == {"code": "print(1)"}


async def test_a_call_names_its_time(manager: ScriptedManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a time-out that the caller gave is sent: without one the tool's own applies."""
    monkeypatch.setenv("RUNTIME_SANDBOX_TIMEOUT", "90")
    async with base(manager) as box:
        await box.call_tool_async("run_shell_command", {"command": "true"})
        await box.call_tool_async("run_shell_command", {"command": "true"}, timeout=3)
    sent = [seen.body for seen in manager.seen if "/tools/" in seen.path]
    assert sent == [{"arguments": {"command": "true"}}, {"arguments": {"command": "true"}, "timeout": 3}]


async def test_a_call_without_a_time_is_not_waited_for_endlessly(
    manager: ScriptedManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer is waited for RUNTIME_SANDBOX_TIMEOUT seconds and the margin, where the call names no time."""
    monkeypatch.setattr("agentscope_runtime.sandbox.transport.MARGIN", 0.1)
    monkeypatch.setenv("RUNTIME_SANDBOX_TIMEOUT", "0.2")
    async with base(manager) as box:
        manager.then_be_silent()
        with pytest.raises(CallTimeout, match=r"no answer within 0\.3 s"):
            await box.run_shell_command("true")


async def test_a_kind_may_have_its_own_time(manager: ScriptedManager) -> None:
    """What a kind is registered with is what its tools may take, unless the call says otherwise."""
    SandboxRegistry.register("acme/robot:1", sandbox_type="robot", timeout=300)
    try:
        async with base(manager, sandbox_type="robot") as box:
            await box.run_shell_command("true")
            await box.call_tool_async("run_shell_command", {"command": "true"}, timeout=3)
    finally:
        del SandboxRegistry._configs["robot"]
    async with base(manager, sandbox_type="known_to_the_manager_only") as box:
        await box.run_shell_command("true")
    assert [seen.body.get("timeout") for seen in manager.seen if "/tools/" in seen.path] == [300, 3, None]


async def test_tools_are_listed_by_group(manager: ScriptedManager) -> None:
    """Each tool has the schema that model providers take; one group can be asked for, even one that is not there."""
    async with base(manager) as box:
        tools = await box.list_tools_async()
        assert list(tools) == ["generic", "playwright"]
        function = tools["generic"]["run_ipython_cell"]["json_schema"]["function"]
        assert function["parameters"]["required"] == ["code"]
        assert function["description"] == "Run it."
        assert tools["playwright"]["browser_snapshot"]["json_schema"]["function"]["parameters"] == {
            "type": "object",
            "properties": {},
            "required": [],
        }
        assert list(await box.list_tools_async("generic")) == ["generic"]
        assert await box.list_tools_async("toasting") == {"toasting": {}}


async def test_information_is_a_dictionary(manager: ScriptedManager) -> None:
    """get_info asks the manager, and holds no secret."""
    async with base(manager) as box:
        info = await box.get_info_async()
        assert info["sandbox_id"] == box.sandbox_id
        assert info["state"] == "leased"
        assert KEY not in str(info)


async def test_an_existing_sandbox_stays_when_closed(manager: ScriptedManager) -> None:
    """Who attaches to a sandbox by its id does not release it."""
    async with base(manager) as owner:
        assert owner.sandbox_id is not None
        async with base(manager, sandbox_id=owner.sandbox_id) as guest:
            assert guest.sandbox_id == owner.sandbox_id
            await guest.run_shell_command("true")
        assert len(manager.leases) == 1
    assert not manager.leases


async def test_an_unknown_id_is_said_at_the_start(manager: ScriptedManager) -> None:
    """Attaching to what is not there raises, and leaves the object unstarted."""
    box = base(manager, sandbox_id="sbx-gone")
    with pytest.raises(SandboxNotFound, match="sbx-gone"):
        await box.start_async()
    with pytest.raises(InvalidRequest, match="not started"):
        await box.run_shell_command("true")


async def test_an_error_in_the_block_is_not_masked(manager: ScriptedManager) -> None:
    """The block's own exception arrives, with a note where giving back failed, too."""
    with pytest.raises(LookupError, match="mine") as caught:
        async with base(manager):
            manager.then_refuse(StartFailed("no luck"))
            raise LookupError("mine")
    assert caught.value.__notes__ == ["and giving back the sandbox failed: no luck"]


async def test_an_error_in_the_block_releases(manager: ScriptedManager) -> None:
    """A block that fails gives its sandbox back."""
    with pytest.raises(LookupError):
        async with base(manager):
            raise LookupError
    assert not manager.leases


async def test_failing_to_give_back_is_raised(manager: ScriptedManager) -> None:
    """Where nothing else went wrong, a release that fails is an error, and the object is closed all the same."""
    box = await base(manager).start_async()
    manager.then_refuse(StartFailed("no luck"))
    with pytest.raises(StartFailed, match="no luck"):
        await box.close_async()
    await box.close_async()


@pytest.mark.parametrize(
    "error",
    [
        PoolExhausted("all 3 sandboxes are taken", retry_after=7),
        UnknownSandboxType("no sandbox type 'toaster'"),
        StartFailed("the kernel did not start"),
    ],
)
async def test_a_refusal_is_the_managers_own_error(manager: ScriptedManager, error: Exception) -> None:
    """Class, message and extras of a refused start are the manager's; nothing is given back that was never given."""
    assert isinstance(error, (PoolExhausted, UnknownSandboxType, StartFailed))
    manager.then_refuse(error)
    with pytest.raises(type(error), match=str(error)) as caught:
        await base(manager).start_async()
    assert caught.value.extras == error.extras
    assert manager.paths() == ["POST /v1/leases"]


async def test_a_wrong_key_says_where_it_came_from(manager: ScriptedManager) -> None:
    """A refused key is named by its origin, never by its value."""
    with pytest.raises(NotAuthorized, match="tried the bearer_token argument") as caught:
        await BaseSandboxAsync(base_url=manager.url, bearer_token="secret-of-mine").start_async()
    assert "secret-of-mine" not in str(caught.value)


async def test_a_dead_sandbox_is_a_typed_error(manager: ScriptedManager) -> None:
    """A call that finds the container gone raises SandboxDied."""
    async with base(manager) as box:
        manager.then_refuse(SandboxDied("its container ended; connect again for a fresh one"))
        with pytest.raises(SandboxDied, match="connect again"):
            await box.run_shell_command("true")


async def test_a_start_without_an_answer_gives_back(manager: ScriptedManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of time, nobody knows whether the lease was granted: it is released."""
    monkeypatch.setattr("agentscope_runtime.sandbox.calls.leases.START_ALLOWANCE", 0.0)
    monkeypatch.setattr("agentscope_runtime.sandbox.transport.MARGIN", 0.1)
    monkeypatch.setenv("RUNTIME_SANDBOX_TIMEOUT", "0.1")
    manager.then_be_silent()
    with pytest.raises(CallTimeout, match="connect base"):
        await base(manager).start_async()
    assert manager.paths() == ["POST /v1/leases", "DELETE /v1/leases"]


async def test_nobody_there_says_what_to_do() -> None:
    """A manager that does not answer is named, with the cure."""
    box = BaseSandboxAsync(base_url="http://127.0.0.1:9", bearer_token="k")
    with pytest.raises(ManagerUnreachable, match=r"127\.0\.0\.1:9.*runtime-sandbox-server"):
        await box.start_async()


async def test_nothing_works_before_the_start() -> None:
    """Tools, files and information of an object that was not started say how to start it."""
    box = BaseSandboxAsync(base_url="http://127.0.0.1:9")
    assert box.sandbox_id is None
    assert repr(box) == "<BaseSandboxAsync base: not started>"
    with pytest.raises(InvalidRequest, match=r"`async with BaseSandboxAsync\(\.\.\.\) as box"):
        await box.run_shell_command("x")
    with pytest.raises(InvalidRequest, match="BaseSandboxAsync is not started"):
        await box.fs.exists_async("x")
    with pytest.raises(InvalidRequest, match="BaseSandboxAsync is not started"):
        await box.list_tools_async()


def test_a_workspace_folder_is_refused() -> None:
    """What is not supported yet is refused, not ignored."""
    with pytest.raises(InvalidRequest, match="workspace_dir is not supported yet"):
        BaseSandboxAsync(workspace_dir="/srv")


async def test_a_forgotten_close_is_heard(manager: ScriptedManager) -> None:
    """An object that is dropped while it holds a sandbox warns."""
    box = await base(manager).start_async()
    holding = box._holding
    assert holding is not None
    with pytest.warns(ResourceWarning, match=r"BaseSandboxAsync base: sbx-.* was never closed"):
        del box
        gc.collect()
    await holding.close_async()


async def test_the_type_is_what_the_class_serves(manager: ScriptedManager) -> None:
    """A class asks for the type it is registered for, a subclass for its own or its parent's; an argument wins."""

    @SandboxRegistry.register("acme/robot:1", sandbox_type="robot")
    class RobotAsync(BaseSandboxAsync):
        """A kind of one's own."""

    class Plain(BrowserSandboxAsync):
        """A class without a kind of its own."""

    try:
        assert RobotAsync().sandbox_type == "robot"
        assert Plain().sandbox_type == SandboxType.BROWSER
        assert BaseSandboxAsync(sandbox_type="robot_async").sandbox_type == "robot"
        async with RobotAsync(None, manager.url, KEY):
            assert [list(held) for held in manager.leases.values()] == [["robot"]]
    finally:
        del SandboxRegistry._configs["robot"], SandboxRegistry._classes["robot"]


async def test_the_address_is_known_and_the_key_is_not_shown(manager: ScriptedManager) -> None:
    """base_url is where the manager is; no repr shows the key."""
    async with base(manager) as box:
        assert box.base_url == manager.url
        assert box.bearer_token == KEY
        assert not box.embed_mode
        held = box._holding
        assert held is not None
        assert KEY not in repr(box) + repr(held.connection.origin)
