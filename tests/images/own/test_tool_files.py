"""The files in which an image says what tools it brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox_server.config import ConfigError
from sandbox_server.own.tool_files import read_tools

WIND = """
description = "Tell how the wind blows at a place."
command = ["python3", "/opt/robot/wind.py"]
timeout = 10

[arguments.place]
type = "string"
description = "The place."

[arguments.unit]
type = "string"
enum = ["km/h", "kn"]
default = "km/h"
"""


def write(folder: Path, name: str, text: str) -> None:
    """Write the file of a tool."""
    (folder / f"{name}.toml").write_text(text)


def test_a_tool_is_what_its_file_says(tmp_path: Path) -> None:
    """The name is the file's; what has a default may be left out, or null, and is then what the default says."""
    write(tmp_path, "wind", WIND)
    (tool,) = read_tools("robot", tmp_path)
    assert (tool.spec.name, tool.spec.group, tool.command) == ("wind", "robot", ("python3", "/opt/robot/wind.py"))
    assert (tool.timeout_s, tool.output, tool.defaults) == (10.0, "text", {"unit": "km/h"})
    schema = tool.spec.schema()
    assert schema["required"] == ["place"]
    assert schema["properties"]["unit"]["enum"] == ["km/h", "kn", None]


def test_tools_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Other files are none; an image without the folder has no tools."""
    for name in ("b", "a"):
        write(tmp_path, name, 'description = "x"\ncommand = ["true"]')
    (tmp_path / "README").write_text("no tool")
    assert [tool.spec.name for tool in read_tools("robot", tmp_path)] == ["a", "b"]
    assert read_tools("robot", tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("1st", 'description = "x"\ncommand = ["true"]', "'1st' is not the name of a tool"),
        ("a", 'command = ["true"]', "description is missing"),
        ("a", 'description = "x"\ncommand = "true"', "command is not a list of texts"),
        ("a", 'description = "x"\ncommand = []', "command is not a list of texts"),
        ("a", 'description = "x"\ncommand = ["true"]\ntimout = 3', "timout: unknown; there are: arguments, command"),
        ("a", 'description = "x"\ncommand = ["true"]\ntimeout = 0', "timeout is 0, not a number of seconds"),
        ("a", 'description = "x"\ncommand = ["true"]\noutput = "xml"', "output is 'xml', not 'text' or 'mcp'"),
        ("a", 'description = "x"\ncommand = ["true"]\n[arguments]\nb = 1', "arguments are tables"),
        ("a", 'description = "x"\ncommand = ["true"]\n[arguments.b]\ntype = "text"', "arguments.b: type is 'text'"),
        (
            "a",
            'description = "x"\ncommand = ["true"]\n[arguments.b]\ntype = "string"\nmaxLength = 3',
            "arguments.b: maxLength: not understood",
        ),
        (
            "a",
            'description = "x"\ncommand = ["true"]\n[arguments.b]\ntype = "integer"\ndefault = "x"',
            "argument 'b' must be an integer or null, not a string",
        ),
        ("a", "description = ", "Invalid value"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, name: str, text: str, message: str) -> None:
    """The box does not start, and its last words are these."""
    write(tmp_path, name, text)
    with pytest.raises(ConfigError) as refused:
        read_tools("robot", tmp_path)
    assert str(tmp_path / f"{name}.toml") in str(refused.value)
    assert message in str(refused.value)
