"""Files that browser tools read and write: below the workspace, and nowhere that is the server's own."""

from __future__ import annotations

import io
import shutil
import time
from pathlib import Path
from typing import BinaryIO

from sandbox_server.browser.failure import ToolFailed
from sandbox_server.files.confinement import MissingFile, OutsideWorkspace, WorkspaceError
from sandbox_server.files.workspace import Workspace

SHARED_TMP = Path("/tmp")  # noqa: S108 - the user's own place for passing files


def default_name(suffix: str) -> str:
    """Return the name of a file that the caller gave none, by the time of day."""
    now = time.time()
    moment = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(now))
    return f"page-{moment}-{int(now * 1000) % 1000:03d}{suffix}"


def save(root: Path, name: str, data: bytes) -> Path:
    """Write a file into the workspace, whole or not at all, and return its path; blocks.

    Raises:
        ToolFailed: the name leads out of the workspace, or cannot be written.
    """
    return _write(root, name, io.BytesIO(data))


def move(root: Path, source: str, name: str) -> Path:
    """Move a file of the workspace to a name in it that is still free, and return its path; blocks.

    Raises:
        ToolFailed: it has gone, or cannot be moved.
    """
    workspace = Workspace(str(root))
    stem, suffix = Path(name).stem, Path(name).suffix
    wanted, number = name, 1
    try:
        while workspace.exists(wanted):
            wanted, number = f"{stem} ({number}){suffix}", number + 1
        return Path(workspace.move(source, wanted)["path"])
    except (OutsideWorkspace, WorkspaceError, MissingFile, OSError) as e:
        raise ToolFailed(f"{name} cannot be saved: {e}") from e


def readable(root: Path, name: str) -> str:
    """Return the path of a file that may be uploaded.

    Chromium opens it, which sees nothing of the server's own; so a link that changes meanwhile gives nothing away.

    Raises:
        ToolFailed: it does not exist, or is not the user's.
    """
    path = (root / name).resolve()
    if not any(path.is_relative_to(place) for place in (root, SHARED_TMP)):
        raise ToolFailed(f"{name} is neither below {root} nor below {SHARED_TMP}")
    if not path.is_file():
        raise ToolFailed(f"{path} is not a file")
    return str(path)


def _write(root: Path, name: str, data: BinaryIO) -> Path:
    workspace = Workspace(str(root))
    try:
        with workspace.writing(name) as file:
            shutil.copyfileobj(data, file)
        return Path(workspace.entry(name)["path"])
    except (OutsideWorkspace, WorkspaceError, MissingFile) as e:
        raise ToolFailed(f"{name} cannot be saved: {e}") from e
