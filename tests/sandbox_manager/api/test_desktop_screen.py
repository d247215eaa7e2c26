"""Desktops that start with their first viewer, and the size of their screens."""

from __future__ import annotations

import pytest
from desktop_viewer import GREETING, cookie, watching
from served_manager import Manager
from websockets.exceptions import ConnectionClosed

from agentscope_runtime.sandbox_manager.backends.fake_desktop import FakeDesktop


def desktop_of(manager: Manager, sandbox: str) -> FakeDesktop:
    """Return the desktop inside the fake box."""
    box = manager.backend.engine.containers[sandbox].box
    assert box is not None
    return box.desktop


async def test_a_viewer_is_announced_before_it_sees(manager: Manager) -> None:
    """The box is asked to start what does not run yet, and the picture comes after that."""
    (sandbox,) = await manager.lease("browser")
    assert not desktop_of(manager, sandbox).opened
    async with watching(manager, sandbox, await cookie(manager, sandbox)) as socket:
        assert await socket.recv() == GREETING
        assert desktop_of(manager, sandbox).opened


async def test_a_desktop_that_does_not_start_says_why(manager: Manager) -> None:
    """The page is told the box's reason; the sandbox goes on."""
    (sandbox,) = await manager.lease("browser")
    desktop_of(manager, sandbox).broken = "the desktop does not start: no room"
    async with watching(manager, sandbox, await cookie(manager, sandbox)) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4011, "the desktop does not start: no room")
    async with manager.http() as http:
        assert (await http.get(f"/v1/sandboxes/{sandbox}")).json()["state"] == "leased"


async def test_the_size_of_a_screen(manager: Manager) -> None:
    """It is told and changed; sizes that no screen has are refused here."""
    (sandbox,) = await manager.lease("browser")
    (base,) = await manager.lease("base", session="s2")
    async with manager.http() as http:
        at = f"/v1/sandboxes/{sandbox}/screen"
        assert (await http.get(at)).json() == {"width": 1280, "height": 800}
        assert (await http.put(at, json={"width": 1600, "height": 1000})).json() == {"width": 1600, "height": 1000}
        assert (await http.get(at)).json() == {"width": 1600, "height": 1000}
        for size in ({"width": 1600}, {"width": 319, "height": 800}, {"width": 1600, "height": 2161}, {}):
            refused = await http.put(at, json=size)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        refused = await http.get(f"/v1/sandboxes/{base}/screen")
        assert refused.status_code == 422 and refused.json()["detail"] == "a base sandbox has no desktop"


async def test_a_lease_with_a_resolution(manager: Manager) -> None:
    """Its screens have it when the answer comes, and another one when it is asked for again; a base has no screen."""
    async with manager.http() as http:
        for resolution in ("1600x1000", "1024x768"):
            body = {"session_id": "s1", "sandbox_types": ["browser", "base"], "options": {"resolution": resolution}}
            answer = await http.post("/v1/leases", json=body)
            assert answer.status_code == 200, answer.text
            browser = answer.json()["sandboxes"][0]["sandbox_id"]
            width, height = map(int, resolution.split("x"))
            assert desktop_of(manager, browser).size == {"width": width, "height": height}
