"""The tool `run_shell_command` as agents see it."""

from __future__ import annotations

from sandbox_server.tool_spec import ToolSpec, string, texts_by_name

ENVIRONMENT = texts_by_name("Variables, on top of the sandbox's own.", "^[A-Za-z_][A-Za-z0-9_]*$")

SPEC = ToolSpec(
    name="run_shell_command",
    group="generic",
    description="Run a bash command in /workspace and return its output and exit code.",
    required={"command": string("The command line, for bash.")},
    optional={
        "timeout": {
            "type": "number",
            "minimum": 0.01,
            "maximum": 3600,
            "description": "Seconds it may take before it is killed with its children.",
            "default": 60,
        },
        "cwd": string("The folder to run in; relative ones start at /workspace.", default="/workspace"),
        "environment": ENVIRONMENT,
    },
    returns="A text with the description `stdout`, a text `stderr` if there is any, and the exit code as the text "
    "`returncode`. Of more than 1 MiB each, the middle is cut, and the gap says how much it was.",
    fails=(
        "The exit code is not 0.",
        "Its time is over: the command and all its children are killed, and the exit code is 124.",
        "It could not be started, or there is no such folder: the exit code is 126.",
    ),
)
