"""Files that pages hand over: they end up in the workspace, whoever drives the browser, and the next tool names them.

Chromium writes them into a hidden folder of the workspace, which is a disk and not memory, under names that nobody
guesses; when one is whole it moves to its own name, or the next free one. How downloads are handled is one setting of
the whole browser, so it is set here, once, and nobody else may set it (`remote`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from sandbox_server.browser.cdp import Cdp
from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.paths import move
from sandbox_server.files.confinement import OutsideWorkspace, WorkspaceError
from sandbox_server.files.workspace import Workspace

log = logging.getLogger(__name__)

FOLDER = ".browser-downloads"
NEWS_MAX = 100
BEGINS, GOES_ON = "Browser.downloadWillBegin", "Browser.downloadProgress"
Listener = Callable[[str, dict[str, Any]], None]
"""Hears of downloads in the words of the DevTools protocol; of an end when the file is in its place."""


class Downloads:
    """The downloads of one browser."""

    def __init__(self, workspace: Path, cdp: Cdp) -> None:
        """Put the files into this folder; `begin` begins."""
        self._workspace = workspace
        self._cdp = cdp
        self._names: dict[str, str] = {}
        self._news: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._listeners: set[Listener] = set()

    async def begin(self) -> None:
        """Take what is downloaded from now on.

        Raises:
            CdpError, ConnectionError: the browser does not let us.
        """
        self._cdp.listen(self._hear)
        await asyncio.to_thread(self._remove_now, FOLDER)  # an earlier browser may have left halves of files
        await self.take()

    async def take(self, context: str | None = None) -> None:
        """Take the downloads of a browser context that a program made, too; None is the one that all see.

        Raises:
            CdpError, ConnectionError: the browser does not let us.
        """
        asked: dict[str, Any] = {"behavior": "allowAndName", "eventsEnabled": True}
        asked["downloadPath"] = str(self._workspace / FOLDER)
        if context is not None:
            asked["browserContextId"] = context
        await self._cdp.send("Browser.setDownloadBehavior", asked)

    def listen(self, listener: Listener) -> None:
        """Tell of downloads from now on."""
        self._listeners.add(listener)

    def unlisten(self, listener: Listener) -> None:
        """Tell no more."""
        self._listeners.discard(listener)

    async def arrive(self, within_s: float) -> None:
        """Wait, not for long, for a download that is about to begin, and for its end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not self._names and not self._tasks:
                    self._changed.clear()
                    await self._changed.wait()
                while self._names or self._tasks:
                    self._changed.clear()
                    await self._changed.wait()

    def news(self) -> list[str]:
        """Return what happened since this was asked last."""
        news, self._news = self._news, []
        return news

    def _hear(self, event: str, said: dict[str, Any]) -> None:
        if event == BEGINS:
            name = self._names[said["guid"]] = Path(said.get("suggestedFilename", "")).name or "download"
            self._tell(f"- Downloading file {name} ...")
        elif event == GOES_ON and said.get("state") == "canceled":
            if name := self._names.pop(said["guid"], ""):
                self._tell(f"- Download of {name} failed: it was cancelled, or the server broke off")
            self._finish(self._remove(said["guid"]))
        elif event == GOES_ON and said.get("state") == "completed":
            if said["guid"] in self._names:
                self._finish(self._move(said))
            return  # those who listen hear of it when the file is in its place
        elif event != GOES_ON:
            return
        self._pass_on(event, said)

    def _tell(self, line: str) -> None:
        self._news = [*self._news, line][-NEWS_MAX:]
        self._changed.set()

    def _pass_on(self, event: str, said: dict[str, Any]) -> None:
        for listener in tuple(self._listeners):
            listener(event, said)

    def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="download")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    async def _move(self, said: dict[str, Any]) -> None:
        guid = said["guid"]
        name = self._names.pop(guid)
        try:
            path = await asyncio.to_thread(move, self._workspace, f"{FOLDER}/{guid}", name)
        except ToolFailed as e:
            log.info("download failed", exc_info=True)
            self._tell(f"- Download of {name} failed: {e}")
            self._pass_on(GOES_ON, {**said, "state": "canceled"})
        else:
            self._tell(f"- Downloaded file {name} to {path}")
            self._pass_on(GOES_ON, {**said, "filePath": str(path)})
        await asyncio.to_thread(self._tidy)

    async def _remove(self, guid: str) -> None:
        for name in (guid, f"{guid}.crdownload"):
            await asyncio.to_thread(self._remove_now, f"{FOLDER}/{name}")
        await asyncio.to_thread(self._tidy)

    def _remove_now(self, name: str) -> None:
        with contextlib.suppress(OutsideWorkspace, WorkspaceError, OSError):  # whatever the user put there
            Workspace(str(self._workspace)).remove(name)

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):  # others are on their way
            (self._workspace / FOLDER).rmdir()
