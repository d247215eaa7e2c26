"""The tools that an image brings: files in a folder of it, one for each tool, read when the box starts.

    # /etc/sandbox/tools/wind.toml
    description = "Tell how the wind blows at a place."
    command = ["python3", "/opt/robot/wind.py"]

    [arguments.place]
    type = "string"
    description = "The place."

    [arguments.unit]
    type = "string"
    enum = ["km/h", "kn"]
    default = "km/h"

What runs them is in `tools`. An image whose files are wrong does not start: its maker is told which, and why.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox_server.arguments import KNOWN, TYPES, InvalidArgument, check
from sandbox_server.config import ConfigError
from sandbox_server.tool_spec import ToolSpec

FOLDER = Path("/etc/sandbox/tools")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
DEFAULT_TIMEOUT_S = 60.0
LONGEST_S = 3600.0
MEMBERS = {"description", "command", "arguments", "timeout", "output"}
OUTPUTS = {"text", "mcp"}


@dataclass(frozen=True, slots=True)
class ImageTool:
    """One tool of an image."""

    spec: ToolSpec
    command: tuple[str, ...]
    defaults: Mapping[str, Any]
    """What arguments are that were left out."""
    timeout_s: float
    output: str
    """`text` where what it prints is the result's text; `mcp` where it is the whole result, as JSON."""


def read_tools(group: str, folder: Path = FOLDER) -> list[ImageTool]:
    """Read the tools of an image, in the order of their names.

    Args:
        group: What they are listed under.
        folder: Where the files are; an image without it has none.

    Raises:
        ConfigError: One of the files is not as it has to be.
    """
    return [_read(path, group) for path in sorted(folder.glob("*.toml"))]


def _read(path: Path, group: str) -> ImageTool:
    try:
        members = tomllib.loads(path.read_text(encoding="utf-8"))
        return _tool(path.stem, group, members)
    except (OSError, ValueError, InvalidArgument) as e:
        raise ConfigError(f"{path}: {e}") from e


def _tool(name: str, group: str, members: dict[str, Any]) -> ImageTool:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a tool: letters, digits, '-' and '_', beginning with a letter")
    if unknown := members.keys() - MEMBERS:
        raise ValueError(f"{', '.join(sorted(unknown))}: unknown; there are: {', '.join(sorted(MEMBERS))}")
    description, command = members.get("description"), members.get("command")
    if not isinstance(description, str) or not description.strip():
        raise ValueError("description is missing: a model chooses tools by it")
    if not isinstance(command, list) or not command or not all(isinstance(word, str) and word for word in command):
        raise ValueError("command is not a list of texts: the program, and what it is called with")
    timeout = members.get("timeout", DEFAULT_TIMEOUT_S)
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not 0 < timeout <= LONGEST_S:
        raise ValueError(f"timeout is {timeout!r}, not a number of seconds above 0 and up to {LONGEST_S:g}")
    if (output := members.get("output", "text")) not in OUTPUTS:
        raise ValueError(f"output is {output!r}, not 'text' or 'mcp'")
    arguments = _arguments(members.get("arguments", {}))
    required = {argument: schema for argument, schema in arguments.items() if "default" not in schema}
    optional = {argument: schema for argument, schema in arguments.items() if "default" in schema}
    spec = ToolSpec(name=name, group=group, description=description.strip(), required=required, optional=optional)
    defaults = {argument: schema["default"] for argument, schema in optional.items()}
    check({**spec.schema(), "required": []}, defaults)  # else one that does not fit would reach the tool
    return ImageTool(spec, tuple(command), defaults, float(timeout), output)


def _arguments(tables: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(tables, dict) or not all(isinstance(schema, dict) for schema in tables.values()):
        raise ValueError("arguments are tables: [arguments.NAME]")
    for name, schema in tables.items():
        _check_schema(f"arguments.{name}", schema)
    return tables


def _check_schema(where: str, schema: dict[str, Any]) -> None:
    if unknown := schema.keys() - KNOWN:
        raise ValueError(
            f"{where}: {', '.join(sorted(unknown))}: not understood; there are: {', '.join(sorted(KNOWN))}"
        )
    if schema.get("type") not in TYPES:
        raise ValueError(f"{where}: type is {schema.get('type')!r}; it is one of {', '.join(TYPES)}")
    for name, inner in (("items", schema.get("items")), *schema.get("properties", {}).items()):
        if inner is not None:
            _check_schema(f"{where}.{name}", inner)
