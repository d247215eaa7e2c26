"""Watches a folder, or all folders below it, or one file: says what was made, changed, moved and removed.

Everything here blocks for short: call it in a thread. Memory is bounded by the number of folders; notices wait in the
kernel, which counts what it cannot keep as an overflow. The stream to the reader is in `watch_routes`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any

from sandbox_server.files import inotify
from sandbox_server.files.confinement import MissingFile, OutsideWorkspace, WorkspaceError
from sandbox_server.files.inotify import Inotify, Notice
from sandbox_server.files.workspace import Workspace

FOLDERS_MAX = 8192
"""Folders of one watch; hosts allow a user as few as that, for all of its boxes."""
READS_MAX = 32
"""Reads of the queue for one batch: some ten thousand notices."""
TEMPORARY = re.compile(r"\..*\.[0-9a-f]{12}\.part")
"""What a file or folder is called until it takes its place; see `workspace.temporary_name`."""

Event = dict[str, Any]


class Watch:
    """One watch, from `Watch(…)` to `close`."""

    def __init__(self, workspace: Workspace, path: str, recursive: bool) -> None:
        """Begin; what changes from now on is told.

        Raises:
            MissingFile: nothing is at `path`.
            WorkspaceError: it has too many folders, or the host allows no more.
        """
        entry = workspace.entry(path)
        self._workspace = workspace
        self._only = None if entry["type"] == "dir" else entry["path"]
        """The file, where it is one: its folder is watched, since programs replace files."""
        self._recursive = recursive and self._only is None
        self._top = entry["path"] if self._only is None else os.path.dirname(entry["path"])
        self._folders: dict[int, str] = {}
        self.over = False
        """Whether the folder is gone: nothing comes any more."""
        self._queue = Inotify()
        try:
            for _ in self._enter(self._top):
                pass
            if self._top not in self._folders.values():
                raise MissingFile(f"there is no {path!r}")
        except BaseException:
            self.close()
            raise

    @property
    def descriptor(self) -> int:
        """Readable when `read` has something."""
        return self._queue.descriptor

    def close(self) -> None:
        """End it."""
        self._queue.close()

    def read(self) -> list[Event]:
        """Return what happened since the last call."""
        notices = self._queue.read()
        for _ in range(READS_MAX):
            if not (more := self._queue.read()):
                break
            notices += more
        return list(_once(self._described(event) for event in self._events(notices) if self._concerns(event)))

    def _events(self, notices: list[Notice]) -> Iterator[Event]:
        ends = {notice.cookie: notice for notice in notices if notice.mask & inotify.MOVED_TO}
        begins: dict[int, str] = {}
        for notice in notices:
            if notice.mask & inotify.OVERFLOW:
                yield {"event": "overflow"}
                continue
            folder = self._folders.get(notice.watch)
            if notice.mask & (inotify.IGNORED | inotify.MOVE_SELF | inotify.DELETE_SELF):
                yield from self._gone(notice)
            elif folder is not None and notice.name:
                path = f"{folder}/{notice.name}"
                if notice.mask & inotify.MOVED_FROM and notice.cookie in ends:
                    begins[notice.cookie] = path
                else:
                    yield from self._change(notice, path, begins.pop(notice.cookie, None))

    def _gone(self, notice: Notice) -> Iterator[Event]:
        """A folder itself was removed or moved: of the topmost nothing more can be told."""
        if self._folders.get(notice.watch) == self._top and not self.over:
            self.over = True
            yield {"event": "deleted", "path": self._top}
        if notice.mask & inotify.IGNORED:
            self._folders.pop(notice.watch, None)

    def _change(self, notice: Notice, path: str, origin: str | None) -> Iterator[Event]:
        if TEMPORARY.fullmatch(notice.name):
            if origin is not None:
                yield from self._removed(origin)
            return
        is_folder = bool(notice.mask & inotify.ISDIR)
        if origin is not None and TEMPORARY.fullmatch(os.path.basename(origin)):
            replaced = self._workspace.has_replaced(os.path.basename(origin))
            yield {"event": "modified" if replaced else "created", "path": path}
        elif origin is not None:
            yield {"event": "moved", "path": path, "from": origin}
            if is_folder and self._rename(origin, path):
                return
        elif notice.mask & (inotify.CREATE | inotify.MOVED_TO):
            yield {"event": "created", "path": path}
        elif notice.mask & (inotify.DELETE | inotify.MOVED_FROM):
            yield from self._removed(path)
        else:
            yield {"event": "modified", "path": path}
        if is_folder and self._recursive and notice.mask & (inotify.CREATE | inotify.MOVED_TO):
            try:
                yield from self._enter(path)
            except WorkspaceError:  # too many, or it is none any more
                yield {"event": "overflow"}

    def _removed(self, path: str) -> Iterator[Event]:
        """Something went; where it was moved away, what is below it goes on to exist, but not for us."""
        for watch in [watch for watch, at in self._folders.items() if at == path or at.startswith(f"{path}/")]:
            self._queue.remove(watch)
            self._folders.pop(watch, None)
        yield {"event": "deleted", "path": path}

    def _enter(self, path: str) -> Iterator[Event]:
        """Watch a folder, and below it if all are watched; yield what is in it already."""
        todo = [path]
        while todo:
            here = todo.pop()
            # What happens to a folder meanwhile is told by the one that it stands in; one whose name is no text cannot
            # be asked for.
            with contextlib.suppress(MissingFile, OutsideWorkspace), self._workspace.folder(here) as folder:
                if folder.path != here:
                    continue
                if len(self._folders) >= FOLDERS_MAX:
                    raise WorkspaceError(f"{self._top!r} has more than {FOLDERS_MAX} folders: watch a part of it")
                self._folders[self._queue.add(folder.descriptor)] = here
                # Only now: what is made from here on is told.
                for name in sorted(os.listdir(folder.descriptor)):
                    if TEMPORARY.fullmatch(name):
                        continue
                    yield {"event": "created", "path": f"{here}/{name}"}
                    if self._recursive and _is_folder(folder.descriptor, name):
                        todo.append(f"{here}/{name}")

    def _rename(self, old: str, new: str) -> bool:
        """Follow a folder that was moved; return whether it was watched."""
        moved = [watch for watch, path in self._folders.items() if path == old or path.startswith(f"{old}/")]
        for watch in moved:
            self._folders[watch] = new + self._folders[watch][len(old) :]
        return bool(moved)

    def _described(self, event: Event) -> Event:
        """Add the entry of what is there, and make the names readable."""
        if "path" in event and event["event"] != "deleted":
            with contextlib.suppress(MissingFile, OutsideWorkspace, WorkspaceError):
                event["entry"] = self._workspace.entry(event["path"], follow=False)
        for name in {"path", "from"} & event.keys():
            event[name] = os.fsencode(event[name]).decode(errors="replace")
        return event

    def _concerns(self, event: Event) -> bool:
        return (
            self._only is None or self.over or "path" not in event or self._only in (event["path"], event.get("from"))
        )


def _once(events: Iterator[Event]) -> Iterator[Event]:
    """Leave out what says nothing new: that something changed, or is there, which the same batch tells of already."""
    last: dict[str, str] = {}
    for event in events:
        name, path = event["event"], event.get("path", "")
        known = last.get(path)
        if known is not None and (name == known or (name, known) == ("modified", "created")):
            continue
        last[path] = name
        yield event


def _is_folder(folder: int, name: str) -> bool:
    try:
        os.close(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder))
    except OSError:
        return False
    return True
