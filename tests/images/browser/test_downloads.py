"""Downloads move to their names in the workspace, whoever began them, and leave nothing else there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from sandbox_server.browser.cdp import Cdp, Listener
from sandbox_server.browser.downloads import BEGINS, FOLDER, GOES_ON, Downloads


class Chromium:
    """Writes what a test says into the folder that it was told."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """See `Cdp.listen`."""
        self._listeners.append(listener)

    async def send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """See `Cdp.send`."""
        assert method == "Browser.setDownloadBehavior"
        self.asked.append(parameters)
        return {}

    def say(self, event: str, **said: Any) -> None:
        """Tell of a download."""
        for listener in self._listeners:
            listener(event, said)

    def save(self, guid: str, name: str, content: bytes = b"x") -> None:
        """Download a file."""
        self.say(BEGINS, guid=guid, suggestedFilename=name)
        folder = Path(self.asked[0]["downloadPath"])
        folder.mkdir(exist_ok=True)
        (folder / guid).write_bytes(content)
        self.say(GOES_ON, guid=guid, state="completed")


@pytest.fixture
def chromium() -> Chromium:
    """A browser."""
    return Chromium()


@pytest.fixture
async def downloads(chromium: Chromium, tmp_path: Path) -> Downloads:
    """Its downloads."""
    made = Downloads(tmp_path, cast(Cdp, chromium))
    await made.begin()
    return made


async def test_files_get_their_names_or_the_next_free_ones(
    chromium: Chromium, downloads: Downloads, tmp_path: Path
) -> None:
    """A name never leads out of the folder, and the hidden folder goes."""
    for guid, name in (("g1", "a.tar.gz"), ("g2", "a.tar.gz"), ("g3", "../../up.txt"), ("g4", ""), ("g5", ".profile")):
        chromium.save(guid, name, guid.encode())
        await downloads.arrive(5)
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"a.tar.gz": "g1", "a.tar (1).gz": "g2", "up.txt": "g3", "download": "g4", ".profile": "g5"}
    news = downloads.news()
    assert f"- Downloaded file a.tar.gz to {tmp_path / 'a.tar (1).gz'}" in news
    assert downloads.news() == []


async def test_what_is_cancelled_leaves_nothing(chromium: Chromium, downloads: Downloads, tmp_path: Path) -> None:
    """Neither half of a file nor a name that is waited for."""
    chromium.say(BEGINS, guid="g1", suggestedFilename="half.bin")
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "g1.crdownload").write_bytes(b"x")
    chromium.say(GOES_ON, guid="g1", state="canceled")
    async with asyncio.timeout(5):
        await downloads.arrive(5)
    assert list(tmp_path.iterdir()) == []
    assert "- Download of half.bin failed: it was cancelled, or the server broke off" in downloads.news()


async def test_halves_of_an_earlier_browser_go(chromium: Chromium, tmp_path: Path) -> None:
    """Nobody would finish them."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "old.crdownload").write_bytes(b"x")
    await Downloads(tmp_path, cast(Cdp, chromium)).begin()
    assert list(tmp_path.iterdir()) == []


async def test_listeners_hear_of_the_end_when_the_file_is_there(
    chromium: Chromium, downloads: Downloads, tmp_path: Path
) -> None:
    """With its place; those that left hear nothing."""
    heard: list[tuple[str, str | None]] = []

    def listener(event: str, said: dict[str, Any]) -> None:
        heard.append((event, said.get("filePath")))
        assert event != GOES_ON or (tmp_path / "a.txt").exists()

    downloads.listen(listener)
    chromium.save("g1", "a.txt")
    await downloads.arrive(5)
    downloads.unlisten(listener)
    chromium.save("g2", "b.txt")
    await downloads.arrive(5)
    assert heard == [(BEGINS, None), (GOES_ON, str(tmp_path / "a.txt"))]


async def test_a_link_in_place_of_the_folder_gives_nothing_away(
    chromium: Chromium, downloads: Downloads, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The user's code may put anything there."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (tmp_path / FOLDER).symlink_to(elsewhere)
    chromium.save("g1", "a.txt")
    await downloads.arrive(5)
    assert not (tmp_path / "a.txt").exists()
    assert (elsewhere / "g1").exists()
    assert any("a.txt failed" in line or "a.txt cannot be saved" in line for line in downloads.news())


async def test_contexts_of_programs_are_taken_too(chromium: Chromium, downloads: Downloads) -> None:
    """Into the same folder."""
    await downloads.take("context")
    assert [each.get("browserContextId") for each in chromium.asked] == [None, "context"]
    assert len({each["downloadPath"] for each in chromium.asked}) == 1
