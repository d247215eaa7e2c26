"""Links to files: what they open, for whom, and when no more."""

from __future__ import annotations

import httpx
import pytest
from served_manager import KEY, Manager

from agentscope_runtime.sandbox_manager.api.seals import Seals

PAGE = {"Accept": "text/html,application/xhtml+xml"}


async def link(manager: Manager, sandbox: str, path: str, method: str = "GET", **more: object) -> str:
    """Ask for a link and return its path and query."""
    async with manager.http() as http:
        answer = await http.post(f"/v1/sandboxes/{sandbox}/links", json={"path": path, "method": method, **more})
        assert answer.status_code == 200, answer.text
        url = str(answer.json()["url"])
        assert url.startswith(f"{manager.url}/file/")
        return url


async def put(manager: Manager, sandbox: str, path: str, content: bytes) -> None:
    """Write a file with the key."""
    async with manager.http() as http:
        answer = await http.put(f"/v1/sandboxes/{sandbox}/files/content", params={"path": path}, content=content)
        assert answer.is_success


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


async def test_a_download_needs_no_key(manager: Manager) -> None:
    """Often, without a key or a cookie; as a file that browsers save under its name and never show."""
    (sandbox,) = await manager.lease("base")
    await put(manager, sandbox, "out/ü.html", b"<script>")
    url = await link(manager, sandbox, "out/ü.html")
    async with manager.http(key=False) as stranger:
        for _ in range(2):
            answer = await stranger.get(url, headers=PAGE)
            assert (answer.status_code, answer.content) == (200, b"<script>")
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%BC.html"
            assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert problem(await stranger.put(url, content=b"x")) == (422, "invalid_request")
        assert problem(await stranger.get(f"/v1/sandboxes/{sandbox}")) == (401, "not_authorized")


async def test_an_upload_needs_no_key(manager: Manager) -> None:
    """A browser gets a page that asks for a file; programs send it at once, into a folder under its own name, too."""
    (sandbox,) = await manager.lease("base")
    one, folder = await link(manager, sandbox, "in/a.bin", "PUT"), await link(manager, sandbox, "in/", "PUT")
    async with manager.http(key=False) as stranger:
        page = await stranger.get(one, headers=PAGE)
        assert page.headers["Content-Type"].startswith("text/html") and "upload.js" in page.text
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert (await stranger.put(one, content=b"123")).json()["path"] == "/workspace/in/a.bin"
        assert (await stranger.post(folder + "%C3%BC%20b", content=b"4")).json()["path"] == "/workspace/in/ü b"
        assert problem(await stranger.put(folder, content=b"x")) == (422, "invalid_request")
        assert problem(await stranger.put(folder + "%2E%2E", content=b"x"))[0] in (401, 422)
        assert (await stranger.put(folder + "..%2f..%2fetc", content=b"5")).json()["path"] == "/workspace/in/etc"
        assert problem(await stranger.post(folder + "f", files={"f": b"x"})) == (422, "invalid_request")
    assert (await link(manager, sandbox, "in", "PUT")).endswith("/"), "it is there by now, so it is a folder"
    async with manager.http() as http:
        read = await http.get(f"/v1/sandboxes/{sandbox}/files/content", params={"path": "in/a.bin"})
        assert read.content == b"123"


@pytest.mark.parametrize("change", [lambda url: url.replace("/file/", "/file/A"), lambda url: url.replace(".", ".A")])
async def test_a_link_that_was_changed(manager: Manager, change: type[str]) -> None:
    """It opens nothing; programs get a problem, people a page."""
    (sandbox,) = await manager.lease("base")
    await put(manager, sandbox, "file", b"x")
    url = change((await link(manager, sandbox, "file")).removeprefix(manager.url))
    async with manager.http(key=False) as stranger:
        assert problem(await stranger.get(url)) == (401, "not_authorized")
        assert problem(await stranger.put(url, content=b"x")) == (401, "not_authorized")
        page = await stranger.get(url, headers=PAGE)
        assert (page.status_code, "does not open" in page.text) == (404, True)


async def test_a_link_ends_with_the_lease(manager: Manager) -> None:
    """Whoever holds it then gets nothing of the next holder's sandbox."""
    (sandbox,) = await manager.lease("base")
    await put(manager, sandbox, "file", b"x")
    urls = [await link(manager, sandbox, "file"), await link(manager, sandbox, "new", "PUT")]
    async with manager.http() as http:
        await http.delete("/v1/leases", params={"session_id": "s1"})
    async with manager.http(key=False) as stranger:
        for url in urls:
            assert (await stranger.get(url)).status_code == 404
            assert (await stranger.put(url, content=b"y")).status_code in (404, 422)


async def test_what_there_can_be_no_link_to(manager: Manager) -> None:
    """Nothing there, a place outside, a time that is none, and a sandbox that nobody has."""
    (sandbox,) = await manager.lease("base")
    where = f"/v1/sandboxes/{sandbox}/links"
    async with manager.http() as http:
        assert problem(await http.post(where, json={"path": "nothing"})) == (404, "file_not_found")
        for path in ("../x", "/etc/passwd", ""):
            for method in ("GET", "PUT"):
                answer = await http.post(where, json={"path": path, "method": method})
                assert problem(answer) == (422, "invalid_request")
        for wrong in ({"expires_in": 0}, {"expires_in": 1e9}, {"method": "DELETE"}):
            assert problem(await http.post(where, json={"path": "x", **wrong})) == (422, "invalid_request")
        answer = await http.post("/v1/sandboxes/sbx-none/links", json={"path": "x"})
        assert problem(answer) == (404, "sandbox_not_found")
    async with manager.http(key=False) as stranger:
        assert problem(await stranger.post(where, json={"path": "x"})) == (401, "not_authorized")


async def test_a_link_says_nothing_of_the_managers_key(manager: Manager) -> None:
    """Its seal is made by a secret of its own: else a holder could find out a short key by trying."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        body = {"path": "new.txt", "method": "PUT"}
        url = (await http.post(f"/v1/sandboxes/{sandbox}/links", json=body)).json()["url"]
    sealed = url.split("/file/")[1].split("/")[0]
    assert manager.app.state.access.seals.open("file", sealed) is not None
    assert Seals(KEY).open("file", sealed) is None
