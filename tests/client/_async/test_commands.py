"""Commands by the client, on real containers: output as it comes, input, the background, and what can go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator

import docker
import pytest

from agentscope_runtime.sandbox import BaseSandboxAsync
from agentscope_runtime.sandbox.errors import CallTimeout, CommandNotFound, InvalidRequest, SandboxDied
from agentscope_runtime.sandbox.output import CommandResult, OutputChunk

pytestmark = pytest.mark.docker


@pytest.fixture
async def box() -> AsyncIterator[BaseSandboxAsync]:
    """A sandbox of a manager in this process."""
    async with BaseSandboxAsync() as started:
        yield started


async def test_commands(box: BaseSandboxAsync) -> None:
    """What a command is given reaches it, and what it says comes back, piece by piece and as a whole."""
    heard: list[OutputChunk] = []
    result = await box.commands.run_async(
        "pwd; cat; echo $WORD >&2; exit 3",
        cwd="/tmp",
        environment={"WORD": "grüße"},
        stdin="from here\n",
        on_output=heard.append,
    )
    assert result == CommandResult(3, "/tmp\nfrom here\n", "grüße\n")
    assert b"".join(chunk.raw for chunk in heard if chunk.stream == "stdout") == b"/tmp\nfrom here\n"
    assert "".join(chunk.data for chunk in heard if chunk.stream == "stderr") == "grüße\n"
    assert (await box.commands.run_async("cat", stdin=b"\x00\xff")).stdout == "\x00�"
    late = await box.commands.run_async("echo begun; sleep 100", timeout=0.5)
    assert (late.timed_out, late.exit_code, late.stdout) == (True, 124, "begun\n")
    with pytest.raises(InvalidRequest, match="there is no folder '/nowhere'"):
        await box.commands.run_async("pwd", cwd="/nowhere")
    for wrong in (0, -1, 86401, "1 min"):
        with pytest.raises(InvalidRequest, match=f"timeout is {wrong!r}; it can be seconds above 0 up to 86400"):
            await box.commands.run_async("pwd", timeout=wrong)  # type: ignore[arg-type]


async def test_a_command_in_the_background(box: BaseSandboxAsync) -> None:
    """It can be talked to, read, found again, waited for and ended."""
    command = await box.commands.start_async("while read line; do echo got $line; done; exit 4", stdin=True)
    await command.write_async("one\n")
    async with command.output_async() as output:
        assert (await anext(output)).data == "got one\n"
    with pytest.raises(CallTimeout, match=r"runs still after 0\.1 s"):
        await command.wait_async(0.1)
    (again,) = await box.commands.list_async()
    assert (again.command_id, again.pid, again.info.state) == (command.command_id, command.pid, "running")
    await command.write_async(b"two\n")
    await command.end_input_async()
    assert await command.wait_async(20) == CommandResult(4, "got one\ngot two\n", "")
    assert [chunk.data async for chunk in again.output_async(offset=8)] == ["got two\n"]
    with pytest.raises(InvalidRequest, match=r"has ended \(exited\)"):
        await again.write_async("three")
    assert (await again.refresh_async()).exit_code == 4
    await command.remove_async()
    with pytest.raises(CommandNotFound, match=command.command_id):
        await box.commands.get_async(command.command_id)


async def test_a_shell_command_takes_folder_variables_and_time(box: BaseSandboxAsync) -> None:
    """The tool's method has them, too, and as before without them."""
    result = await box.run_shell_command("pwd; echo $WORD", 5, "/usr", {"WORD": "x"})
    assert result["content"][0]["text"] == "/usr\nx\n"
    late = await box.run_shell_command("sleep 100", timeout=0.5)
    assert "timed out after 0.5 s" in late["content"][1]["text"]


async def test_terminals_are_linked(box: BaseSandboxAsync) -> None:
    """The main one is always the same; a command has one of its own; each link opens the page."""
    place = f"{box.base_url}/terminal/{box.sandbox_id}#ticket="
    first, second = await box.get_terminal_url_async(), box.terminal_url
    assert first.startswith(place) and second.startswith(place) and first != second
    assert (await box.get_terminal_url_async(command="top", control=False)).startswith(place)
    with pytest.raises(CommandNotFound, match="there is no terminal 'none'"):
        await box.get_terminal_url_async("none")
    with pytest.raises(InvalidRequest, match="for a new one"):
        await box.get_terminal_url_async("main", cwd="/")


async def test_a_sandbox_that_dies_is_told(box: BaseSandboxAsync) -> None:
    """Who follows a command hears that the sandbox died, not that a connection broke."""
    container = (await box.get_info_async())["container_id"]

    def kill(_: OutputChunk) -> None:
        engine = docker.from_env()
        engine.containers.get(container).kill()
        engine.close()

    with pytest.raises(SandboxDied, match="ended with exit code 137"):
        await box.commands.run_async("echo begun; sleep 1005", on_output=kill)


async def test_commands_are_ended(box: BaseSandboxAsync) -> None:
    """By a signal, by a kill, and in the foreground by a reader who leaves."""
    polite = await box.commands.start_async("sleep 1001")
    await polite.signal_async("INT")
    assert (await polite.wait_async(20)).exit_code == 130
    deaf = await box.commands.start_async("trap '' TERM; echo ready; sleep 1002; sleep 1003")
    async with deaf.output_async() as output:
        assert (await anext(output)).data == "ready\n"
    await deaf.signal_async(15)
    await deaf.kill_async()
    assert (await deaf.wait_async(20)).exit_code == 137
    await deaf.kill_async()
    with pytest.raises(InvalidRequest, match="signal is 'NOISE'"):
        await deaf.signal_async("NOISE")
    followed = await box.commands.start_async("echo begun; sleep 1004", background=False)
    async with followed.output_async() as output:
        assert (await anext(output)).data == "begun\n"
    await box.commands.run_async("while pgrep -f '^sleep 1004'; do sleep 0.05; done", timeout=10)
    assert (await followed.wait_async()).exit_code == 137
