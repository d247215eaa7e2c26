"""Files that pages hand over: they end up in the workspace, and the next answer of a tool names them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from playwright.async_api import Download, Error

from sandbox_server.browser_failure import ToolFailed
from sandbox_server.browser_paths import move

log = logging.getLogger(__name__)


class Downloads:
    """The downloads of one browser."""

    def __init__(self, workspace: Path) -> None:
        """Put the files into this folder."""
        self._workspace = workspace
        self._news: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    def take(self, download: Download) -> None:
        """Follow a download that a page began."""
        self._changed.set()
        self._news.append(f"- Downloading file {download.suggested_filename} ...")
        task = asyncio.create_task(self._finish(download), name="download")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def arrive(self, within_s: float) -> None:
        """Wait, not for long, for a download that is about to begin, and for its end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                self._changed.clear()
                if not self._tasks:
                    await self._changed.wait()
                await asyncio.wait(self._tasks)

    def news(self) -> list[str]:
        """Return what happened since this was asked last."""
        news, self._news = self._news, []
        return news

    async def _finish(self, download: Download) -> None:
        name = Path(download.suggested_filename).name or "download"
        try:
            path = await asyncio.to_thread(move, Path(await download.path()), self._workspace, name)
        except (Error, ToolFailed) as e:
            log.info("download failed", exc_info=True)
            self._news.append(f"- Download of {name} failed: {str(e).splitlines()[0]}")
        else:
            self._news.append(f"- Downloaded file {name} to {path}")
