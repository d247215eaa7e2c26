# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/base.py. Do not edit: change that one and run `make unasync`.
"""The base sandbox: Python cells and shell commands in a workspace."""

from __future__ import annotations

from agentscope_runtime.sandbox._sync.sandbox import Sandbox
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.types import SandboxType, ToolResult


@SandboxRegistry.attach(SandboxType.BASE)
class BaseSandbox(Sandbox):
    """A sandbox that runs Python cells and shell commands.

    ```python
    with BaseSandbox() as box:
        result = box.run_ipython_cell("print('Hello, World!')")
        print(result["content"][0]["text"])
    ```
    """

    def run_ipython_cell(self, code: str, kernel: str = "main") -> ToolResult:
        """Run Python code in an IPython session whose variables stay from one call to the next.

        Returns what the code printed, the value of its last expression (as `Out[n]: …`), what it wrote to stderr,
        images that it displayed, and other rich output as resources. An exception that the code does not catch is a
        result with `isError`.

        Args:
            code: The Python code to run; IPython's `%magics` and `!commands` work, too.
            kernel: The name of the session; cells of different ones run at the same time. A new name starts a new one.
        """
        chosen = {} if kernel == "main" else {"kernel": kernel}
        return self.call_tool("run_ipython_cell", {"code": code, **chosen})

    def run_shell_command(self, command: str) -> ToolResult:
        """Run a shell command in the workspace folder and return its output and return code.

        Each command starts anew: variables and the current folder do not stay, files do. A return code other than 0
        is a result with `isError`.

        Args:
            command: The command line, for bash.
        """
        return self.call_tool("run_shell_command", {"command": command})
