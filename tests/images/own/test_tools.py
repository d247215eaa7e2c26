"""Calls of the tools that an image brings, with processes of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox_server.land.userland import UserLand
from sandbox_server.own.tool_files import read_tools
from sandbox_server.own.tools import ImageTools


class HereLand(UserLand):
    """A land whose commands run here."""

    def __init__(self) -> None:
        """Stand at once."""

    async def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command as it is."""
        return list(argv)

    def entrance(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return this process' own."""
        return dict(os.environ)


async def call(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    arguments: dict[str, Any],
    more: str = "",
    timeout: float | None = None,
) -> Any:
    """Call a tool that is made of Python code."""
    (folder / "tool.py").write_text(f"import json, sys\ngiven = json.load(sys.stdin)\n{code}\n")
    (folder / "tool.toml").write_text(
        f'description = "x"\ncommand = ["{sys.executable}", "{folder}/tool.py"]\n{more}\n'
        '[arguments.text]\ntype = "string"\n[arguments.times]\ntype = "integer"\ndefault = 2\n'
    )
    monkeypatch.setattr("sandbox_server.own.tools.read_tools", lambda group: read_tools(group, folder))
    (tool,) = ImageTools(HereLand(), "robot").tools()
    assert (tool.name, tool.group) == ("tool", "robot")
    return await tool.call(arguments, timeout)


async def test_what_it_prints_is_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its arguments with the defaults, in any Unicode and of any size."""
    text = "größer 🦊" * 100_000
    result = await call(tmp_path, monkeypatch, "print(len(given['text']), given['times'])", {"text": text})
    assert result == {
        "meta": None,
        "content": [{"type": "text", "text": f"{len(text)} 2\n", "annotations": None}],
        "isError": False,
    }


async def test_an_exit_code_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it wrote to both streams; or with the code, where it wrote nothing."""
    code = "print('half'); print('no wind', file=sys.stderr); sys.exit(3)"
    result = await call(tmp_path, monkeypatch, code, {"text": ""})
    assert ([item["text"] for item in result["content"]], result["isError"]) == (["half\n", "no wind\n"], True)
    silent = await call(tmp_path, monkeypatch, "sys.exit(3)", {"text": ""})
    assert silent["content"][0]["text"] == "tool ended with exit code 3"


async def test_it_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own where the call names none; then it ends, and the result says so."""
    code = "import time; time.sleep(60)"
    for more, timeout in (("timeout = 0.5", None), ("timeout = 60", 0.5)):
        result = await call(tmp_path, monkeypatch, code, {"text": ""}, more, timeout)
        assert result["isError"] is True
        assert result["content"][0]["text"] == "timed out after 0.5 s: the tool and its children were killed"


async def test_it_may_print_a_whole_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images, structured content and its own word on errors; what is no result is an error that says why."""
    made = {"content": [{"type": "image", "data": "aGk=", "mimeType": "image/png"}], "isError": True}
    code = f"print(json.dumps({made!r} | {{'structuredContent': {{'a': 1}}}}))"
    result = await call(tmp_path, monkeypatch, code, {"text": ""}, 'output = "mcp"')
    assert result == {"meta": None, **made, "structuredContent": {"a": 1}}
    for wrong in ("print('hello')", "print('[]')", "print('{\"content\": [1]}')"):
        result = await call(tmp_path, monkeypatch, wrong, {"text": ""}, 'output = "mcp"')
        assert result["isError"] is True
        assert "tool did not print a result" in result["content"][0]["text"]


async def test_a_program_that_is_not_there_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image's maker reads what is missing."""
    (tmp_path / "tool.toml").write_text('description = "x"\ncommand = ["/nowhere/program"]')
    monkeypatch.setattr("sandbox_server.own.tools.read_tools", lambda group: read_tools(group, tmp_path))
    (tool,) = ImageTools(HereLand(), "robot").tools()
    result = await tool.call({}, None)
    assert result["isError"] is True
    assert "the tool could not be started" in result["content"][0]["text"]
