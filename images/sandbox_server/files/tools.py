"""The part that brings the tools for files: what each of `specs` does, by way of the workspace.

Everything blocks and runs in a thread; a call whose time is over is answered, and its thread ends by the limits.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import stat
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sandbox_server.files.confinement import MissingFile, OutsideWorkspace, WorkspaceError
from sandbox_server.files.edit import NoMatch, diff, edited
from sandbox_server.files.search import search, tree
from sandbox_server.files.specs import EDIT_LIMIT, READ_LIMIT, SEARCH_LIMIT, SPECS, TREE_DEPTH
from sandbox_server.files.workspace import Workspace
from sandbox_server.parts import Arguments, Result, Tool, result, text
from sandbox_server.tool_spec import ToolSpec

DEFAULT_TIMEOUT_S = 60.0
REFUSALS = (OutsideWorkspace, MissingFile, WorkspaceError, NoMatch, OSError)


class FileTools:
    """Runs the tools of the group `filesystem`."""

    name = "file tools"

    def __init__(self, root: str) -> None:
        """Work on the files below `root`."""
        self._root = root
        self._workspace = Workspace(root)

    async def start(self) -> None:
        """Do nothing: nothing runs between two calls."""

    async def ready(self) -> None:
        """Return: files are there from the beginning."""

    def tools(self) -> Sequence[Tool]:
        """Return the tools; each is the method of its name."""
        return [spec.tool(functools.partial(self._call, spec)) for spec in SPECS]

    def log_tail(self) -> str:
        """Return nothing: there is no process."""
        return ""

    async def close(self) -> None:
        """Do nothing."""

    async def _call(self, spec: ToolSpec, arguments: Arguments, timeout_s: float | None) -> Result:
        limit = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        run: Callable[[Arguments], str] = getattr(self, spec.name)
        try:
            async with asyncio.timeout(limit):
                return result(text(await asyncio.to_thread(run, arguments)))
        except TimeoutError:
            return result(text(f"Error: {spec.name} timed out after {limit:g} s"), is_error=True)
        except REFUSALS as e:
            return result(text(f"Error: {_words(e)}"), is_error=True)

    def read_file(self, arguments: Arguments) -> str:
        """Return a file's content."""
        return self._read(arguments["path"], READ_LIMIT)

    def read_multiple_files(self, arguments: Arguments) -> str:
        """Return the files' contents, and for those that cannot be read why."""
        left, blocks, failures = READ_LIMIT, [], 0
        for path in arguments["paths"]:
            try:
                content = self._read(path, left)
                left -= len(content.encode())
                blocks.append(f"{path}:\n{content}")
            except REFUSALS as e:
                failures += 1
                blocks.append(f"{path}: Error - {_words(e)}")
        answer = "\n---\n".join(blocks)
        if blocks and failures == len(blocks):
            raise WorkspaceError(f"none of the files can be read\n{answer}")
        return answer

    def write_file(self, arguments: Arguments) -> str:
        """Replace a file in one step."""
        self._write(arguments["path"], arguments["content"])
        return f"Successfully wrote to {arguments['path']}"

    def edit_file(self, arguments: Arguments) -> str:
        """Change a file, and return the change."""
        path = arguments["path"]
        before = self._read(path, EDIT_LIMIT)
        after = edited(before, [(edit["oldText"], edit["newText"]) for edit in arguments["edits"]])
        if not arguments.get("dryRun", False) and after != before:
            self._write(path, after)
        return diff(before, after, path.lstrip("/"))

    def create_directory(self, arguments: Arguments) -> str:
        """Make a folder."""
        path = arguments["path"]
        self._workspace.make_folder(path)
        return f"Successfully created directory {path}"

    def list_directory(self, arguments: Arguments) -> str:
        """Return what is in a folder, a line each."""
        entries = self._workspace.entries(arguments["path"], 1)
        return "\n".join(f"[{'DIR' if entry['type'] == 'dir' else 'FILE'}] {entry['name']}" for entry in entries)

    def directory_tree(self, arguments: Arguments) -> str:
        """Return a folder with all below it, as JSON."""
        return json.dumps(tree(self._workspace, arguments["path"], TREE_DEPTH), indent=2, ensure_ascii=False)

    def move_file(self, arguments: Arguments) -> str:
        """Move a file or folder to where nothing is."""
        source, destination = arguments["source"], arguments["destination"]
        if self._workspace.exists(destination):
            raise WorkspaceError(f"something is at {destination!r} already: remove it first, or choose another name")
        self._workspace.move(source, destination)
        return f"Successfully moved {source} to {destination}"

    def search_files(self, arguments: Arguments) -> str:
        """Return the paths whose names fit a pattern, a line each."""
        exclude = arguments.get("excludePatterns", [])
        matches = search(self._workspace, arguments["path"], arguments["pattern"], exclude)
        found = sorted(itertools.islice(matches, SEARCH_LIMIT + 1))
        if len(found) > SEARCH_LIMIT:
            found[SEARCH_LIMIT:] = [f"… [only the first {SEARCH_LIMIT} matches are shown; use a narrower pattern]"]
        return "\n".join(found) or "No matches found"

    def get_file_info(self, arguments: Arguments) -> str:
        """Return what is known of a file or folder, a line each."""
        known = self._workspace.status(arguments["path"])
        facts = {
            "size": known.st_size,
            # Linux tells the time of birth by a call that Python does not have; it is not after these two.
            "created": _utc(min(known.st_ctime, known.st_mtime)),
            "modified": _utc(known.st_mtime),
            "accessed": _utc(known.st_atime),
            "isDirectory": str(stat.S_ISDIR(known.st_mode)).lower(),
            "isFile": str(stat.S_ISREG(known.st_mode)).lower(),
            "permissions": f"{stat.S_IMODE(known.st_mode):03o}",
        }
        return "\n".join(f"{key}: {value}" for key, value in facts.items())

    def list_allowed_directories(self, arguments: Arguments) -> str:
        """Return the workspace's path."""
        return f"Allowed directories:\n{self._root}"

    def _read(self, path: str, limit: int) -> str:
        with self._workspace.reading(path) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise WorkspaceError(
                f"{path!r} is larger than the {limit} bytes that are left for this: read a part of it with a command, "
                "such as `head -c` or `sed -n`"
            )
        try:
            return content.decode()
        except UnicodeDecodeError as e:
            raise WorkspaceError(f"{path!r} is not UTF-8 text (byte {e.start}): use code or a command for it") from e

    def _write(self, path: str, content: str) -> None:
        with self._workspace.writing(path) as file:
            file.write(content.encode())


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _words(error: Exception) -> str:
    """Return what an error says; the system's own without numbers."""
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error)
