"""The service that leases sandboxes to an application's sessions."""

from __future__ import annotations

import asyncio
import gc
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import (
    BaseSandbox,
    BaseSandboxAsync,
    BrowserSandbox,
    BrowserSandboxAsync,
    SandboxType,
)
from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, NotFound
from agentscope_runtime.sandbox.registry import SandboxRegistry


def to(manager: ScriptedManager, **more: bool) -> SandboxService:
    """Make a service of this manager."""
    return SandboxService(manager.url, KEY, **more)


async def test_a_session_gets_what_it_asks_for_in_order(manager: ScriptedManager) -> None:
    """Exactly the asked types, in the asked order, each of its class, ready to use."""
    async with to(manager) as service:
        browser, base = service.connect("s", "u", ["browser", SandboxType.BASE])
        assert type(browser) is BrowserSandbox
        assert type(base) is BaseSandbox
        assert base.base_url == manager.url
        result = base.run_ipython_cell("1")
        assert json.loads(result["content"][0]["text"])["name"] == "run_ipython_cell"
        base.fs.write("a", b"1")
        assert browser.get_info()["sandbox_type"] == "browser"


async def test_without_types_it_is_one_base_sandbox(manager: ScriptedManager) -> None:
    """The default is a base sandbox, and no user is the single user of the application."""
    async with to(manager) as service:
        (box,) = service.connect("s")
        assert type(box) is BaseSandbox
        assert list(manager.leases) == [("s", "")]


async def test_again_is_the_same(manager: ScriptedManager) -> None:
    """Connecting again gives the same sandboxes, in sync and async, and a new type beside them."""
    async with to(manager) as service:
        (first,) = service.connect("s", "u", ["base"])
        (again,) = await service.connect_async("s", "u", ["base_async"])
        assert type(again) is BaseSandboxAsync
        assert again.sandbox_id == first.sandbox_id
        browser, base = await service.connect_async("s", "u", ["browser", "base"])
        assert type(browser) is BrowserSandboxAsync
        assert base.sandbox_id == first.sandbox_id


async def test_users_and_sessions_are_told_apart(manager: ScriptedManager) -> None:
    """Names that run together when joined are different sessions."""
    async with to(manager) as service:
        ids = {service.connect(*key)[0].sandbox_id for key in (("a_b", "c"), ("a", "b_c"), ("a", None), ("a", "b"))}
        assert len(ids) == 4


async def test_the_same_type_twice_is_refused(manager: ScriptedManager) -> None:
    """A session holds one sandbox of each type; nothing is sent."""
    async with to(manager) as service:
        with pytest.raises(InvalidRequest, match="asked twice for browser"):
            service.connect("s", "u", ["browser", "browser_async"])
    assert not manager.seen


async def test_a_closed_box_of_a_service_stays_leased(manager: ScriptedManager) -> None:
    """The session holds the sandbox, not the object: closing an object releases nothing."""
    async with to(manager) as service:
        with service.connect("s", "u")[0] as box:
            box.run_shell_command("true")
        (again,) = service.connect("s", "u")
        again.run_shell_command("true")
        async with (await service.connect_async("s", "u"))[0] as box:
            await box.run_shell_command("true")
        assert list(manager.leases) == [("s", "u")]


async def test_one_connection_serves_all_sessions(manager: ScriptedManager) -> None:
    """Boxes of one service share its sockets, one for sync and one for async use."""
    async with to(manager) as service:
        for number in range(5):
            (box,) = service.connect(f"s{number}", "u")
            box.run_shell_command("true")
            (box_async,) = await service.connect_async(f"s{number}", "u")
            await box_async.run_shell_command("true")
        assert len({seen.peer for seen in manager.seen}) == 2


async def test_health_asks_the_manager(manager: ScriptedManager) -> None:
    """Healthy is a manager that answers this key, while the service runs."""
    service = to(manager)
    assert not await service.health()
    await service.start()
    assert await service.health()
    manager.then_refuse(NotAuthorized("the key was changed"))
    assert not await service.health()
    assert await service.health()
    await service.stop()
    assert not await service.health()


async def test_a_wrong_key_is_a_typed_error(manager: ScriptedManager) -> None:
    """Every method says that the key is wrong, and none returns something else."""
    async with SandboxService(manager.url, "wrong") as service:
        assert not await service.health()
        with pytest.raises(NotAuthorized):
            service.connect("s", "u")
        with pytest.raises(NotAuthorized):
            await service.connect_async("s", "u")
        with pytest.raises(NotAuthorized):
            service.release("s", "u")


async def test_a_stopped_service_starts_anew(manager: ScriptedManager) -> None:
    """Stopping is not the end, stopping twice is stopping once."""
    service = to(manager)
    await service.start()
    await service.stop()
    await service.stop()
    await service.start()
    service.connect("s", "u")
    await service.stop()
    assert not manager.leases


def test_programs_without_an_event_loop(manager: ScriptedManager) -> None:
    """The plain `with`, or nothing but connect, will do; what was used asynchronously is stopped so."""
    with to(manager) as service:
        service.connect("s", "u")
    assert not manager.leases
    lazy = to(manager)
    lazy.connect("s", "u")
    lazy.release("s", "u")
    del lazy
    gc.collect()

    async def use() -> SandboxService:
        service = to(manager)
        await service.connect_async("s", "u")
        with pytest.raises(InvalidRequest, match=r"await service\.stop"):
            service.close()
        await service.stop()
        return service

    asyncio.run(use())
    assert not manager.leases


def test_many_threads_connect_at_once(manager: ScriptedManager) -> None:
    """Handlers in threads get the sandboxes of their own sessions."""
    with to(manager) as service, ThreadPoolExecutor(16) as threads:
        boxes = list(threads.map(lambda number: service.connect(f"s{number % 8}", "u")[0], range(64)))
        assert len({box.sandbox_id for box in boxes}) == 8
        assert len(manager.leases) == 8
    assert not manager.leases


async def test_options_are_those_of_the_lease(manager: ScriptedManager) -> None:
    """They are named in connect, and sent with it; a name that no option has is a TypeError."""
    async with to(manager) as service:
        service.connect("s", "u", ["browser"], profile="work")
        await service.connect_async("s", "u", ["browser"], resolution="800x600")
        assert [seen.body.get("options") for seen in manager.seen] == [{"profile": "work"}, {"resolution": "800x600"}]
        with pytest.raises(TypeError, match=r"connect\(\) got an unexpected keyword argument 'profil'"):
            service.connect("s", "u", profil="work")  # type: ignore[call-arg]


async def test_a_kind_of_ones_own_gets_its_class(manager: ScriptedManager) -> None:
    """A registered class serves its type; where there is none, the base class does."""

    @SandboxRegistry.register("acme/robot:1", sandbox_type="robot")
    class Robot(BaseSandbox):
        """Serves the synchronous side only."""

    try:
        async with to(manager) as service:
            assert type(service.connect("s", "u", ["robot"])[0]) is Robot
            assert type((await service.connect_async("s", "u", ["robot"]))[0]) is BaseSandboxAsync
    finally:
        del SandboxRegistry._configs["robot"], SandboxRegistry._classes["robot"]


async def test_the_time_to_wait_for_room_is_the_services_unless_a_call_says_otherwise(manager: ScriptedManager) -> None:
    """In sync and async; none at all by default."""
    async with SandboxService(manager.url, KEY, wait_s=20) as service:
        service.connect("s1")
        await service.connect_async("s2", wait_s=5)
        service.connect("s3", wait_s=0)
    assert [body.get("wait_s") for body in manager.connects] == [20, 5, None]
    with pytest.raises(InvalidRequest, match="wait_s is -1"):
        SandboxService(manager.url, KEY, wait_s=-1)


async def test_a_session_is_renewed_by_its_name(manager: ScriptedManager) -> None:
    """In sync and async; what nobody holds is not connected by that."""
    async with SandboxService(manager.url, KEY) as service:
        service.connect("s", "u")
        assert service.renew("s", "u", 60).expires_at == 1060.0
        assert (await service.renew_async("s", "u", 90)).expires_at == 1090.0
        with pytest.raises(NotFound):
            service.renew("s")
        assert manager.paths().count("POST /v1/leases") == 1
