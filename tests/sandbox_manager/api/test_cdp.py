"""Addresses for programs that drive a browser: opened once, by no page, and over with the lease."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest
from served_manager import Manager
from sockets import end
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin


async def address(manager: Manager, sandbox: str, **headers: str) -> str:
    """Ask for an address."""
    async with manager.http() as http:
        answer = await http.post(f"/v1/sandboxes/{sandbox}/cdp", headers=headers)
        assert answer.status_code == 200, answer.text
        assert 0 < answer.json()["expires_in"] <= 60
        return str(answer.json()["url"])


async def refused(url: str, origin: str | None = None) -> int:
    """Return the status with which a WebSocket is refused."""
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(url, origin=None if origin is None else Origin(origin)):
            pass
    return refusal.value.response.status_code


async def test_an_address_opens_once(manager: Manager) -> None:
    """Without a header or a cookie, since programs take an address and nothing else."""
    (sandbox,) = await manager.lease("browser")
    url = await address(manager, sandbox)
    assert url.startswith(f"ws://{manager.host}/cdp/{sandbox}/")
    async with connect(url) as socket:
        await socket.send('{"id": 1}')
        assert json.loads(await socket.recv()) == {"result": '{"id": 1}'}
        assert await refused(url) == 403
        assert sandbox in manager.pool.activity.running()


async def test_two_at_once_have_one_winner(manager: Manager) -> None:
    """Of many programs with one address."""
    (sandbox,) = await manager.lease("browser")
    url = await address(manager, sandbox)

    async def opened() -> bool:
        try:
            async with connect(url):
                return True
        except InvalidStatus:
            return False

    assert sorted(await asyncio.gather(*(opened() for _ in range(8)))) == [False] * 7 + [True]


async def test_no_page_drives(manager: Manager) -> None:
    """Not even one of ours: it says its Origin, and a ticket that leaked into it opens nothing."""
    (sandbox,) = await manager.lease("browser")
    url = await address(manager, sandbox)
    for origin in ("https://evil.example", manager.url, "null"):
        assert await refused(url, origin) == 403
    async with connect(url):
        pass


async def test_made_up_old_and_foreign_tickets_are_refused(manager: Manager) -> None:
    """And those of another purpose."""
    (mine,), (other,) = await manager.lease("browser"), await manager.lease("browser", session="s2")
    base = f"ws://{manager.host}/cdp"
    assert await refused(f"{base}/{mine}/{secrets.token_urlsafe(32)}") == 403
    url = await address(manager, mine)
    assert await refused(url.replace(mine, other)) == 403
    assert await refused(url) == 403  # used up by the attempt
    url = await address(manager, mine)
    manager.clock.now += 60
    assert await refused(url) == 403


async def test_the_version_leads_on_and_uses_nothing_up(manager: Manager) -> None:
    """For programs that begin with http://, with and without a slash at the end."""
    (sandbox,) = await manager.lease("browser")
    url = await address(manager, sandbox)
    async with manager.http(key=False) as http:
        for path in ("/json/version", "/json/version/"):
            answer = await http.get("http" + url.removeprefix("ws") + path)
            assert answer.json()["Browser"] == "Fake/1.0"
            assert answer.json()["webSocketDebuggerUrl"] == url
        wrong = await http.get(f"/cdp/{sandbox}/guess/json/version")
        assert (wrong.status_code, wrong.json()["code"]) == (401, "not_authorized")
    async with connect(url):
        pass


async def test_the_prefix_of_a_proxy_is_kept(manager: Manager) -> None:
    """As in every link."""
    (sandbox,) = await manager.lease("browser")
    url = await address(manager, sandbox, **{"X-Forwarded-Prefix": "/boxes"})
    assert url.startswith(f"ws://{manager.host}/boxes/cdp/{sandbox}/")


async def test_what_has_no_browser_says_so(manager: Manager) -> None:
    """A base has none; an unleased browser's is nobody's to drive."""
    (base,) = await manager.lease("base")
    (free,) = [record.sandbox_id for record in await manager.pool.sandboxes() if record.sandbox_type == "browser"]
    async with manager.http() as http:
        for sandbox, status, code in (
            (base, 422, "invalid_request"),
            (free, 422, "invalid_request"),
            ("sbx-none", 404, "sandbox_not_found"),
        ):
            answer = await http.post(f"/v1/sandboxes/{sandbox}/cdp")
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert "a base sandbox has no browser" in (await http.post(f"/v1/sandboxes/{base}/cdp")).json()["detail"]


async def test_the_end_of_the_lease_ends_the_driving(manager: Manager) -> None:
    """At once and with the reason; an address that was not opened opens nothing any more."""
    (sandbox,) = await manager.lease("browser")
    late = await address(manager, sandbox)
    async with connect(await address(manager, sandbox)) as socket:
        async with manager.http() as http:
            await http.delete("/v1/leases", params={"session_id": "s1"})
        assert await end(socket) == (4010, "The sandbox was released.")
    async with connect(late) as socket:
        assert (await end(socket))[0] == 4010


async def test_random_bytes_harm_nobody(manager: Manager) -> None:
    """Neither as binary frames, which no CDP has, nor as text."""
    (sandbox,) = await manager.lease("browser")
    async with connect(await address(manager, sandbox)) as socket:
        for length in range(100):
            await socket.send(secrets.token_bytes(length))
            await socket.send(secrets.token_bytes(length).decode("latin-1"))
        await socket.send("last")
        heard = [json.loads(await socket.recv())["result"] for _ in range(101)]
        assert heard[-1] == "last"
