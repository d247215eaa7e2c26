"""The tool `run_ipython_cell` as agents see it."""

from __future__ import annotations

from sandbox_server.tool_spec import ToolSpec, string

MAIN = "main"
"""The kernel that runs cells which name none."""
NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
KERNELS_MAX = 8
"""A kernel with the usual packages imported has a hundred megabytes, and all share the memory of the sandbox."""

SPEC = ToolSpec(
    name="run_ipython_cell",
    group="generic",
    description="Run Python code in an IPython kernel of the sandbox and return what it prints, the value of the last "
    "expression, images, and other rich output. Variables stay for the next call. Cells of kernels with different "
    "names run at the same time and share files, not variables.",
    required={"code": string("Python code; IPython magics work.")},
    optional={
        "kernel": string(
            f"The name of the kernel; one that there is not yet is started, up to {KERNELS_MAX}.",
            default=MAIN,
            pattern=f"^{NAME}$",
        ),
        "timeout": {
            "type": "number",
            "minimum": 0.01,
            "maximum": 3600,
            "description": "Seconds it may take, its turn included, before it is interrupted.",
            "default": 60,
        },
    },
    returns="A text with the description `stdout`: what was printed, and the value as `Out[n]: …`; a text `stderr` if "
    "there is any; then what was displayed: images as images, and HTML, SVG, Markdown, LaTeX and JSON as resources "
    "`cell://<kernel>/<cell>/<number>`.",
    fails=(
        "The code raises: the traceback is in `stderr`. `input()` does, too, as nobody can answer.",
        "Its time is over: it is interrupted, and the variables stay; else the kernel is replaced.",
        "The kernel ends: a fresh one takes its place, and the variables are gone.",
        f"There are {KERNELS_MAX} kernels, and it names another one.",
    ),
)
