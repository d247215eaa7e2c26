"""Programs that nobody here wrote drive a sandbox's browser through a manager: Playwright and Puppeteer."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from absence import missing
from managers import Server
from playwright.async_api import async_playwright
from playwright.sync_api import Error, Playwright, sync_playwright

from agentscope_runtime.sandbox import BrowserSandbox, BrowserSandboxAsync

pytestmark = [pytest.mark.docker, pytest.mark.slow]

SERVE = "printf %s '<title>Mine</title><h1>Hello</h1>' >index.html; printf file >report.bin; "
SERVE += "nohup python3 -m http.server 8080 >/dev/null 2>&1 & "
SERVE += "until (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; do sleep 0.05; done"
PUPPETEER = """
const puppeteer = require('puppeteer-core');
(async () => {
    const browser = await puppeteer.connect({browserWSEndpoint: process.argv[2], defaultViewport: null});
    const [page] = await browser.pages();
    const before = await page.title();
    await page.evaluate(() => { document.title = 'Seen by Puppeteer' });
    const other = await browser.newPage();
    await other.goto('http://localhost:8080/');
    const heading = await other.$eval('h1', found => found.textContent);
    await other.close();
    await browser.close();
    console.log(JSON.stringify({before, heading}));
})().catch(error => { console.error(error); process.exit(1) });
"""


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    """Run a manager that keeps a browser warm."""
    return make_server(DEFAULT_SANDBOX_TYPE="browser").wait_ready(120)


@pytest.fixture
def playwright() -> Iterator[Playwright]:
    """Run Playwright, which occupies the thread's event loop, so for one test only."""
    with sync_playwright() as running:
        yield running


@pytest.fixture
def box(server: Server) -> Iterator[BrowserSandbox]:
    """A sandbox with a page of its own to go to."""
    with BrowserSandbox(base_url=server.url, bearer_token=server.key) as opened:
        opened.run_shell_command(SERVE)
        opened.browser_navigate("http://localhost:8080/")
        yield opened


def said(result: dict[str, Any]) -> str:
    """Return the text of a result that is no error."""
    assert result["isError"] is False, result
    return "\n".join(item["text"] for item in result["content"] if item["type"] == "text")


def test_playwright_drives_what_the_tools_see(playwright: Playwright, box: BrowserSandbox) -> None:
    """By the address alone; leaving it leaves the browser as it is."""
    browser = playwright.chromium.connect_over_cdp(box.cdp_url)
    (page,) = browser.contexts[0].pages
    assert page.get_by_role("heading").text_content() == "Hello"
    page.evaluate("document.title = 'Seen by Playwright'")
    assert "- Page Title: Seen by Playwright" in said(box.browser_snapshot())
    with page.expect_download() as begun:
        page.evaluate("{ const a = document.createElement('a'); a.href = '/report.bin'; a.download = ''; a.click() }")
    assert begun.value.failure() is None
    assert box.fs.read("report (1).bin") == "file"
    page.set_content("<input type=file>")
    page.set_input_files("input", {"name": "big", "mimeType": "text/plain", "buffer": b"x" * (40 << 20)})
    assert page.evaluate("document.querySelector('input').files[0].size") == 40 << 20
    browser.close()
    said(box.browser_navigate("http://localhost:8080/"))
    assert "- Page Title: Mine" in said(box.browser_snapshot())


def test_an_address_opens_once(playwright: Playwright, box: BrowserSandbox) -> None:
    """Each look at it makes a new one; the form with http:// works as well."""
    url = box.cdp_url
    assert box.cdp_url != url
    browser = playwright.chromium.connect_over_cdp("http" + url.removeprefix("ws"))
    with pytest.raises(Error, match=r"403"):
        playwright.chromium.connect_over_cdp(url)
    browser.close()


def test_the_end_of_the_lease_disconnects(playwright: Playwright, server: Server) -> None:
    """The program hears of it at once."""
    with BrowserSandbox(base_url=server.url, bearer_token=server.key) as opened:
        browser = playwright.chromium.connect_over_cdp(opened.cdp_url)
        page = browser.contexts[0].pages[0]
    with pytest.raises(Error, match="closed"):
        page.wait_for_function("false", timeout=5000)
    assert not browser.is_connected()


def test_puppeteer_drives_it_and_closing_leaves_it(box: BrowserSandbox, tmp_path: Path) -> None:
    """Though Puppeteer's `close` asks the browser itself to end."""
    if shutil.which("npm") is None:
        missing("there is no npm to install puppeteer-core with")
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "puppeteer-core@25"]
    if subprocess.run(install, cwd=tmp_path, timeout=120, check=False, capture_output=True).returncode:
        missing("npm cannot install puppeteer-core: no registry answers")
    (tmp_path / "drive.js").write_text(PUPPETEER)
    ran = subprocess.run(
        ["node", "drive.js", box.cdp_url], cwd=tmp_path, timeout=60, check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"before": "Mine", "heading": "Hello"}
    assert "- Page Title: Seen by Puppeteer" in said(box.browser_snapshot())


async def test_the_async_class_has_it_too(server: Server) -> None:
    """Both ways to ask."""
    async with BrowserSandboxAsync(base_url=server.url, bearer_token=server.key) as box, async_playwright() as driver:
        for url in (await box.get_cdp_url_async(), box.cdp_url):
            browser = await driver.chromium.connect_over_cdp(url)
            assert len(browser.contexts[0].pages) == 1
            await browser.close()
