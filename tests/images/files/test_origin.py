"""What a workspace begins with, in a real box: unpacked once, whoever asks and however often."""

from __future__ import annotations

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from real_box import RealBox, stdout

pytestmark = pytest.mark.docker


def archive(**files: str) -> bytes:
    """Make a tar stream of some files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as out:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content.encode()))
    return made.getvalue()


def fill(box: RealBox, content: bytes) -> httpx.Response:
    """Send a beginning."""
    return box.http.put("/files/origin", content=content, timeout=60)


def filled(box: RealBox) -> bool:
    """Ask whether there was one."""
    said: dict[str, bool] = box.http.get("/files/origin").json()
    return said["filled"]


def test_a_workspace_is_filled_once(fresh_box: RealBox) -> None:
    """What cannot be unpacked is no beginning; of two at once one is it; what comes later changes nothing."""
    assert filled(fresh_box) is False
    for broken in (b"no archive" * 1000, archive(a="x")[:700]):
        answer = fill(fresh_box, broken)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (filled(fresh_box), stdout(fresh_box.shell("ls -A"))) == (False, "")
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda text: fill(fresh_box, archive(one=text, two=text * 2_000_000)), "ab"))
    assert [answer.json() for answer in both] == [{"filled": True}] * 2
    assert filled(fresh_box) is True
    made = stdout(fresh_box.shell("cat one; cut -c1 two; stat -c %s two"))
    assert made in ("aa\n2000000\n", "bb\n2000000\n")
    assert fill(fresh_box, archive(one="later", three="x")).json() == {"filled": True}
    assert stdout(fresh_box.shell("cat one; ls -A")) == f"{made[0]}one\ntwo\n"


def test_users_code_cannot_ask(fresh_box: RealBox) -> None:
    """As everything of a box, it is for those who know the token."""
    answer = httpx.put(f"{fresh_box.base_url}/files/origin", content=archive(a="x"), trust_env=False)
    assert answer.status_code == 401
