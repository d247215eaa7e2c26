"""Links to files in a real browser: the page that uploads, a file that comes down and is not shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from managers import Server
from playwright.sync_api import Browser, Page, expect

from agentscope_runtime.sandbox import BaseSandbox

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def box(make_server: Callable[..., Server]) -> Iterator[BaseSandbox]:
    """A sandbox of a manager."""
    server = make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="1").wait_ready()
    with BaseSandbox(base_url=server.url, bearer_token=server.key) as box:
        yield box


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab; what fails in its scripts fails the test."""
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []


def test_files_are_uploaded_into_a_folder(box: BaseSandbox, page: Page, tmp_path: Path) -> None:
    """Several at once, under their own names, whatever these are."""
    names = ["a & <b>.txt", "ü%2F.bin"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode() * 1000)
    page.goto(box.fs.get_upload_url("inbox/"))
    page.set_input_files("#files", [tmp_path / name for name in names])
    expect(page.locator("li.done")).to_have_count(2, timeout=10_000)
    assert sorted(entry["name"] for entry in box.fs.list("inbox")) == names
    assert box.fs.read(f"inbox/{names[0]}", "bytes") == names[0].encode() * 1000


def test_one_file_is_uploaded_under_the_link_s_name(box: BaseSandbox, page: Page, tmp_path: Path) -> None:
    """The page says what it will be called."""
    (tmp_path / "mine.txt").write_text("content")
    page.goto(box.fs.get_upload_url("in/report ü.txt"))
    expect(page.locator("#what")).to_contain_text("“report ü.txt”")
    page.set_input_files("#files", tmp_path / "mine.txt")
    expect(page.locator("li.done")).to_have_count(1, timeout=10_000)
    assert box.fs.read("in/report ü.txt") == "content"


def test_a_download_is_saved_and_never_shown(box: BaseSandbox, page: Page) -> None:
    """Even where it is a page: shown, it would run as one of the manager's."""
    box.fs.write("out/page.html", "<script>document.title = 'ran'</script>")
    url = box.fs.get_download_url("out/page.html")
    with page.expect_download() as download:
        page.evaluate("url => { location.href = url }", url)
    assert download.value.suggested_filename == "page.html"
    assert Path(download.value.path()).read_text().startswith("<script>")
    assert page.title() != "ran"


def test_an_upload_that_the_sandbox_refuses(box: BaseSandbox, page: Page, tmp_path: Path) -> None:
    """The page says why."""
    (tmp_path / "mine.txt").write_text("content")
    page.goto(box.fs.get_upload_url("soon/there"))
    box.fs.mkdir("soon/there")
    with page.expect_response("**/there") as answer:
        page.set_input_files("#files", tmp_path / "mine.txt")
    expect(page.locator("li.failed")).to_contain_text("is a folder")
    assert answer.value.status == 409
