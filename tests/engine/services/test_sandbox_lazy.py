"""Sessions whose sandboxes are connected at their first use, and sandboxes that start nothing."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.adapters.sandbox_tools import SandboxTool
from agentscope_runtime.engine.services.keepalive import Handling, handling
from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import (
    BaseSandbox,
    BaseSandboxAsync,
    BrowserSandbox,
    BrowserSandboxAsync,
    DummySandbox,
    DummySandboxAsync,
    embedded,
)
from agentscope_runtime.sandbox.errors import InvalidRequest, PoolExhausted, SandboxNotFound


def leases(manager: ScriptedManager) -> list[str]:
    """Return what was asked of leases."""
    return [path for path in manager.paths() if path.endswith("/leases")]


def held(current: Handling) -> set[str]:
    """Return the sessions that a run keeps."""
    names = set()
    for what in current._held:
        assert isinstance(what, tuple)
        names.add(what[1][0])
    return names


async def test_a_turn_that_uses_nothing_asks_nobody(manager: ScriptedManager) -> None:
    """The objects are of their classes, and nothing is sent but what stopping takes."""
    async with SandboxService(manager.url, KEY) as service:
        browser, base = service.connect("s", "u", ["browser", "base"], lazy=True)
        assert (type(browser), type(base)) == (BrowserSandbox, BaseSandbox)
        (one,) = await service.connect_async("s", "u", ["browser"], lazy=True)
        assert type(one) is BrowserSandboxAsync
        assert [box.sandbox_id for box in (browser, base, one)] == [None] * 3
    assert not manager.seen


async def test_the_first_use_connects_all_at_once(manager: ScriptedManager) -> None:
    """Whichever is used first; the others have their sandboxes then, and stopping releases."""
    async with SandboxService(manager.url, KEY) as service:
        browser, base = service.connect("s", "u", ["browser", "base"], lazy=True, profile="work")
        base.run_shell_command("true")
        assert manager.seen[0].body["sandbox_types"] == ["browser", "base"]
        assert manager.seen[0].body["options"] == {"profile": "work"}
        assert browser.sandbox_id is not None
        browser.browser_snapshot()
        assert browser.sandbox_id != base.sandbox_id
        assert leases(manager) == ["POST /v1/leases"]
    assert not manager.leases


def test_threads_that_use_it_first_at_once_connect_once(manager: ScriptedManager) -> None:
    """Sixteen threads, two boxes, one request."""
    with SandboxService(manager.url, KEY) as service, ThreadPoolExecutor(16) as threads:
        boxes = service.connect("s", "u", ["browser", "base"], lazy=True)
        list(threads.map(lambda number: boxes[number % 2].run_shell_command("true"), range(32)))
        assert leases(manager) == ["POST /v1/leases"]


async def test_tasks_that_use_it_first_at_once_connect_once(manager: ScriptedManager) -> None:
    """The same for tasks of one loop, through tools of an adapter."""
    async with SandboxService(manager.url, KEY) as service:
        boxes = await service.connect_async("s", "u", ["browser", "base"], lazy=True)
        tools = [SandboxTool(box.run_shell_command) for box in boxes * 8]
        outcomes = await asyncio.gather(*(tool.call_async(command="true") for tool in tools))
        assert not any(outcome.failed for outcome in outcomes)
        assert leases(manager) == ["POST /v1/leases"]


async def test_what_is_used_in_a_run_is_kept_for_it(manager: ScriptedManager) -> None:
    """The run that connected it holds it from the first use on, even where the use belongs to no run."""
    async with SandboxService(manager.url, KEY) as service:
        async with handling("u", "s") as current:
            (box,) = await service.connect_async("s", "u", lazy=True)
            (other,) = service.connect("other", "u", lazy=True)
            assert not current._held
            with ThreadPoolExecutor(1) as thread:  # without the context of the run
                thread.submit(other.run_shell_command, "true").result(10)
            await box.run_shell_command("true")
            assert held(current) == {"s", "other"}
        # The next turn keeps what the one before used, and asks for nothing.
        asked = len(manager.seen)
        async with handling("u", "s") as current:
            await service.connect_async("s", "u", lazy=True)
            assert held(current) == {"s"}
        assert len(manager.seen) == asked


async def test_a_released_session_is_not_connected_by_a_late_use(manager: ScriptedManager) -> None:
    """What was promised before the release is over; connecting again is another promise."""
    async with SandboxService(manager.url, KEY) as service:
        (box,) = service.connect("s", "u", lazy=True)
        (box_async,) = await service.connect_async("s", "u", lazy=True)
        service.release("s", "u")
        with pytest.raises(SandboxNotFound, match="'s' was released before this sandbox was used; connect again"):
            box.run_shell_command("true")
        with pytest.raises(SandboxNotFound, match="connect again"):
            await box_async.run_shell_command("true")
        assert not manager.leases
        service.connect("s", "u", lazy=True)[0].run_shell_command("true")
        assert list(manager.leases) == [("s", "u")]


async def test_a_stopped_service_keeps_no_promise(manager: ScriptedManager) -> None:
    """Neither old ones nor new ones."""
    service = SandboxService(manager.url, KEY)
    await service.start()
    (box,) = service.connect("s", "u", lazy=True)
    await service.stop()
    with pytest.raises(InvalidRequest, match="is stopped"):
        box.run_shell_command("true")
    with pytest.raises(InvalidRequest, match="is stopped"):
        service.connect("s", "u", lazy=True)
    assert not manager.seen


async def test_a_first_use_that_is_refused_may_be_repeated(manager: ScriptedManager) -> None:
    """The tool raises the manager's error, and the next one tries again."""
    async with SandboxService(manager.url, KEY) as service:
        (box,) = await service.connect_async("s", "u", lazy=True)
        manager.then_refuse(PoolExhausted("all 3 sandboxes are taken"))
        with pytest.raises(PoolExhausted):
            await box.run_shell_command("true")
        await box.run_shell_command("true")
        assert list(manager.leases) == [("s", "u")]


async def test_wrong_arguments_are_told_at_once(manager: ScriptedManager) -> None:
    """Not at the first use."""
    async with SandboxService(manager.url, KEY) as service:
        with pytest.raises(InvalidRequest, match="asked twice for base"):
            service.connect("s", "u", ["base", "base_async"], lazy=True)


async def test_dummies_are_nobodys_business(manager: ScriptedManager) -> None:
    """Alone they ask no manager; beside others they stand where they were asked for."""
    async with SandboxService(manager.url, KEY) as service:
        (dummy,) = service.connect("s", "u", ["dummy"])
        assert type(dummy) is DummySandbox
        assert "was not run" in dummy.run_ipython_cell("1")["content"][0]["text"]
        assert not manager.seen
        first, second, third = await service.connect_async("s", "u", ["dummy", "base", "dummy_async"])
        assert [type(box) for box in (first, second, third)] == [DummySandboxAsync, BaseSandboxAsync, DummySandboxAsync]
        assert manager.seen[0].body["sandbox_types"] == ["base"]


def test_in_process_nothing_runs_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a base_url, no manager is started to connect lazily, to release what was never used, or to stop."""
    monkeypatch.setattr(embedded, "_load", lambda: pytest.fail("a manager was started"))
    service = SandboxService()
    (box,) = service.connect("s", "u", lazy=True)
    assert service.release("s", "u")
    service.connect("s", "u", ["dummy"])
    service.close()
    assert box.sandbox_id is None


async def test_a_closed_box_of_a_service_may_be_started_again(manager: ScriptedManager) -> None:
    """It is the same sandbox, and closing it gives nothing back."""
    async with SandboxService(manager.url, KEY) as service:
        for box in (service.connect("s", "u", lazy=True)[0], service.connect("s", "u")[0]):
            with box:
                box.run_shell_command("true")
                first = box.sandbox_id
            with box:
                assert box.sandbox_id == first
        assert list(manager.leases) == [("s", "u")]
