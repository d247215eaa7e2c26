"""Terminals through the manager: links that open once, watchers who cannot type, and the page in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

import httpx
import pytest
from playwright.async_api import Page, async_playwright, expect
from served_manager import Manager
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_page = pytest.mark.skipif(
    CHROMIUM is None or not (resources.files("agentscope_runtime.sandbox_manager") / "pages" / "xterm.js").is_file(),
    reason="needs Chromium on this machine, and the bundle of xterm.js, which git ignores (make images)",
)


async def link(manager: Manager, sandbox: str, **body: object) -> str:
    """Ask for a link."""
    async with manager.http() as http:
        answer = await http.post(f"/v1/sandboxes/{sandbox}/terminal", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])


async def exchange(manager: Manager, url: str) -> httpx.Response:
    """Do what the page does with a link."""
    place, _, ticket = url.partition("#ticket=")
    async with manager.http(key=False) as http:
        return await http.post(f"{place}/session", json={"ticket": ticket}, headers={"Origin": manager.url})


@asynccontextmanager
async def opened(manager: Manager, sandbox: str, **body: object) -> AsyncIterator[ClientConnection]:
    """Open a terminal as its page does, and read its greeting."""
    answer = await exchange(manager, await link(manager, sandbox, **body))
    assert answer.status_code == 200, answer.text
    headers = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
    url = f"ws://{manager.host}/terminal/{sandbox}/websocket"
    async with connect(url, origin=Origin(manager.url), additional_headers=headers) as socket:
        assert json.loads(await socket.recv()) == {"columns": 80, "rows": 24}
        assert await socket.recv() == b"ready$ "
        yield socket


async def test_terminals_are_started_listed_and_ended(manager: Manager) -> None:
    """By the routes of the API, as the box has them."""
    (sandbox,) = await manager.lease("base")
    path = f"/v1/sandboxes/{sandbox}/terminals"
    async with manager.http() as http:
        started = await http.post(path, json={"columns": 100, "command": "top"})
        assert started.status_code == 201
        name = started.json()["terminal_id"]
        assert [each["terminal_id"] for each in (await http.get(path)).json()["terminals"]] == [name]
        assert (await http.get(f"{path}/{name}")).json()["columns"] == 100
        assert (await http.delete(f"{path}/{name}")).status_code == 204
        assert (await http.get(f"{path}/{name}")).json()["code"] == "command_not_found"
        missing = await http.post(f"/v1/sandboxes/{sandbox}/terminal", json={"terminal_id": name})
        assert (missing.status_code, missing.json()["code"]) == (404, "command_not_found")


async def test_what_is_typed_arrives_and_the_end_is_told(manager: Manager) -> None:
    """Keys and sizes pass, output comes back, and the close code of the box reaches the page."""
    (sandbox,) = await manager.lease("base")
    async with opened(manager, sandbox) as socket:
        await socket.send(b"ls\r")
        assert await socket.recv() == b"ls\r"
        await socket.send('{"columns":90,"rows":20}')
        assert await socket.recv() == b'<{"columns":90,"rows":20}>'
        await socket.send(b"\x04")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "The program has ended (exit code 0).")


async def test_a_watcher_cannot_type(manager: Manager) -> None:
    """Neither keys nor sizes pass; how much was shown does, and nothing beside it."""
    (sandbox,) = await manager.lease("base")
    async with opened(manager, sandbox, control=False) as socket:
        await socket.send(b"rm -rf /\r")
        await socket.send('{"columns":2,"rows":1}')
        await socket.send("no JSON")
        await socket.send("[" * 100_000)
        await socket.send('{"taken":7,"columns":2}')
        assert await socket.recv() == b'<{"taken": 7}>'


async def test_a_link_opens_once_and_for_its_sandbox(manager: Manager) -> None:
    """A used ticket is refused, and so is a WebSocket without a cookie."""
    (sandbox,) = await manager.lease("base")
    url = await link(manager, sandbox)
    first, second = await exchange(manager, url), await exchange(manager, url)
    assert (first.status_code, second.status_code) == (200, 401)
    assert first.json() == {"sandbox_type": "base", "control": True, "terminal_id": "main"}
    assert f"Path=/terminal/{sandbox};" in first.headers["set-cookie"]
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(f"ws://{manager.host}/terminal/{sandbox}/websocket", origin=Origin(manager.url)):
            pass
    assert refusal.value.response.status_code == 403


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """Open a tab; whatever its policy stops, or its scripts raise, fails the test."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
        yield page
        await browser.close()
    assert wrong == []


@needs_page
async def test_the_page_shows_types_and_says_the_end(manager: Manager, page: Page) -> None:
    """In a real browser, under the policy of all pages; the ticket leaves the address bar."""
    (sandbox,) = await manager.lease("base")
    await page.goto(await link(manager, sandbox))
    await expect(page.locator(".xterm-rows")).to_contain_text("ready$")
    assert page.url == f"{manager.url}/terminal/{sandbox}"
    await expect(page.locator("#state")).to_have_text("In control")
    await page.keyboard.type("grüße")
    await expect(page.locator(".xterm-rows")).to_contain_text("grüße")
    await page.keyboard.press("Control+d")
    await expect(page.locator("#over")).to_contain_text("The program has ended (exit code 0).")
    await page.reload()
    await expect(page.locator("#over")).to_contain_text("Each link opens once")


@needs_page
async def test_the_page_says_that_the_sandbox_is_gone(manager: Manager, page: Page) -> None:
    """And a watcher's page says that it only watches."""
    (sandbox,) = await manager.lease("base")
    await page.goto(await link(manager, sandbox, control=False))
    await expect(page.locator("#state")).to_have_text("Watching")
    await manager.pool.release_sandbox(sandbox)
    await expect(page.locator("#over")).to_contain_text("The sandbox was released.")
