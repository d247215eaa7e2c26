"""The pages: what they are served with, and what people see in a real browser, with boxes in memory."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from served_manager import KEY, Manager
from served_manager import manager as run_manager

from agentscope_runtime.sandbox.errors import StartFailed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium on this machine (apt-get install chromium)"
)
needs_bundle = pytest.mark.skipif(
    not (resources.files("agentscope_runtime.sandbox_manager") / "pages" / "novnc.js").is_file(),
    reason="needs noVNC's bundle, which git ignores (make images)",
)


async def test_pages_may_run_nothing_but_themselves(manager: Manager) -> None:
    """No inline script, nothing from elsewhere, in nobody's frame, and no address told to anybody."""
    async with manager.http(key=False) as http:
        for path in ("/", "/docs", "/desktop/sbx-1", "/terminal/sbx-1", "/pages/status.js"):
            answer = await http.get(path)
            assert answer.status_code == 200
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_pages_hold_no_inline_script_or_style() -> None:
    """The policy would stop it, and the page would be broken."""
    pages = resources.files("agentscope_runtime.sandbox_manager") / "pages"
    for page in ("status.html", "desktop.html", "terminal.html", "calls.html"):
        text = (pages / page).read_text()
        assert "style=" not in text
        assert "onclick=" not in text
        assert "<style" not in text
        assert text.count("<script") == text.count('<script type="module" src="')


async def test_pages_are_fetched_once(manager: Manager) -> None:
    """A browser that has a page asks whether it changed; that is all."""
    async with manager.http(key=False) as http:
        first = await http.get("/pages/status.js")
        again = await http.get("/pages/status.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/pages/none.js", "/pages/..%2fsettings.py", "/pages/%2e%2e", "/pages/", "/pages/x"])
async def test_only_pages_are_served(manager: Manager, path: str) -> None:
    """No way leads out of the folder."""
    async with manager.http(key=False) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_document_of_the_api_is_whole(manager: Manager) -> None:
    """It names the key, the calls and their bodies."""
    async with manager.http(key=False) as http:
        document = (await http.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert {"/v1/leases", "/v1/pool", "/v1/sandboxes/{sandbox_id}/tools/{name}", "/health"} <= set(document["paths"])
    assert "/session" not in document["paths"]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Run this machine's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Open a tab; whatever its policy stops, or its scripts raise, fails the test."""
    page = await browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    yield page
    assert wrong == []


async def sign_in(page: Page, manager: Manager) -> None:
    """Open the link that the server prints."""
    await page.goto(f"{manager.url}/#ticket={manager.app.state.access.sign_in_ticket()}")
    await expect(page.locator("#signed-in")).to_be_visible()


@needs_chromium
async def test_the_sign_in_link_signs_in_once(manager: Manager, page: Page, browser: Browser) -> None:
    """Its ticket leaves the address bar; a second person is told, and may use the key."""
    ticket = manager.app.state.access.sign_in_ticket()
    await page.goto(f"{manager.url}/#ticket={ticket}")
    await expect(page.locator("#signed-in")).to_be_visible()
    assert page.url == f"{manager.url}/"
    await page.reload()
    await expect(page.locator("#signed-in")).to_be_visible()

    other = await (await browser.new_context()).new_page()
    await other.goto(f"{manager.url}/#ticket={ticket}")
    await expect(other.locator("#wrong")).to_contain_text("was used before")
    await other.get_by_label("Key").fill("wrong")
    await other.keyboard.press("Enter")
    await expect(other.locator("#wrong")).to_have_text("That is not the key of this manager.")
    await other.get_by_label("Key").fill(KEY)
    await other.get_by_role("button", name="Sign in").click()
    await expect(other.locator("#signed-in")).to_be_visible()
    await other.get_by_role("button", name="Sign out").click()
    await expect(other.locator("#sign-in-why")).to_have_text("You are signed out.")


@needs_chromium
async def test_it_shows_pools_and_leases_and_releases_them(manager: Manager, page: Page) -> None:
    """By itself, as they come and go; a release is asked for twice."""
    await sign_in(page, manager)
    await expect(page.locator("#no-leases")).to_contain_text("BrowserSandbox(base_url=")
    await expect(page.locator(".pool h3")).to_have_text(["base", "browser"])

    await manager.lease("browser", "base", session="<b>research</b>")
    lease = page.locator(".lease")
    await expect(lease.locator("h3")).to_have_text("<b>research</b>")
    await expect(page).to_have_title("Sandboxes (1)")
    rows = lease.locator("li")
    await expect(rows.nth(0).get_by_role("button", name="Watch")).to_be_visible()
    await expect(rows.nth(1).get_by_role("button", name="Watch")).to_be_hidden()

    await lease.get_by_role("button", name="Release").click()
    await page.get_by_role("button", name="Keep it").click()
    await expect(page.locator("dialog")).to_be_hidden()
    assert len(await manager.pool.leases()) == 1
    await lease.get_by_role("button", name="Release").press("Enter")
    await expect(page.locator("#confirm-what")).to_contain_text("<b>research</b> holds: browser, base.")
    await page.locator("dialog").get_by_role("button", name="Release").click()
    await expect(page.locator("#no-leases")).to_be_visible()
    assert await manager.pool.leases() == []


@needs_chromium
async def test_it_tells_what_rests(tmp_path: Path, page: Page) -> None:
    """A frozen sandbox, and a suspended one, as they come and go."""
    settings = {"heartbeat_timeout": 8, "watcher_scan_interval": 0.02, "pause_after_seconds": 1}
    async with run_manager(tmp_path, **settings) as manager:
        await sign_in(page, manager)
        (sandbox,) = await manager.lease("browser")
        times = page.locator(".lease .times")
        await expect(times).to_contain_text("active now")
        await expect(times).to_contain_text("frozen, idle for", timeout=10_000)
        await expect(times).to_contain_text("suspended for", timeout=20_000)
        await expect(page.locator(".pool .sum").filter(has_text="suspended")).to_have_text(re.compile("· 1 suspended$"))
        await expect(page.locator("#count")).to_have_text("1 session, 1 suspended")
        async with manager.http() as http:
            assert (await http.get(f"/v1/sandboxes/{sandbox}/tools")).is_success
        await expect(times).to_contain_text("active now")


@needs_chromium
async def test_it_tells_the_limits_and_who_waits(tmp_path: Path, page: Page) -> None:
    """Only those that are set, and the line only while there is one."""
    limits = {"max_sandbox_instances": 1, "max_sandboxes_per_user": 2, "max_sandboxes_by_type": {"browser": 3}}
    async with run_manager(tmp_path, pool_size=0, max_sandbox_memory="16g", **limits) as manager:
        await sign_in(page, manager)
        said = "at most 1 sandbox, 3 browser, 2 of one user, 16 GiB of memory"
        await expect(page.locator("#limit")).to_have_text(said)
        await expect(page.locator("#queue")).to_be_empty()
        await manager.lease("base", session="first")
        async with manager.http() as http:
            call = {"session_id": "second", "sandbox_types": ["base"], "wait_s": 30}
            waits = asyncio.ensure_future(http.post("/v1/leases", json=call, timeout=40))
            await expect(page.locator("#queue")).to_contain_text("1 call waiting for room here, the longest for")
            await http.delete("/v1/leases", params={"session_id": "first", "user_id": ""})
            assert (await waits).is_success
        await expect(page.locator("#queue")).to_be_empty()


@needs_chromium
async def test_it_says_why_nothing_starts(tmp_path: Path, page: Page) -> None:
    """The reason of the pool, in its card."""

    async def fail(step: str, _: str) -> None:
        if step == "start":
            raise StartFailed("the disk is full")

    async with run_manager(tmp_path, pool_size=0) as manager:
        await sign_in(page, manager)
        await expect(page.locator("#no-pools")).to_contain_text("POOL_SIZE=1")
        manager.backend.hook = fail
        manager.pool.refill.expect(["base"])
        await expect(page.locator(".failure")).to_contain_text("failed: the disk is full.")


@needs_chromium
async def test_a_manager_that_stops_is_told(tmp_path: Path, page: Page) -> None:
    """In words, and the page goes on asking."""
    async with run_manager(tmp_path) as manager:
        await sign_in(page, manager)
        await expect(page.locator("#live")).to_have_text("live")
    await expect(page.locator("#trouble")).to_contain_text("The manager does not answer.")
    await expect(page.locator("#live")).to_have_text("not connected")


@needs_chromium
@needs_bundle
async def test_watch_opens_the_viewer_in_a_tab(manager: Manager, page: Page) -> None:
    """Which exchanges its ticket, hides it, and says when the lease is over."""
    await manager.lease("browser")
    await sign_in(page, manager)
    async with page.expect_popup() as popup:
        await page.get_by_role("button", name="Watch").click()
    viewer = await popup.value
    (sandbox,) = [record.sandbox_id for lease in await manager.pool.leases() for record in lease.sandboxes]
    await expect(viewer.locator("#kind")).to_have_text("browser")
    assert viewer.url == f"{manager.url}/desktop/{sandbox}"
    await manager.pool.release_sandbox(sandbox)
    await expect(viewer.locator("body")).to_have_attribute("data-state", "ended")
    await expect(viewer.locator("#over")).to_contain_text("The sandbox was released.")


@needs_chromium
async def test_the_viewer_refuses_in_words(manager: Manager, page: Page) -> None:
    """Without a good ticket nothing is opened, and parameters of a link lead nowhere."""
    (sandbox,) = await manager.lease("browser")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    for tail in ("", "?host=evil.example&port=1", "#ticket=guess", "?host=evil.example#ticket=guess"):
        await page.goto("about:blank")
        await page.goto(f"{manager.url}/desktop/{sandbox}{tail}")
        await expect(page.locator("body")).to_have_attribute("data-state", "refused")
        await expect(page.locator("#over")).to_contain_text("Each link opens once")
        assert page.url == f"{manager.url}/desktop/{sandbox}"
    assert {url.split("/")[2] for url in asked if url != "about:blank"} == {manager.host}
    assert not [url for url in asked if "websocket" in url]


@needs_chromium
async def test_the_calls_are_listed(manager: Manager, page: Page) -> None:
    """With the shape of their bodies."""
    await page.goto(f"{manager.url}/docs")
    call = page.locator(".call", has_text="/v1/leases").first
    await call.locator("summary").click()
    await expect(call).to_contain_text("session_id: string")
