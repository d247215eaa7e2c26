"""Desktops: links that open once, and a relay that keeps watchers from doing anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from desktop_viewer import GREETING, cookie, exchange, link, watching
from served_manager import Manager
from served_manager import manager as run_manager
from sockets import end
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

HELLO = b"RFB 003.008\n\x01\x01"
REQUEST = b"\x03\x00" + bytes(8)
KEY_EVENT = b"\x04\x01\x00\x00\x00\x00\x00\x61"


async def refused(manager: Manager, sandbox: str, value: str | None, *, origin: str | None = "own") -> int:
    """Return the status with which the WebSocket is refused."""
    with pytest.raises(InvalidStatus) as refusal:
        async with watching(manager, sandbox, value, origin=origin):
            pass
    return refusal.value.response.status_code


async def test_a_link_holds_its_ticket_in_the_fragment(manager: Manager) -> None:
    """What a server or a proxy sees of it opens nothing."""
    (sandbox,) = await manager.lease("browser")
    url = await link(manager, sandbox)
    place, _, ticket = url.partition("#")
    assert place == f"{manager.url}/desktop/{sandbox}"
    assert len(ticket) > 43
    record = await manager.pool.sandbox(sandbox)
    assert record.token not in url


async def test_the_page_gets_a_cookie_of_its_own(manager: Manager) -> None:
    """Which scripts cannot read, other sites cannot use, and other sandboxes' pages do not send."""
    (sandbox,) = await manager.lease("browser")
    answer = await exchange(manager, await link(manager, sandbox, control=True))
    assert answer.json() == {"sandbox_type": "browser", "control": True}
    morsel = answer.headers["set-cookie"]
    assert "HttpOnly" in morsel
    assert "SameSite=strict" in morsel
    assert f"Path=/desktop/{sandbox};" in morsel


async def test_a_link_opens_once(manager: Manager) -> None:
    """The second exchange is refused; so is a second WebSocket on the cookie of the first."""
    (sandbox,) = await manager.lease("browser")
    url = await link(manager, sandbox)
    first, second = await exchange(manager, url), await exchange(manager, url)
    assert (first.status_code, second.status_code) == (200, 401)
    value = first.headers["set-cookie"].split(";")[0]
    async with watching(manager, sandbox, value) as socket:
        assert socket.subprotocol == "binary"
        assert await socket.recv() == GREETING
        assert await refused(manager, sandbox, value) == 403


async def test_two_at_once_have_one_winner(manager: Manager) -> None:
    """Of many exchanges of one ticket."""
    (sandbox,) = await manager.lease("browser")
    url = await link(manager, sandbox)
    answers = await asyncio.gather(*(exchange(manager, url) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9


async def test_a_link_is_for_one_sandbox(manager: Manager) -> None:
    """At another one's page it is refused, and used up by the attempt."""
    mine, other = await manager.lease("browser"), await manager.lease("browser", session="s2")
    url = await link(manager, mine[0])
    assert (await exchange(manager, url, other[0])).status_code == 401
    assert (await exchange(manager, url)).status_code == 401
    value = await cookie(manager, mine[0])
    assert await refused(manager, other[0], value) == 403


async def test_links_and_cookies_age(manager: Manager) -> None:
    """An unopened link lives for a minute, an unused cookie for less."""
    (sandbox,) = await manager.lease("browser")
    url = await link(manager, sandbox)
    manager.clock.now += 60
    assert (await exchange(manager, url)).status_code == 401
    value = await cookie(manager, sandbox)
    manager.clock.now += 30
    assert await refused(manager, sandbox, value) == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None, "http://127.0.0.1:1"])
async def test_other_sites_cannot_watch(manager: Manager, origin: str | None) -> None:
    """A browser sends the cookie along with any page's WebSocket; the Origin tells whose page it is."""
    (sandbox,) = await manager.lease("browser")
    assert await refused(manager, sandbox, await cookie(manager, sandbox), origin=origin) == 403


async def test_a_rebound_name_cannot_watch(manager: Manager) -> None:
    """Where Origin and Host agree on a name that is not ours."""
    (sandbox,) = await manager.lease("browser")
    value = await cookie(manager, sandbox)
    url = f"ws://evil.example:{manager.url.rsplit(':')[-1]}/desktop/{sandbox}/websocket"
    host, port = manager.host.split(":")
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(
            url, host=host, port=int(port), origin=Origin("http://evil.example"), additional_headers={"Cookie": value}
        ):
            pass
    assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("value", [None, "desktop_x=guess", "=", 'desktop_0="; ;'])
async def test_nobody_watches_without_a_cookie(manager: Manager, value: str | None) -> None:
    """Neither none, nor a made-up one."""
    (sandbox,) = await manager.lease("browser")
    assert await refused(manager, sandbox, value) == 403


async def test_the_status_pages_cookie_is_no_desktops(manager: Manager) -> None:
    """Nor is the key: a WebSocket is opened by a ticket alone."""
    (sandbox,) = await manager.lease("browser")
    secret = await manager.app.state.access.sign_in()
    assert await refused(manager, sandbox, f"{manager.app.state.access.cookie}={secret}") == 403
    assert await refused(manager, sandbox, f"{manager.app.state.access.visit_cookie('desktop')}={secret}") == 403


async def test_a_watcher_sees_and_does_nothing(manager: Manager) -> None:
    """The box, which sends back what it hears, hears requests for the screen and no key, however frames are cut."""
    (sandbox,) = await manager.lease("browser")
    async with watching(manager, sandbox, await cookie(manager, sandbox)) as socket:
        assert await socket.recv() == GREETING
        stream = HELLO + KEY_EVENT + REQUEST + KEY_EVENT * 3 + REQUEST
        for begin in range(0, len(stream), 7):
            await socket.send(stream[begin : begin + 7])
        heard = b""
        while len(heard) < len(HELLO + REQUEST * 2):
            heard += bytes(await socket.recv())  # type: ignore[arg-type]
        assert heard == HELLO + REQUEST + REQUEST


async def test_control_is_passed_on(manager: Manager) -> None:
    """Frame by frame, as it is."""
    (sandbox,) = await manager.lease("browser")
    async with watching(manager, sandbox, await cookie(manager, sandbox, control=True)) as socket:
        assert await socket.recv() == GREETING
        for frame in (HELLO, KEY_EVENT, bytes(1 << 20)):
            await socket.send(frame)
            assert await socket.recv() == frame


async def test_a_watcher_who_speaks_no_rfb_is_thrown_out(manager: Manager) -> None:
    """With the reason."""
    (sandbox,) = await manager.lease("browser")
    async with watching(manager, sandbox, await cookie(manager, sandbox)) as socket:
        await socket.send(HELLO + b"\x63")
        assert await end(socket) == (4003, "This viewer does not speak VNC: message type 99.")


async def test_the_end_of_the_lease_ends_the_watching(manager: Manager) -> None:
    """At once, with the reason; the same for all who watch."""
    (sandbox,) = await manager.lease("browser")
    async with (
        watching(manager, sandbox, await cookie(manager, sandbox)) as one,
        watching(manager, sandbox, await cookie(manager, sandbox, control=True)) as two,
    ):
        assert await one.recv() == await two.recv() == GREETING
        async with manager.http() as http:
            await http.delete("/v1/leases", params={"session_id": "s1"})
        assert await end(one) == await end(two) == (4010, "The sandbox was released.")


async def test_the_death_of_the_box_ends_the_watching(manager: Manager) -> None:
    """Whichever is noticed first, the container's end or the connection's."""
    (sandbox,) = await manager.lease("browser")
    async with watching(manager, sandbox, await cookie(manager, sandbox)) as socket:
        assert await socket.recv() == GREETING
        await manager.backend.die(sandbox)
        code, reason = await end(socket)
    assert code in (4010, 4011)
    assert reason


async def test_a_link_of_an_ended_lease_opens_nothing(manager: Manager) -> None:
    """Neither the ticket nor the cookie outlives the lease."""
    (sandbox,) = await manager.lease("browser")
    url, value = await link(manager, sandbox), await cookie(manager, sandbox)
    await manager.pool.release_sandbox(sandbox)
    answer = await exchange(manager, url)
    assert (answer.status_code, answer.json()["code"]) == (404, "sandbox_not_found")
    async with watching(manager, sandbox, value) as socket:
        assert await end(socket) == (4010, f"sandbox {sandbox} was released")


async def test_watching_is_activity(manager: Manager) -> None:
    """For as long as it lasts."""
    (sandbox,) = await manager.lease("browser")
    async with watching(manager, sandbox, await cookie(manager, sandbox)) as socket:
        await socket.recv()
        assert sandbox in manager.pool.activity.running()
    while sandbox in manager.pool.activity.running():  # noqa: ASYNC110 - the pool tells nobody
        await asyncio.sleep(0.01)


async def test_what_has_no_desktop_says_so(manager: Manager) -> None:
    """A base has none; an unleased browser's is nobody's to see."""
    (base,) = await manager.lease("base")
    (free,) = [record.sandbox_id for record in await manager.pool.sandboxes() if record.sandbox_type == "browser"]
    async with manager.http() as http:
        for sandbox, status, code in (
            (base, 422, "invalid_request"),
            (free, 422, "invalid_request"),
            ("sbx-none", 404, "sandbox_not_found"),
        ):
            answer = await http.post(f"/v1/sandboxes/{sandbox}/desktop", json={})
            assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_end_of_the_manager_ends_the_watching(tmp_path: Path) -> None:
    """The page can tell it from a lost network."""
    async with run_manager(tmp_path) as manager:
        (sandbox,) = await manager.lease("browser")
        socket = await connect(
            f"ws://{manager.host}/desktop/{sandbox}/websocket",
            origin=Origin(manager.url),
            additional_headers={"Cookie": await cookie(manager, sandbox)},
        )
        await socket.recv()
    assert (await end(socket))[0] == 1012
    await socket.close()
