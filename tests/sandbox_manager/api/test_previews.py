"""Who may visit a port, by host and by path: links, cookies, secrets, origins, leases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from served_manager import Manager
from served_manager import manager as run_manager
from visited_app import Visited, visited_app
from visited_manager import Visitor, close_ports, link, opened, real_ports


@pytest.fixture
async def program() -> AsyncIterator[Visited]:
    """A program that listens."""
    async with visited_app() as seen:
        yield seen


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """A manager whose boxes reach it."""
    with real_ports():
        async with run_manager(tmp_path) as running:
            yield running
        await close_ports()


def told(answer: httpx.Response) -> dict[str, list[str]]:
    """Return the headers that the program was asked with, by lower-case name."""
    assert answer.status_code == 200, answer.text
    headers: dict[str, list[str]] = {}
    for name, value in answer.json()["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    return headers


async def test_a_link_leads_to_a_host_of_its_own(manager: Manager, program: Visited) -> None:
    """Its ticket is exchanged for a cookie that scripts cannot read, and is gone from the address."""
    (sandbox,) = await manager.lease("base")
    url = await link(manager, sandbox, program.port)
    port = manager.host.split(":")[1]
    assert url.startswith(f"http://p{program.port}-{sandbox}.localhost:{port}/?sandbox_ticket=")
    answer = await Visitor(manager).get(url.replace("/?", "/deep//%2e?a=1&") + "&b=2")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"http://p{program.port}-{sandbox}.localhost:{port}/deep//%2e?a=1&b=2"
    assert answer.headers["referrer-policy"] == "no-referrer"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie and "Domain" not in cookie


async def test_a_program_believes_itself_visited_at_localhost(manager: Manager, program: Visited) -> None:
    """Host, Origin and Referer agree on it; our cookie is not shown, the program's own are."""
    visitor, origin, _ = await opened(manager, program)
    headers = {"Origin": origin, "Referer": f"{origin}/page?x", "Authorization": "Bearer the program's"}
    visitor.cookies["own"] = "1"
    seen = told(await visitor.get(f"{origin}/a%2Fb?q=1", **headers))
    local = f"http://localhost:{program.port}"
    assert seen["host"] == [f"localhost:{program.port}"]
    assert (seen["origin"], seen["referer"]) == ([local], [f"{local}/page?x"])
    assert seen["cookie"] == ["own=1"]
    assert seen["authorization"] == ["Bearer the program's"]
    assert seen["x-forwarded-host"] == [origin.removeprefix("http://")]


async def test_the_managers_key_is_not_shown_to_programs(manager: Manager, program: Visited) -> None:
    """Clients have it in every call."""
    visitor, origin, _ = await opened(manager, program)
    assert "authorization" not in told(await visitor.get(f"{origin}/", **manager.headers))
    url = await link(manager, (await manager.lease("base"))[0], program.port, path=True)
    assert "authorization" not in told(await visitor.get(url, **manager.headers))


async def test_a_link_opens_once_and_only_its_port(manager: Manager, program: Visited) -> None:
    """Who holds its cookie may use it again; everybody else is told to ask for a new one."""
    (sandbox,) = await manager.lease("base")
    url = await link(manager, sandbox, program.port)
    first, second = Visitor(manager), Visitor(manager)
    assert (await first.get(url)).status_code == 303
    answer = await second.get(url)
    assert (answer.status_code, "set-cookie" in answer.headers) == (303, False)
    assert (await second.get(answer.headers["location"])).status_code == 401
    assert (await first.get((await first.get(url)).headers["location"])).status_code == 200
    other = await link(manager, sandbox, program.port)
    elsewhere = other.replace(f"//p{program.port}-", "//p81-")
    assert "set-cookie" not in (await second.get(elsewhere)).headers
    assert "set-cookie" not in (await second.get(other)).headers  # the attempt has used it up
    assert (await first.get(elsewhere.partition("?")[0])).status_code == 401


async def test_links_age(manager: Manager, program: Visited) -> None:
    """After five minutes, or as long as was asked for."""
    (sandbox,) = await manager.lease("base")
    urls = [await link(manager, sandbox, program.port), await link(manager, sandbox, program.port, expires_in=1000)]
    by_path = await link(manager, sandbox, program.port, path=True, expires_in=20)
    manager.clock.now += 301
    visitor = Visitor(manager)
    assert "set-cookie" not in (await visitor.get(urls[0])).headers
    assert "set-cookie" in (await visitor.get(urls[1])).headers
    assert (await visitor.get(by_path)).status_code == 401


async def test_nothing_of_the_manager_is_at_a_visited_host(manager: Manager, program: Visited) -> None:
    """Its paths are the program's there, with and without key, and whether or not the visitor may."""
    visitor, origin, _ = await opened(manager, program)
    for path in ("/v1/leases", "/health", "/", "/pages/common.css", "/preview/x/y/1/", "/desktop/x"):
        assert (await visitor.get(origin + path)).json()["target"] == path
        answer = await Visitor(manager).get(origin + path, **manager.headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authorized")


@pytest.mark.parametrize(
    "host", ["p1-x.localhost.evil.example", "px-sbx-1.localhost", "p1-sbx-1.localhost:x@evil.example", "p1-"]
)
async def test_other_hosts_are_no_ports(manager: Manager, host: str) -> None:
    """They are refused, as names that are not the manager's."""
    async with manager.http() as http:
        answer = await http.get("/v1/leases", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_other_pages_cannot_use_the_cookie(manager: Manager, program: Visited) -> None:
    """Neither another site's, nor another sandbox's on the same domain; a link on them can be followed."""
    visitor, origin, _ = await opened(manager, program)
    foreign = {"Origin": "http://p80-sbx-other.localhost"}
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert (await visitor.get(origin, method, **foreign)).status_code == 403
        assert (await visitor.get(origin, method, Origin=origin)).status_code == 200
    fetched = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    assert (await visitor.get(origin, **fetched)).status_code == 403
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (await visitor.get(origin, **followed)).status_code == 200


async def test_the_end_of_the_lease_ends_the_visits(manager: Manager, program: Visited) -> None:
    """Unopened links, cookies and paths alike; the next lease's sandbox has another host."""
    visitor, origin, sandbox = await opened(manager, program)
    unopened = await link(manager, sandbox, program.port)
    by_path = await link(manager, sandbox, program.port, path=True)
    assert (await visitor.get(by_path)).status_code == 200
    await manager.pool.release_sandbox(sandbox)
    for url in (f"{origin}/", by_path, unopened):
        answer = await visitor.get(url)
        assert (answer.status_code, answer.json()["code"]) == (404, "sandbox_not_found")


async def test_a_path_is_a_secret_and_works_for_everybody_who_knows_it(manager: Manager, program: Visited) -> None:
    """Again and again, without a cookie; another secret, sandbox or port does not."""
    (sandbox,) = await manager.lease("base")
    url = await link(manager, sandbox, program.port, path=True)
    base, secret = f"{manager.url}/preview/", url.split("/")[4]
    assert url == f"{base}{secret}/{sandbox}/{program.port}/"
    visitor = Visitor(manager)
    for _ in range(2):
        answer = await visitor.get(f"{url}a/b%20c?d=e")
        assert answer.json()["target"] == "/a/b%20c?d=e"
    for wrong in (
        f"{base}guess/{sandbox}/{program.port}/",
        f"{base}{secret}/{sandbox}/81/",
        f"{base}{secret}/sbx-other/{program.port}/",
        f"{base}{secret}/{sandbox}/x/",
        f"{base}{secret}/",
        base,
    ):
        assert (await visitor.get(wrong)).status_code == 401
    without = await visitor.get(f"{url.rstrip('/')}?x=1")
    assert without.headers["location"] == f"{urlsplit(url).path}?x=1"


async def test_pages_by_path_have_no_origin(manager: Manager, program: Visited) -> None:
    """So what runs in them is nothing to the manager's pages; they may call the program, and nothing else."""
    (sandbox,) = await manager.lease("base")
    url = await link(manager, sandbox, program.port, path=True)
    visitor = Visitor(manager)
    visitor.cookies = {"sandboxes_1": "the manager's", "somebody": "else's", "preview-own": "1"}
    answer = await visitor.get(url, Origin="null", Referer=f"{url}x")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox ") and "allow-same-origin" not in policy and "top-navigation" not in policy
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["referrer-policy"] == "no-referrer"
    seen = told(answer)
    assert seen["cookie"] == ["own=1"]
    assert seen["origin"] == [f"http://localhost:{program.port}"]
    assert seen["referer"] == [f"http://localhost:{program.port}/x"]
    assert seen["x-forwarded-prefix"] == [urlsplit(url).path.rstrip("/")]
    asks = {"Origin": "null", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-a"}
    preflight = await visitor.get(url, "OPTIONS", **asks)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-methods"] == "PUT"
    assert preflight.headers["access-control-allow-headers"] == "x-a"


async def test_addresses_honour_a_proxys_prefix(manager: Manager, program: Visited) -> None:
    """No host of its own would lead through that proxy, so they are by path; what is no prefix is refused."""
    (sandbox,) = await manager.lease("base")
    headers = {"X-Forwarded-Prefix": "/boxes"}
    url = await link(manager, sandbox, program.port, headers)
    assert url.startswith(f"{manager.url}/boxes/preview/")
    answer = await Visitor(manager).get(url.replace("/boxes", "") + "cookie", **headers)
    assert f"Path={urlsplit(url).path}" in answer.headers["set-cookie"]
    async with manager.http() as http:
        for prefix in ("boxes", "/a b", "/a//b", "/../x", "//evil.example"):
            body, bad = {"port": program.port}, {"X-Forwarded-Prefix": prefix}
            answer = await http.post(f"/v1/sandboxes/{sandbox}/ports", json=body, headers=bad)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_domain_of_ones_own_is_used_everywhere(tmp_path: Path, program: Visited) -> None:
    """With its scheme and port, whatever the manager is called."""
    with real_ports():
        async with run_manager(tmp_path, preview_domain="https://*.preview.example.org:8443") as manager:
            (sandbox,) = await manager.lease("base")
            url = await link(manager, sandbox, program.port, {"X-Forwarded-Prefix": "/boxes"})
            host = f"p{program.port}-{sandbox}.preview.example.org:8443"
            assert url.startswith(f"https://{host}/?sandbox_ticket=")
            visitor = Visitor(manager)
            answer = await visitor.get(url, **{"X-Forwarded-Proto": "https"})
            assert answer.headers["location"] == f"https://{host}/"
            assert "Secure" in answer.headers["set-cookie"]
            assert (await visitor.get(f"https://{host}/x")).json()["target"] == "/x"
        await close_ports()


async def test_what_cannot_be_visited_is_said_at_once(manager: Manager) -> None:
    """The box's own ports, what is no port, and what nobody has leased."""
    (sandbox,) = await manager.lease("base")
    (free,) = [record.sandbox_id for record in await manager.pool.sandboxes() if record.sandbox_type == "browser"]
    async with manager.http() as http:
        for where, body, status in (
            (sandbox, {"port": 7000}, 422),
            (sandbox, {"port": 0}, 422),
            (sandbox, {"port": 65536}, 422),
            (sandbox, {"port": 80, "expires_in": 0}, 422),
            (sandbox, {}, 422),
            (free, {"port": 80}, 422),
            ("sbx-none", {"port": 80}, 404),
        ):
            answer = await http.post(f"/v1/sandboxes/{where}/ports", json=body)
            assert answer.status_code == status, answer.text


async def test_a_person_is_told_on_a_page(manager: Manager) -> None:
    """That names the port, runs nothing, and cannot be broken by what it quotes."""
    (sandbox,) = await manager.lease("base")
    visitor = Visitor(manager)
    url = await link(manager, sandbox, 1)
    await visitor.get(url)
    answer = await visitor.get(url.partition("?")[0], Accept="text/html")
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert "Nothing listens on port 1 in this sandbox" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    refused = await visitor.get(f"{url.partition('/?')[0]}/", "POST", Accept="text/html", Origin="http://<script>")
    assert refused.status_code == 403
    assert "&lt;script&gt;" in refused.text and "<script>" not in refused.text
