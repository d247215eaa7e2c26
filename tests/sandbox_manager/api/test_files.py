"""Files through the manager: any size, both ways, without being held on the way."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from served_manager import KEY, Manager, served
from streaming_box import CHUNK, StreamingBox

from agentscope_runtime.sandbox_manager.api import create_app
from agentscope_runtime.sandbox_manager.settings import Settings

MIB = 1 << 20
LARGE = 64 * MIB
HELD = 12 * MIB
"""What both programs and the test may hold at a time, all buffers included; much less than LARGE."""
FILE = "/v1/sandboxes/sbx-1/files/content"


@pytest.fixture
async def streaming(tmp_path: Path) -> AsyncIterator[tuple[StreamingBox, httpx.AsyncClient]]:
    """Serve the API in front of a box that keeps nothing."""
    async with StreamingBox().serving() as box:
        settings = Settings(state_dir=tmp_path, port=0, bearer_token=SecretStr(KEY))
        app = create_app(settings, pool=box)  # type: ignore[arg-type]
        async with (
            served(app) as url,
            httpx.AsyncClient(
                base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60, trust_env=False
            ) as http,
        ):
            yield box, http


async def chunks(size: int, sent: list[int] | None = None) -> AsyncIterator[bytes]:
    """Make a body, and count what of it was asked for."""
    for _ in range(size // len(CHUNK)):
        yield CHUNK
        if sent is not None:
            sent[0] += len(CHUNK)


async def test_files_come_back_as_they_went(manager: Manager) -> None:
    """Bytes, whatever they are; as a download that no browser runs."""
    (sandbox,) = await manager.lease("base")
    content = bytes(range(256)) * 100
    path = f"/v1/sandboxes/{sandbox}/files"
    async with manager.http() as http:
        entry = (await http.put(f"{path}/content", params={"path": "a/ü é.html"}, content=content)).json()
        assert (entry["path"], entry["size"]) == ("/workspace/a/ü é.html", len(content))
        answer = await http.get(f"{path}/content", params={"path": "a/ü é.html"})
        assert answer.content == content
        assert answer.headers["content-length"] == str(len(content))
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BC%20%C3%A9.html"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_rest_of_the_file_calls(manager: Manager) -> None:
    """Make, list, move, look, remove."""
    (sandbox,) = await manager.lease("base")
    path = f"/v1/sandboxes/{sandbox}/files"
    async with manager.http() as http:
        assert (await http.post(f"{path}/directories", json={"path": "d/e"})).json() == {"created": True}
        await http.put(f"{path}/content", params={"path": "d/f"}, content=b"")
        listed = (await http.get(f"{path}/entries", params={"path": "d"})).json()["entries"]
        assert {entry["name"]: entry["type"] for entry in listed} == {"e": "dir", "f": "file"}
        moved = await http.post(f"{path}/move", json={"source": "d/f", "destination": "g"})
        assert moved.json()["path"] == "/workspace/g"
        assert (await http.get(f"{path}/exists", params={"path": "g"})).json() == {"exists": True}
        assert (await http.delete(path, params={"path": "g"})).status_code == 204
        assert (await http.get(f"{path}/exists", params={"path": "g"})).json() == {"exists": False}


async def test_the_boxs_refusals_arrive(manager: Manager) -> None:
    """Before the first byte of a download, an error is an error."""
    (sandbox,) = await manager.lease("base")
    path = f"/v1/sandboxes/{sandbox}/files"
    async with manager.http() as http:
        for answer, status, code in (
            (await http.get(f"{path}/content", params={"path": "none"}), 404, "file_not_found"),
            (await http.get(f"{path}/content", params={"path": "."}), 409, "file_error"),
            (await http.get(f"{path}/content", params={"path": "../../etc/passwd"}), 422, "invalid_request"),
            (await http.get(f"{path}/content"), 422, "invalid_request"),
            (await http.delete(path, params={"path": "."}), 422, "invalid_request"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("sized", [True, False], ids=["with length", "chunked"])
async def test_a_large_upload_is_not_held(streaming: tuple[StreamingBox, httpx.AsyncClient], sized: bool) -> None:
    """64 MiB go through a few."""
    box, http = streaming
    box.go.set()
    headers = {"Content-Length": str(LARGE)} if sized else {}
    tracemalloc.start()
    try:
        answer = await http.put(FILE, params={"path": "f"}, content=chunks(LARGE), headers=headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.json() == {"size": LARGE}
    assert peak < HELD


async def test_a_large_download_is_not_held(streaming: tuple[StreamingBox, httpx.AsyncClient]) -> None:
    """64 MiB go through a few, and all arrive."""
    _, http = streaming
    received = 0
    tracemalloc.start()
    try:
        async with http.stream("GET", FILE, params={"path": str(LARGE)}) as answer:
            assert answer.headers["content-length"] == str(LARGE)
            async for chunk in answer.aiter_raw():
                received += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received == LARGE
    assert peak < HELD


async def test_a_box_that_does_not_read_stops_the_caller(streaming: tuple[StreamingBox, httpx.AsyncClient]) -> None:
    """The caller's body waits, instead of piling up in the manager."""
    box, http = streaming
    sent = [0]
    upload = asyncio.create_task(http.put(FILE, params={"path": "f"}, content=chunks(4 * LARGE, sent)))
    done, _ = await asyncio.wait({upload}, timeout=1.0)
    assert not done
    held = sent[0]
    assert held < LARGE, "kernel buffers of two connections, and little more"
    box.go.set()
    assert (await upload).json() == {"size": 4 * LARGE}


async def test_a_caller_who_leaves_in_mid_upload_leaves_no_whole_file(
    streaming: tuple[StreamingBox, httpx.AsyncClient],
) -> None:
    """The box sees that its body broke off; with or without an announced length."""
    box, http = streaming
    box.go.set()
    for headers in ({"Content-Length": str(LARGE)}, {}):
        box.ended.clear()

        async def half() -> AsyncIterator[bytes]:
            yield CHUNK
            yield CHUNK
            raise ConnectionError("the caller's network is gone")

        with pytest.raises(ConnectionError):
            await http.put(FILE, params={"path": "f"}, content=half(), headers=headers)
        await asyncio.wait_for(box.ended.wait(), 10)
        assert not box.whole


async def test_a_caller_who_leaves_in_mid_download_ends_it(
    streaming: tuple[StreamingBox, httpx.AsyncClient],
) -> None:
    """The box does not send the rest to nobody, and the sandbox does not count as used for ever."""
    box, http = streaming
    async with http.stream("GET", FILE, params={"path": str(1 << 40)}) as answer:
        async for _ in answer.aiter_raw():
            break
    await asyncio.wait_for(box.ended.wait(), 10)


async def test_a_box_that_breaks_off_is_noticed(
    streaming: tuple[StreamingBox, httpx.AsyncClient], caplog: pytest.LogCaptureFixture
) -> None:
    """After the first byte there is no error any more, but the answer is not whole either; the log has a line of it."""
    box, http = streaming
    box.go.set()
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get(FILE, params={"path": "broken"})
    (line,) = (record for record in caplog.records if record.name.endswith("api.gateway"))
    assert "/files/content of sandbox sbx-1 broke off" in line.getMessage()
    assert not [record for record in caplog.records if record.exc_info]
