"""The base sandbox: Python cells and shell commands in a workspace."""

from __future__ import annotations

from collections.abc import Mapping

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.sandbox import SandboxAsync
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.types import SandboxType, ToolResult


@SandboxRegistry.attach(SandboxType.BASE)
class BaseSandboxAsync(SandboxAsync):
    """A sandbox that runs Python cells and shell commands.

    ```python
    async with BaseSandboxAsync() as box:
        result = await box.run_ipython_cell("print('Hello, World!')")
        print(result["content"][0]["text"])
    ```
    """

    async def run_ipython_cell(self, code: str, kernel: str = "main", timeout: float | None = None) -> ToolResult:
        """Run Python code in an IPython session whose variables stay from one call to the next.

        Returns what the code printed, the value of its last expression (as `Out[n]: …`), what it wrote to stderr,
        images that it displayed, and other rich output as resources. An exception that the code does not catch is a
        result with `isError`.

        Args:
            code: The Python code to run; IPython's `%magics` and `!commands` work, too.
            kernel: The name of the session; cells of different ones run at the same time. A new name starts a new one.
            timeout: Seconds it may take before it is interrupted; 60 if nothing is said.
        """
        chosen = {} if kernel == "main" else {"kernel": kernel}
        return await self.call_tool_async("run_ipython_cell", {"code": code, **chosen}, timeout)

    async def run_shell_command(
        self,
        command: str,
        timeout: float | None = None,
        cwd: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> ToolResult:
        """Run a shell command in the workspace folder and return its output and return code.

        Each command starts anew: variables and the current folder do not stay, files do. A return code other than 0
        is a result with `isError`.

        Args:
            command: The command line, for bash.
            timeout: Seconds it may take before it is killed with all that it started; 60 if nothing is said.
            cwd: The folder to run in; relative ones start at the workspace.
            environment: Variables, on top of the sandbox's own.
        """
        more = {"cwd": cwd, "environment": environment}
        arguments = {"command": command, **{name: value for name, value in more.items() if value is not None}}
        return await self.call_tool_async("run_shell_command", arguments, timeout)

    async def get_terminal_url_async(
        self,
        terminal_id: str | None = None,
        *,
        control: bool = True,
        command: str | None = None,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Make a link to a terminal: it opens once, within a minute, and everybody who opens one sees the same.

        Args:
            terminal_id: Which one; the sandbox's main terminal if nothing is said, which runs on when nobody looks.
            control: Whether whoever opens it may type; else they only watch.
            command: Start another terminal for this, by bash.
            cwd: Start another terminal in this folder.
            environment: Start another terminal with these variables, on top of the sandbox's own.
        """
        held = self._in_hand()
        if command is not None or cwd is not None or environment is not None:
            if terminal_id is not None:
                raise InvalidRequest("terminal_id names a terminal that exists; the others are for a new one")
            terminal_id = (await held.do_async(calls.start_terminal, command, cwd, environment)).terminal_id
        return (await held.do_async(calls.terminal_link, terminal_id, control)).url

    # <sync-only>
    # @property
    # def terminal_url(self) -> str:
    #     """A link that opens the main terminal once; each look at it makes a new one."""
    #     return self.get_terminal_url()
    # </sync-only>
    # <async-only>
    @property
    def terminal_url(self) -> str:
        """A link that opens the main terminal once; `await get_terminal_url_async()` does not block."""
        from agentscope_runtime.sandbox._sync.connection import Connection

        held = self._in_hand()
        with Connection(held.connection.origin) as connection:
            return connection.send(calls.terminal_link(held.info.sandbox_id)).url

    # </async-only>
