"""What a box remembers of its lease for managers that forgot it: kept as it came, told to who holds the token."""

from __future__ import annotations

import hashlib

import httpx
import pytest
from real_box import RealBox, real_box, stdout

from sandbox_server.lease_note import LONGEST

pytestmark = pytest.mark.docker

NOTE = b'{"statement": "\xc3\xa4", "signature": "00"}'


def digest_of(answer: httpx.Response) -> tuple[str, str]:
    """Return what an answer tells of the note and the leases."""
    return answer.headers["X-Lease-Note"], answer.headers["X-Lease-Generation"]


def test_a_note_is_kept_as_it_came() -> None:
    """Every heartbeat says which one there is; an older lease cannot overwrite it, a newer one does."""
    with real_box(ready=False) as box:
        assert digest_of(box.http.post("/heartbeat")) == ("", "0")
        assert box.http.get("/lease").content == b""
        assert box.http.put("/lease", content=NOTE, headers={"X-Sandbox-Generation": "2"}).status_code == 204
        assert digest_of(box.http.post("/heartbeat")) == (hashlib.sha256(NOTE).hexdigest(), "2")
        late = box.http.put("/lease", content=b"late", headers={"X-Sandbox-Generation": "1"})
        assert late.json()["code"] == "stale_generation"
        answer = box.http.get("/lease")
        assert answer.content == NOTE and digest_of(answer) == (hashlib.sha256(NOTE).hexdigest(), "2")
        assert box.http.put("/lease", content=b"new", headers={"X-Sandbox-Generation": "3"}).status_code == 204
        assert box.http.get("/lease").content == b"new"


def test_users_code_cannot_read_or_write_it(shared_box: RealBox) -> None:
    """It has no token; and what it finds of this process is nothing."""
    script = (
        "import urllib.request, urllib.error\n"
        "for method in 'GET', 'PUT':\n"
        "    request = urllib.request.Request('http://127.0.0.1:7000/lease', b'x' if method == 'PUT' else None,\n"
        "                                     method=method)\n"
        "    try:\n"
        "        print(urllib.request.urlopen(request, timeout=5).status)\n"
        "    except urllib.error.HTTPError as e:\n"
        "        print(e.code)\n"
    )
    assert stdout(shared_box.cell(script)) == "401\n401\n"


def test_a_note_is_bounded(shared_box: RealBox) -> None:
    """What is too long, or does not say how long it is, is refused and not kept."""
    kept = shared_box.http.get("/lease").content
    for content in (b"x" * (LONGEST + 1), iter([b"x"])):
        answer = shared_box.http.put("/lease", content=content)
        assert answer.status_code == 422 and "which is at most" in answer.json()["detail"]
    assert shared_box.http.get("/lease").content == kept
