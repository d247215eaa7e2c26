"""The tool `run_shell_command` as agents see it."""

from __future__ import annotations

from sandbox_server.tool_spec import ToolSpec, string

SPEC = ToolSpec(
    name="run_shell_command",
    group="generic",
    description="Run a bash command in /workspace and return its output and exit code.",
    required={"command": string("The command line, for bash.")},
    returns="A text with the description `stdout`, a text `stderr` if there is any, and the exit code as the text "
    "`returncode`. Of more than 1 MiB each, the middle is cut, and the gap says how much it was.",
    fails=(
        "The exit code is not 0.",
        "Its time is over: the command and all its children are killed, and the exit code is 124.",
        "It could not be started: the exit code is 126.",
    ),
)
