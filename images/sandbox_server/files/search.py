"""Looks through folders of a workspace: the tree of one, and names that fit a pattern."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from typing import Any

from sandbox_server.files.confinement import MissingFile, WorkspaceError
from sandbox_server.files.workspace import Entry, Workspace

VISITS_MAX = 500_000
"""Entries that one search looks at: some seconds."""


def tree(workspace: Workspace, path: str, depth: int) -> list[dict[str, Any]]:
    """Return what is in a folder as `{"name", "type", "children"?}`, folders with what is in them."""
    top: list[dict[str, Any]] = []
    folders: dict[str, list[dict[str, Any]]] = {}
    for entry in workspace.entries(path, depth):
        node: dict[str, Any] = {"name": entry["name"], "type": "directory" if entry["type"] == "dir" else "file"}
        folders.get(entry["path"].rpartition("/")[0], top).append(node)
        if entry["type"] == "dir":
            folders[entry["path"]] = node["children"] = []
    return top


def search(workspace: Workspace, path: str, pattern: str, exclude: Sequence[str]) -> Iterator[str]:
    """Yield the path of each entry below a folder whose name fits; what is excluded is not looked into.

    Raises:
        WorkspaceError: there are too many entries to look at.
    """
    start = workspace.entries(path, 1)
    root = start[0]["path"].rpartition("/")[0] if start else ""
    visits, todo = 0, [start]
    while todo:
        folders: list[Entry] = []
        for entry in todo.pop():
            visits += 1
            below = entry["path"].removeprefix(root).lstrip("/")
            if any(_fits(below, entry["name"], excluded, whole=True) for excluded in exclude):
                continue
            if _fits(below, entry["name"], pattern):
                yield entry["path"]
            if entry["type"] == "dir":
                folders.append(entry)
        if visits > VISITS_MAX:
            raise WorkspaceError(f"{path!r} has more than {VISITS_MAX} entries to look at: search a folder in it")
        todo.extend(_entries(workspace, folder["path"]) for folder in reversed(folders))


def _entries(workspace: Workspace, path: str) -> list[Entry]:
    try:
        return workspace.entries(path, 1)
    except (MissingFile, WorkspaceError):
        return []  # it went, or may not be read; the others are still worth finding


def _fits(below: str, name: str, pattern: str, *, whole: bool = False) -> bool:
    pattern = pattern.lower()
    tried = (below if "/" in pattern else name).lower()
    if any(character in pattern for character in "*?["):
        # `**/` means any number of folders, also none.
        return fnmatch.fnmatchcase(tried, pattern) or fnmatch.fnmatchcase(f"/{tried}", pattern.replace("**/", "*/"))
    return tried == pattern if whole else pattern in tried
