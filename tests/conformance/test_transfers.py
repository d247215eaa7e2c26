"""Files and folders to and from this machine, changes while they happen, and links, on every sandbox."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from driving import Driven

from agentscope_runtime.sandbox.errors import FileNotFound

pytestmark = pytest.mark.docker


def test_a_folder_there_and_back(box: Driven, folder: str, tmp_path: Path) -> None:
    """A folder comes back as it went: names, bytes, modes and links."""
    here = tmp_path / "here"
    (here / "deep/er").mkdir(parents=True)
    (here / "deep/näme 🐍.bin").write_bytes(bytes(range(256)))
    (here / "run.sh").write_text("echo 1")
    (here / "run.sh").chmod(0o755)
    (here / "link").symlink_to("deep")
    box.fs.upload(here, f"{folder}/there")
    back = box.fs.download(f"{folder}/there", tmp_path / "back")
    assert (back / "deep/näme 🐍.bin").read_bytes() == bytes(range(256)) and (back / "deep/er").is_dir()
    assert (back / "run.sh").stat().st_mode & 0o777 == 0o755 and (back / "link").readlink() == Path("deep")


def test_a_broken_transfer_leaves_nothing(box: Driven, tmp_path: Path) -> None:
    """What is not there is an error that names it, and there is no half file."""
    with pytest.raises(FileNotFound, match="none"):
        box.fs.download("none", tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_changes_are_told_while_they_happen(box: Driven, folder: str) -> None:
    """What code does to a folder is heard of, with the path."""
    with box.fs.watch(folder, timeout=20) as changes:
        box.run_shell_command(f"touch {folder}/new; rm {folder}/new")
        heard = {}
        for change in changes:
            heard[change.event] = change.path
            if change.event == "deleted":
                break
    assert heard["created"] == heard["deleted"] == f"/workspace/{folder}/new"


def test_links_work_without_a_key(box: Driven, folder: str) -> None:
    """Whoever has the link downloads the file, as a download and never as a page, or uploads one; nothing else."""
    box.fs.write(f"{folder}/page.html", "<script>")
    link = box.fs.get_download_url(f"{folder}/page.html")
    answer = httpx.get(link, follow_redirects=True)
    assert answer.text == "<script>" and answer.headers["content-disposition"].startswith("attachment")
    assert httpx.put(box.fs.get_upload_url(f"{folder}/given"), content=b"given").is_success
    assert box.fs.read(f"{folder}/given") == "given"
    assert httpx.put(link, content=b"other").is_client_error
    seal, name = link.rsplit("/", 1)
    forged = seal[:-9] + ("A" if seal[-9] != "A" else "B") + seal[-8:]
    assert httpx.get(f"{forged}/{name}").is_client_error
