"""The tools for files as agents see them: names, descriptions, arguments, answers and failures.

They are those of the filesystem server that agents know from MCP. What each does stands in `tools`.
"""

from __future__ import annotations

from sandbox_server.tool_spec import Schema, ToolSpec, flag, string, strings

READ_LIMIT = 10 << 20
"""Bytes of one answer of file contents; more than any model reads, and what the server can hold several times."""
EDIT_LIMIT = 2 << 20
"""Bytes of a file that can be edited: a diff of larger ones takes too long."""
TREE_DEPTH = 64
SEARCH_LIMIT = 10_000
"""Matches of one search."""

PATH = string("Relative to the workspace, or absolute inside of it.")
CONFINED = "The path leads out of the workspace, also where a link does."
MISSING = "Nothing is there."
EDIT: Schema = {
    "type": "object",
    "properties": {
        "oldText": string("What to replace: the text as it stands in the file, whole lines best."),
        "newText": string("What to put in its place."),
    },
    "required": ["oldText", "newText"],
    "additionalProperties": False,
}


def _spec(
    name: str,
    description: str,
    required: dict[str, Schema],
    returns: str,
    fails: tuple[str, ...] = (CONFINED, MISSING),
    optional: dict[str, Schema] | None = None,
) -> ToolSpec:
    return ToolSpec(
        name=name,
        group="filesystem",
        description=description,
        required=required,
        optional=optional or {},
        returns=returns,
        fails=fails,
    )


SPECS = (
    _spec(
        "read_file",
        "Read a text file.",
        {"path": PATH},
        "The content.",
        (CONFINED, MISSING, "It is a folder, not UTF-8, or has more than 10 MiB."),
    ),
    _spec(
        "read_multiple_files",
        "Read several text files at once. One that cannot be read does not keep the others from being read.",
        {"paths": strings("The files.")},
        "For each file `path:` and, on the next lines, its content; between two files a line `---`. For a file that "
        "cannot be read `path: Error - ` and why; all together end at 10 MiB.",
        ("None of the files can be read.",),
    ),
    _spec(
        "write_file",
        "Write a text file, whole; an existing one is replaced. Folders on the way are made.",
        {"path": PATH, "content": string("The whole content.")},
        "`Successfully wrote to <path>`",
        (CONFINED, "It is a folder.", "The disk of the sandbox is full."),
    ),
    _spec(
        "edit_file",
        "Replace texts in a file, one edit after the other, and show the changes as a diff. Each edit replaces the "
        "first place that has the old text; where none has it exactly, lines that differ only in their indentation "
        "count, and the new text is indented as they are.",
        {"path": PATH, "edits": {"type": "array", "items": EDIT, "description": "The edits, in their order."}},
        "The changes as a git-style diff in a fenced block.",
        (CONFINED, MISSING, "An old text is not in the file; then nothing is changed.", "It has more than 2 MiB."),
        optional={"dryRun": flag("Only show what would be changed.", default=False)},
    ),
    _spec(
        "create_directory",
        "Make a folder and those on the way to it; one that is there already is fine.",
        {"path": PATH},
        "`Successfully created directory <path>`",
        (CONFINED, "A file is in its place."),
    ),
    _spec(
        "list_directory",
        "List what is in a folder.",
        {"path": PATH},
        "A line for each entry, sorted: `[DIR] name` or `[FILE] name`.",
    ),
    _spec(
        "directory_tree",
        "Show a folder with all that is in it, as JSON.",
        {"path": PATH},
        '`[{"name", "type": "file" | "directory", "children"?}, …]`, 64 levels deep.',
        (CONFINED, MISSING, "It has more than 50 000 entries."),
    ),
    _spec(
        "move_file",
        "Move or rename a file or folder. Nothing may be at the destination yet.",
        {"source": PATH, "destination": PATH},
        "`Successfully moved <source> to <destination>`",
        (CONFINED, MISSING, "Something is at the destination."),
    ),
    _spec(
        "search_files",
        "Search a folder and all below it for files and folders by their name, in whatever case. A pattern with `*`, "
        "`?` or `[` must fit the whole name (with a `/` the path below the folder), another one be a part of it.",
        {"path": PATH, "pattern": string("Such as `report` or `*.py`.")},
        "A line for each match with its absolute path, or `No matches found`; the first 10 000.",
        optional={
            "excludePatterns": strings("Leave these out, and all below them; like the pattern.", default=[]),
        },
    ),
    _spec(
        "get_file_info",
        "Tell what is known of a file or folder.",
        {"path": PATH},
        "A line `key: value` each for size (bytes), created, modified, accessed (UTC), isDirectory, isFile and "
        "permissions (octal).",
    ),
    _spec(
        "list_allowed_directories",
        "Tell which folders these tools can use.",
        {},
        "`Allowed directories:` and the workspace.",
        (),
    ),
)
