"""The filesystem sandbox's methods: what each sends."""

from __future__ import annotations

import inspect
import json
from typing import Any

from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandboxAsync, FilesystemSandboxAsync

Sent = tuple[dict[str, Any], dict[str, Any]]

EDITS = [{"oldText": "a", "newText": "b"}]
CALLS: dict[str, list[Sent]] = {
    "read_file": [({"path": "a"}, {"path": "a"})],
    "read_multiple_files": [({"paths": ["a", "b"]}, {"paths": ["a", "b"]})],
    "write_file": [({"path": "a", "content": ""}, {"path": "a", "content": ""})],
    "edit_file": [
        ({"path": "a", "edits": EDITS}, {"path": "a", "edits": EDITS, "dryRun": False}),
        ({"path": "a", "edits": EDITS, "dry_run": True}, {"path": "a", "edits": EDITS, "dryRun": True}),
    ],
    "create_directory": [({"path": "a"}, {"path": "a"})],
    "list_directory": [({"path": "."}, {"path": "."})],
    "directory_tree": [({"path": "."}, {"path": "."})],
    "move_file": [({"source": "a", "destination": "b"}, {"source": "a", "destination": "b"})],
    "search_files": [
        ({"path": ".", "pattern": "x"}, {"path": ".", "pattern": "x"}),
        (
            {"path": ".", "pattern": "x", "exclude_patterns": ["y"]},
            {"path": ".", "pattern": "x", "excludePatterns": ["y"]},
        ),
    ],
    "get_file_info": [({"path": "a"}, {"path": "a"})],
    "list_allowed_directories": [({}, {})],
}


async def test_every_tool_sends_its_name_and_only_what_is_said(manager: ScriptedManager) -> None:
    """Arguments travel under the tool's own names; what was left out is left out, so that defaults work."""
    async with FilesystemSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        for name, sendings in CALLS.items():
            for arguments, expected in sendings:
                result = await getattr(box, name)(**arguments)
                said = json.loads(result["content"][0]["text"])
                assert (said["name"], said["arguments"]) == (name, expected)


def test_every_tool_is_tested() -> None:
    """The table above knows all tools, and the class has a base sandbox's, too."""
    own = {name for name, _ in inspect.getmembers(FilesystemSandboxAsync, inspect.isfunction) if name in CALLS}
    assert own == set(CALLS) and not own & set(dir(BaseSandboxAsync))
    assert issubclass(FilesystemSandboxAsync, BaseSandboxAsync)
