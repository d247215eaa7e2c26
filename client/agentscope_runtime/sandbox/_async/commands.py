"""`box.commands`: commands with their output while it comes, with input, in the background."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from signal import Signals
from typing import Any

from agentscope_runtime.sandbox import calls, wire
from agentscope_runtime.sandbox._async.holding import HoldingAsync
from agentscope_runtime.sandbox._async.ndjson import NdjsonStreamAsync
from agentscope_runtime.sandbox.errors import CallTimeout, InternalError
from agentscope_runtime.sandbox.output import Collected, CommandResult, OutputChunk, OutputLines

WAIT = 20.0
"""Seconds that one question for the end of a command waits for it."""

# <async-only>
OnOutput = Callable[[OutputChunk], Awaitable[None] | None]
"""Hears of each chunk; what it returns is awaited, so it may hold the command up."""
# </async-only>
# <sync-only>
# OnOutput = Callable[[OutputChunk], None]
# """Hears of each chunk, and may hold the command up."""
# </sync-only>


class OutputAsync(NdjsonStreamAsync[OutputChunk]):
    """The output of one command, chunk by chunk, as it comes, until the command has ended.

    Read it to its end, or leave it by `async with`: until then it keeps a connection to the manager. A command in the
    foreground is killed when nobody reads its output any more.
    """

    def __init__(self, held: HoldingAsync, call: calls.Call[bytes]) -> None:
        """Prepare; the first chunk that is asked for opens it."""
        self._output = OutputLines()
        super().__init__(held, call, self._output)

    @property
    def ending(self) -> dict[str, Any] | None:
        """How the command ended: `state` and `exit_code`; None while that is not known."""
        return self._output.ending


class CommandAsync:
    """One command of a sandbox, which runs or has ended; `box.commands` makes these."""

    def __init__(self, held: HoldingAsync, info: wire.CommandInfo) -> None:
        """Take over what the sandbox said of it."""
        self._held = held
        self.info = info
        """What was last heard of it: state, exit code, times; `refresh_async` asks anew."""

    @property
    def command_id(self) -> str:
        """Its name in the sandbox."""
        return self.info.command_id

    @property
    def pid(self) -> int:
        """The number of its process in the sandbox; its process group has the same."""
        return self.info.pid

    async def refresh_async(self) -> wire.CommandInfo:
        """Ask how it stands, and return that."""
        self.info = await self._held.do_async(calls.command, self.command_id)
        return self.info

    def output_async(self, *, follow: bool = True, offset: int = 0) -> OutputAsync:
        """Read what it writes, as `async for chunk in command.output_async():`.

        What is read while it runs in the foreground is everything. In the background a command waits for nobody: of
        what it wrote before, and of what a slow reader missed, the first and the last 512 KiB of each stream are there.

        Args:
            follow: Whether to go on until it has ended; else only what there is so far.
            offset: How many bytes to leave out, counted over both streams; a chunk's own `offset` is such a number.
        """
        call = calls.command_output(self._held.info.sandbox_id, self.command_id, offset, follow)
        return OutputAsync(self._held, call)

    async def write_async(self, data: str | bytes) -> None:
        """Write to its stdin; it must have been started with `stdin=True`.

        Raises:
            InvalidRequest: it was not, has ended, or has closed its stdin.
        """
        await self._write_async(data, end=False)

    async def end_input_async(self) -> None:
        """Close its stdin: it reads the end."""
        await self._write_async(b"", end=True)

    async def signal_async(self, signal: str | int = "TERM") -> None:
        """Send its process group a signal.

        Args:
            signal: `INT`, `TERM`, `HUP`, `USR1`, …, or a number of the module `signal`.
        """
        name = Signals(signal).name if isinstance(signal, int) else signal
        self.info = await self._held.do_async(calls.signal_command, self.command_id, name)

    async def kill_async(self) -> None:
        """Kill it with all that it started; one that has ended is fine."""
        await self.signal_async("KILL")

    async def remove_async(self) -> None:
        """Kill it with all that it started, and have the sandbox forget it and its output."""
        await self._held.do_async(calls.remove_command, self.command_id)

    async def wait_async(self, timeout: float | None = None) -> CommandResult:
        """Wait for its end, and return how it ended and what is kept of its output.

        Args:
            timeout: Seconds to wait; the command itself goes on after them.

        Raises:
            CallTimeout: it runs still.
        """
        if not self.info.background:  # it waits for readers, so waiting is reading
            return await _collected_async(self.output_async(), None)
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.info.state == "running":
            left = WAIT if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise CallTimeout(f"{self.command_id} runs still after {timeout:g} s: {self.info.command[:100]}")
            self.info = await self._held.do_async(calls.command, self.command_id, min(WAIT, left))
        return await _collected_async(self.output_async(follow=False), None)

    async def _write_async(self, data: str | bytes, end: bool) -> None:
        raw = data.encode() if isinstance(data, str) else bytes(data)
        await self._held.do_async(calls.write_command, self.command_id, raw, end)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.command_id}: {self.info.state}: {self.info.command[:60]!r}>"


class SandboxCommandsAsync:
    """`box.commands`: runs commands by bash, in the workspace if nothing else is said."""

    def __init__(self, in_hand: Callable[[], HoldingAsync]) -> None:
        """Serve the sandbox that `in_hand` returns with each call."""
        self._in_hand = in_hand

    async def run_async(
        self,
        command: str,
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        stdin: str | bytes | None = None,
        on_output: OnOutput | None = None,
    ) -> CommandResult:
        """Run a command to its end; it is killed with all that it started if this is given up before.

        Args:
            command: The command line, for bash.
            cwd: The folder to run in; relative ones start at the workspace.
            environment: Variables, on top of the sandbox's own.
            timeout: Seconds it may take; 60 if nothing is said. One that takes longer is killed, and `timed_out`.
            stdin: What it finds on its stdin; else nothing.
            on_output: Hears of each chunk of output when it comes; the command waits while it is slow.

        Returns:
            Exit code and output; an exit code other than 0 is no exception.

        Raises:
            InvalidRequest: there is no such folder, or a variable is wrong.
            Unavailable: the sandbox has no room for another command.
        """
        held = await self._in_hand().opened_async()
        call = calls.run_command(
            held.info.sandbox_id, command, cwd=cwd, environment=environment, timeout=timeout, data=stdin
        )
        return await _collected_async(OutputAsync(held, call), on_output)

    async def start_async(
        self,
        command: str,
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        background: bool = True,
        stdin: bool = False,
    ) -> CommandAsync:
        """Start a command and return while it runs.

        Args:
            command: The command line, for bash.
            cwd: The folder to run in; relative ones start at the workspace.
            environment: Variables, on top of the sandbox's own.
            timeout: Seconds it may take; as long as it likes in the background if nothing is said, else 60.
            background: Whether it runs on although nobody reads its output. Else it is killed when its last reader
                leaves or none comes within half a minute, and a slow reader holds it up.
            stdin: Whether it can be written to.

        Raises:
            InvalidRequest: there is no such folder, or a variable is wrong.
            Unavailable: the sandbox has no room for another command.
        """
        held = self._in_hand()
        info = await held.do_async(
            calls.start_command,
            command,
            cwd=cwd,
            environment=environment,
            timeout=timeout,
            background=background,
            stdin=stdin,
        )
        return CommandAsync(held, info)

    async def list_async(self) -> list[CommandAsync]:
        """List the commands that run, and those that ended and are remembered, in the order of their starts."""
        held = self._in_hand()
        return [CommandAsync(held, info) for info in (await held.do_async(calls.list_commands)).commands]

    async def get_async(self, command_id: str) -> CommandAsync:
        """Return one command by its id.

        Raises:
            CommandNotFound: there is none, or it ended long ago.
        """
        held = self._in_hand()
        return CommandAsync(held, await held.do_async(calls.command, command_id))


async def _collected_async(output: OutputAsync, on_output: OnOutput | None) -> CommandResult:
    """Read an output to its end."""
    collected = {"stdout": Collected(), "stderr": Collected()}
    async with output:
        async for chunk in output:
            collected[chunk.stream].add(chunk.raw, chunk.skipped)
            heard = None if on_output is None else on_output(chunk)
            # <async-only>
            if isawaitable(heard):
                await heard
            # </async-only>
    if (ending := output.ending) is None:
        raise InternalError("the output of a command ended before the command did")
    return CommandResult(
        ending["exit_code"], collected["stdout"].text(), collected["stderr"].text(), ending["state"] == "timed_out"
    )
