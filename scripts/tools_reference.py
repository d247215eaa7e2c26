"""Write docs/tools.md, the reference of every tool of every kind of sandbox, or with --check say whether it is right.

It is made of the specs that the boxes serve, without a box. What the specs cannot say, because it holds for all tools,
stands in `HEAD`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sandbox_server.browser import specs as browser_specs
from sandbox_server.commands import shell_spec
from sandbox_server.composition import COMPOSITIONS
from sandbox_server.desktop import computer_spec
from sandbox_server.files import specs as file_specs
from sandbox_server.kernels import spec as kernel_spec
from sandbox_server.tool_spec import ToolSpec

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tools.md"
BY_PART: dict[str, Sequence[ToolSpec]] = {
    "kernels": (kernel_spec.SPEC,),
    "shell": (shell_spec.SPEC,),
    "file_tools": file_specs.SPECS,
    "browser": browser_specs.SPECS,
    "computer": (computer_spec.SPEC,),
}
"""The tools of each part that brings some, by its name in `composition`."""
GROUPS = {
    "generic": "Python cells and shell commands, in every sandbox.",
    "filesystem": "Files of the workspace; names and arguments are those of MCP's filesystem server.",
    "playwright": "The browser; names and arguments are those of Playwright's MCP server.",
    "computer-use": "The desktop of a gui sandbox; the tool is called `computer`, too.",
}
HEAD = """<!-- Made by scripts/tools_reference.py from the specs in images/sandbox_server. Do not edit. -->
# Tools

Every tool of every kind of sandbox: what it takes, what it answers, and when that is an error. A sandbox says the same
of itself by `list_tools()`. Tools are called as methods or by name:

```python
from agentscope_runtime.sandbox import BaseSandbox

with BaseSandbox() as box:
    box.run_shell_command("ls")  # a method, where its class has one
    box.call_tool("run_shell_command", {"command": "ls"})  # by name, with the seconds it may take as `timeout=`
    box.list_tools("generic")  # {group: {tool: {"name", "json_schema"}}}
```

* **Arguments** have the names in the tables; the spelling of Python (`dry_run` for `dryRun`) is taken, too, and null
  for an optional one is the same as leaving it out. A missing, unknown or wrong argument raises `InvalidRequest`, which
  names it, before anything is done; a tool that the sandbox lacks raises `UnknownTool`.
* **A result** is `{"meta": None, "content": [item, …], "isError": bool}`, in the form of MCP. An item is a text
  (`{"type": "text", "text": …}`), an image (`{"type": "image", "data": <base64>, "mimeType": …}`) or a resource
  (`{"type": "resource", "resource": {"uri", "mimeType", "text"}}`).
* **What fails inside the sandbox** is a result with `isError`, whose text says why. Only what keeps the call from being
  made raises: the sandbox is gone, the manager cannot be reached, the arguments are wrong.
* **Time**: a call has 60 seconds, one of the browser 30, or what `call_tool(…, timeout=seconds)` gives it, up to 3 600.
  When they are over the work is stopped, its processes are ended, and the result is an error that says so. The work of
  a caller who leaves is stopped, too.
"""


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page; return the process status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if something would change")
    check: bool = parser.parse_args(arguments).check
    wanted = page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    if check:
        print(f"tools_reference: {PAGE.name} is not what the specs make")
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


def page() -> str:
    """Return the whole page."""
    lines = [HEAD, "## Which sandbox has which", "", "| kind | groups |", "|---|---|"]
    lines += [f"| `{kind}` | {_groups(specs_of(kind))} |" for kind in COMPOSITIONS]
    specs = {spec.name: spec for kind in COMPOSITIONS for spec in specs_of(kind)}
    for group in GROUPS:
        lines += ["", f"## {group}", "", GROUPS[group]]
        for spec in specs.values():
            if spec.group == group:
                lines += ["", *_tool(spec)]
    return "\n".join(lines) + "\n"


def specs_of(kind: str) -> list[ToolSpec]:
    """Return what a kind's parts bring, the generic ones first."""
    found = [spec for part in COMPOSITIONS[kind] for spec in BY_PART.get(part, ())]
    return sorted(found, key=lambda spec: spec.group != "generic")


def _tool(spec: ToolSpec) -> Iterator[str]:
    yield f"### {spec.name}"
    yield ""
    yield spec.description
    yield ""
    properties = spec.schema()["properties"]
    if properties:
        yield "| argument | type | default | |"
        yield "|---|---|---|---|"
        for name, schema in properties.items():
            default = "required" if name in spec.required else f"`{json.dumps(schema.get('default'))}`"
            yield f"| `{name}` | {_type(schema)} | {default} | {_cell(schema['description'] + _bounds(schema))} |"
    else:
        yield "It takes no arguments."
    yield ""
    yield f"**Result:** {spec.returns}"
    if spec.fails:
        yield ""
        yield "**An error when:**"
        yield ""
        yield from (f"* {sentence}" for sentence in spec.fails)


def _type(schema: dict[str, Any]) -> str:
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kind = next(kind for kind in kinds if kind != "null")
    if kind != "array":
        return kind
    item = schema["items"]
    members = ", ".join(f"`{name}`" for name in item.get("properties", ()))
    return f"array of {item['type']}s" + (f" with {members}" if members else "")


def _bounds(schema: dict[str, Any]) -> str:
    words = {"minimum": "at least", "maximum": "at most"}
    said = [f"{word} {schema[bound]}" for bound, word in words.items() if bound in schema]
    if choices := [choice for choice in schema.get("enum", ()) if choice is not None]:
        said.append("one of " + ", ".join(f"`{choice}`" for choice in choices))
    if "pattern" in schema:
        said.append(f"must fit `{schema['pattern']}`")
    return f" ({'; '.join(said)})" if said else ""


def _cell(text: str) -> str:
    """Return text for a table, where a bar would end the cell."""
    return re.sub(r"\|", r"\\|", text)


def _groups(specs: Sequence[ToolSpec]) -> str:
    return ", ".join(f"[`{group}`](#{group})" for group in dict.fromkeys(spec.group for spec in specs))


if __name__ == "__main__":
    sys.exit(main())
