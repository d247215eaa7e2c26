# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/filesystem.py. Do not edit: change that one and run `make unasync`.
"""The filesystem sandbox: tools for files, beside Python cells and shell commands."""

from __future__ import annotations

from agentscope_runtime.sandbox._sync.desktop import DesktopSandbox
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.tools import given
from agentscope_runtime.sandbox.types import SandboxType, ToolResult


@SandboxRegistry.attach(SandboxType.FILESYSTEM)
class FilesystemSandbox(DesktopSandbox):
    """A sandbox whose tools read, write, edit and find files; a person can watch its file manager.

    Paths are relative to the workspace, or absolute inside of it. What cannot be done is a result with `isError` whose
    text begins with `Error:`. For files of any size, and binary ones, `fs` is there as in every sandbox.

    ```python
    with FilesystemSandbox() as box:
        box.write_file("notes.md", "# Notes")
        print(box.list_directory("."))
    ```
    """

    def read_file(self, path: str) -> ToolResult:
        """Read a text file of at most 10 MiB.

        Args:
            path: The file.
        """
        return self.call_tool("read_file", {"path": path})

    def read_multiple_files(self, paths: list[str]) -> ToolResult:
        """Read several text files at once; one that cannot be read does not keep the others from being read.

        Args:
            paths: The files.
        """
        return self.call_tool("read_multiple_files", {"paths": paths})

    def write_file(self, path: str, content: str) -> ToolResult:
        """Write a text file, whole; an existing one is replaced, and folders on the way are made.

        Args:
            path: The file.
            content: The whole content.
        """
        return self.call_tool("write_file", {"path": path, "content": content})

    def edit_file(self, path: str, edits: list[dict[str, str]], dry_run: bool = False) -> ToolResult:
        """Replace texts in a file, one edit after the other, and show the changes as a git-style diff.

        Args:
            path: The file.
            edits: For each `oldText`, as it stands in the file, and `newText`, which takes its first place.
            dry_run: Whether to show only what would be changed.
        """
        return self.call_tool("edit_file", {"path": path, "edits": edits, "dryRun": dry_run})

    def create_directory(self, path: str) -> ToolResult:
        """Make a folder and those on the way to it; one that is there already is fine.

        Args:
            path: The folder.
        """
        return self.call_tool("create_directory", {"path": path})

    def list_directory(self, path: str) -> ToolResult:
        """List what is in a folder: a line `[DIR] name` or `[FILE] name` each.

        Args:
            path: The folder; `.` is the workspace.
        """
        return self.call_tool("list_directory", {"path": path})

    def directory_tree(self, path: str) -> ToolResult:
        """Show a folder with all that is in it, as JSON.

        Args:
            path: The folder; `.` is the workspace.
        """
        return self.call_tool("directory_tree", {"path": path})

    def move_file(self, source: str, destination: str) -> ToolResult:
        """Move or rename a file or folder; nothing may be at the destination yet.

        Args:
            source: What to move.
            destination: Its new path.
        """
        return self.call_tool("move_file", {"source": source, "destination": destination})

    def search_files(self, path: str, pattern: str, exclude_patterns: list[str] | None = None) -> ToolResult:
        """Search a folder and all below it for files and folders by their name, in whatever case.

        Args:
            path: The folder; `.` is the workspace.
            pattern: A part of the name such as `report`, or all of it such as `*.py`.
            exclude_patterns: What to leave out, with all below it; whole names or patterns such as `*.js`.
        """
        arguments = {"path": path, "pattern": pattern, **given(excludePatterns=exclude_patterns)}
        return self.call_tool("search_files", arguments)

    def get_file_info(self, path: str) -> ToolResult:
        """Tell what is known of a file or folder: size, times, kind and permissions.

        Args:
            path: The file or folder.
        """
        return self.call_tool("get_file_info", {"path": path})

    def list_allowed_directories(self) -> ToolResult:
        """Tell which folders these tools can use."""
        return self.call_tool("list_allowed_directories")
