"""Who may come in, and who may not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from served_manager import KEY, Manager
from served_manager import manager as run_manager

from agentscope_runtime.sandbox_manager.api import BODY_LIMIT
from agentscope_runtime.sandbox_manager.api.auth import Hosts
from agentscope_runtime.sandbox_manager.settings import Settings

JSON = {"Content-Type": "application/json"}
GUARDED = [
    ("GET", "/v1/leases"),
    ("POST", "/v1/leases"),
    ("DELETE", "/v1/leases?session_id=s"),
    ("GET", "/v1/pool"),
    ("GET", "/v1/sandboxes"),
    ("GET", "/v1/sandboxes/sbx-1"),
    ("DELETE", "/v1/sandboxes/sbx-1"),
    ("POST", "/v1/sandboxes/sbx-1/desktop"),
    ("GET", "/v1/sandboxes/sbx-1/tools"),
    ("POST", "/v1/sandboxes/sbx-1/tools/run_shell_command"),
    ("GET", "/v1/sandboxes/sbx-1/files/content?path=a"),
    ("PUT", "/v1/sandboxes/sbx-1/files/content?path=a"),
    ("GET", "/not/a/path"),
]


def code(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


async def sign_in(manager: Manager, http: httpx.AsyncClient) -> None:
    """Get the status page's cookie."""
    answer = await http.post("/session", json={"key": KEY}, headers={"Origin": manager.url})
    assert answer.status_code == 204


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_nothing_is_open_without_the_key(manager: Manager, method: str, path: str) -> None:
    """No header, another scheme and a wrong key are all refused, in the form of every error."""
    async with manager.http(key=False) as http:
        for headers in ({}, {"Authorization": f"Basic {KEY}"}, {"Authorization": "Bearer wrong"}, {"Cookie": "a=b"}):
            answer = await http.request(method, path, headers=headers)
            assert code(answer) == (401, "not_authorized")
            assert answer.headers["www-authenticate"] == "Bearer"
            assert KEY not in answer.text


def test_every_route_is_open_or_guarded_on_purpose() -> None:
    """The list above misses no kind of path of /v1."""
    kinds = {path.split("?")[0].replace("sbx-1", "{}") for _, path in GUARDED}
    assert {"/v1/leases", "/v1/pool", "/v1/sandboxes", "/v1/sandboxes/{}"} <= kinds


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/health", "/liveness", "/readiness", "/pages/icon.svg"]
)
async def test_pages_and_health_need_no_key(manager: Manager, path: str) -> None:
    """They tell nothing that is worth guarding."""
    async with manager.http(key=False) as http:
        assert (await http.get(path)).status_code in (200, 503)


async def test_the_key_opens(manager: Manager) -> None:
    """In a header, with the scheme in any case."""
    async with manager.http(key=False) as http:
        for scheme in ("Bearer", "bearer"):
            answer = await http.get("/v1/leases", headers={"Authorization": f"{scheme} {KEY}"})
            assert answer.json() == {"leases": []}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "", "[", "10.0.0.9"],
)
async def test_a_name_that_is_not_ours_is_refused(manager: Manager, host: str) -> None:
    """DNS rebinding: the key would not help, and neither /health nor a page is told."""
    async with manager.http() as http:
        for path in ("/v1/leases", "/health", "/"):
            assert code(await http.get(path, headers={"Host": host})) == (403, "forbidden")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
async def test_names_of_this_machine_are_ours(manager: Manager, name: str) -> None:
    """With and without the port."""
    async with manager.http() as http:
        for host in (name, f"{name}:{manager.url.rsplit(':')[-1]}"):
            assert (await http.get("/v1/leases", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    ("host", "allowed", "given", "ours"),
    [
        ("127.0.0.1", ("box.example",), "box.example", True),
        ("127.0.0.1", ("box.example",), "box.example:8443", True),
        ("127.0.0.1", ("box.example:8443",), "box.example:8443", True),
        ("127.0.0.1", ("box.example:8443",), "box.example", False),
        ("127.0.0.1", ("*",), "anything.example", True),
        ("0.0.0.0", (), "192.168.1.4:8000", True),
        ("0.0.0.0", (), "[fe80::1]:8000", True),
        ("0.0.0.0", (), "evil.example", False),
        ("192.168.1.4", (), "192.168.1.4", True),
        ("192.168.1.4", (), "192.168.1.5", False),
    ],
)
def test_which_names_are_ours_is_set(host: str, allowed: tuple[str, ...], given: str, ours: bool) -> None:
    """Names must be listed; numbers are safe where one listens on all of them, since nobody can rebind a number."""
    settings = Settings(host=host, allowed_hosts=allowed, bearer_token=SecretStr("k"))
    assert Hosts(settings).allow(given) is ours


async def test_signing_in_with_the_key_gives_a_cookie_that_reads(manager: Manager) -> None:
    """The cookie cannot be read by scripts, nor sent along by other sites; its value is not the key."""
    async with manager.http(key=False) as http:
        answer = await http.post("/session", json={"key": KEY}, headers={"Origin": manager.url})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/;" in cookie
        assert KEY not in cookie
        assert (await http.get("/v1/pool")).status_code == 200


async def test_a_wrong_key_gives_no_cookie(manager: Manager) -> None:
    """It is told in words for the page."""
    async with manager.http(key=False) as http:
        for body in ({"key": "wrong"}, {"key": ""}, {}, {"ticket": "wrong"}):
            answer = await http.post("/session", json=body)
            assert code(answer) == (401, "not_authorized")
            assert "set-cookie" not in answer.headers


async def test_a_sign_in_link_works_once_and_not_for_ever(manager: Manager) -> None:
    """Replays are refused, and a forgotten link dies."""
    ticket = manager.app.state.access.sign_in_ticket()
    async with manager.http(key=False) as http:
        assert (await http.post("/session", json={"ticket": ticket})).status_code == 204
        assert code(await http.post("/session", json={"ticket": ticket})) == (401, "not_authorized")
        late = manager.app.state.access.sign_in_ticket()
        manager.clock.now += 601
        assert code(await http.post("/session", json={"ticket": late})) == (401, "not_authorized")


async def test_a_sign_in_ends(manager: Manager) -> None:
    """After a working day, or when one signs out."""
    async with manager.http(key=False) as http:
        await sign_in(manager, http)
        assert (await http.delete("/session")).status_code == 204
        assert code(await http.get("/v1/pool")) == (401, "not_authorized")
        await sign_in(manager, http)
        manager.clock.now += 12 * 3600 + 1
        assert code(await http.get("/v1/pool")) == (401, "not_authorized")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
        ("chrome-extension://{host}", 403),
        ("http://{host}", 200),
    ],
)
async def test_a_cookie_changes_things_only_from_our_own_page(
    manager: Manager, origin: str | None, status: int
) -> None:
    """Another page's call carries the cookie, too; its Origin gives it away."""
    async with manager.http(key=False) as http:
        await sign_in(manager, http)
        headers: dict[str, Any] = {"Origin": origin.format(host=manager.host)} if origin else {}
        answer = await http.post("/v1/leases", json={"session_id": "s"}, headers=headers)
        assert answer.status_code == status
    assert len(await manager.pool.leases()) == (1 if status == 200 else 0)


@pytest.mark.parametrize("path", ["/session", "/desktop/sbx-1/session"])
async def test_other_sites_cannot_sign_anybody_in(manager: Manager, path: str) -> None:
    """Not even with a good ticket of their own."""
    ticket = manager.app.state.access.sign_in_ticket()
    async with manager.http(key=False) as http:
        answer = await http.post(path, json={"ticket": ticket}, headers={"Origin": "http://evil.example"})
        assert code(answer) == (403, "forbidden")


async def test_no_other_origin_may_read(manager: Manager) -> None:
    """There is no CORS: neither a preflight nor an answer allows another origin."""
    async with manager.http() as http:
        headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        for answer in (
            await http.options("/v1/leases", headers=headers),
            await http.get("/v1/leases", headers=headers),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_cookies_of_two_managers_do_not_collide(tmp_path: Path) -> None:
    """Cookies know no port."""
    async with run_manager(tmp_path) as one, run_manager(tmp_path) as two:
        assert one.app.state.access.cookie != two.app.state.access.cookie


@pytest.mark.parametrize("path", ["/session", "/desktop/sbx-1/session"])
async def test_nobody_without_a_key_makes_the_manager_read_much(manager: Manager, path: str) -> None:
    """A body that is longer than any ticket is refused, whether its length is told or not."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(16):
            yield b" " * 4096

    async with manager.http(key=False) as http:
        assert (await http.post(path, content=b" " * 5000, headers=JSON)).status_code == 413
        assert (await http.post(path, content=chunks(), headers=JSON)).status_code == 413


async def test_a_body_has_a_limit_with_the_key_too(manager: Manager) -> None:
    """Whoever holds the key is told the limit by the status."""
    async with manager.http() as http:
        answer = await http.post("/v1/leases", content=b" " * (BODY_LIMIT + 1), headers=JSON)
        assert answer.status_code == 413
