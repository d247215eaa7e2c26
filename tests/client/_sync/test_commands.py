# Made by scripts/unasync.py from tests/client/_async/test_commands.py. Do not edit: change that one and run `make unasync`.
"""Commands by the client, on real containers: output as it comes, input, the background, and what can go wrong."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import CallTimeout, CommandNotFound, InvalidRequest, SandboxDied
from agentscope_runtime.sandbox.output import CommandResult, OutputChunk

pytestmark = pytest.mark.docker


@pytest.fixture
def box() -> Iterator[BaseSandbox]:
    """A sandbox of a manager in this process."""
    with BaseSandbox() as started:
        yield started


def test_commands(box: BaseSandbox) -> None:
    """What a command is given reaches it, and what it says comes back, piece by piece and as a whole."""
    heard: list[OutputChunk] = []
    result = box.commands.run(
        "pwd; cat; echo $WORD >&2; exit 3",
        cwd="/tmp",
        environment={"WORD": "grüße"},
        stdin="from here\n",
        on_output=heard.append,
    )
    assert result == CommandResult(3, "/tmp\nfrom here\n", "grüße\n")
    assert b"".join(chunk.raw for chunk in heard if chunk.stream == "stdout") == b"/tmp\nfrom here\n"
    assert "".join(chunk.data for chunk in heard if chunk.stream == "stderr") == "grüße\n"
    assert (box.commands.run("cat", stdin=b"\x00\xff")).stdout == "\x00�"
    late = box.commands.run("echo begun; sleep 100", timeout=0.5)
    assert (late.timed_out, late.exit_code, late.stdout) == (True, 124, "begun\n")
    with pytest.raises(InvalidRequest, match="there is no folder '/nowhere'"):
        box.commands.run("pwd", cwd="/nowhere")
    for wrong in (0, -1, 86401, "1 min"):
        with pytest.raises(InvalidRequest, match=f"timeout is {wrong!r}; it can be seconds above 0 up to 86400"):
            box.commands.run("pwd", timeout=wrong)  # type: ignore[arg-type]


def test_a_command_in_the_background(box: BaseSandbox) -> None:
    """It can be talked to, read, found again, waited for and ended."""
    command = box.commands.start("while read line; do echo got $line; done; exit 4", stdin=True)
    command.write("one\n")
    with command.output() as output:
        assert (next(output)).data == "got one\n"
    with pytest.raises(CallTimeout, match=r"runs still after 0\.1 s"):
        command.wait(0.1)
    (again,) = box.commands.list()
    assert (again.command_id, again.pid, again.info.state) == (command.command_id, command.pid, "running")
    command.write(b"two\n")
    command.end_input()
    assert command.wait(20) == CommandResult(4, "got one\ngot two\n", "")
    assert [chunk.data for chunk in again.output(offset=8)] == ["got two\n"]
    with pytest.raises(InvalidRequest, match=r"has ended \(exited\)"):
        again.write("three")
    assert (again.refresh()).exit_code == 4
    command.remove()
    with pytest.raises(CommandNotFound, match=command.command_id):
        box.commands.get(command.command_id)


def test_a_shell_command_takes_folder_variables_and_time(box: BaseSandbox) -> None:
    """The tool's method has them, too, and as before without them."""
    result = box.run_shell_command("pwd; echo $WORD", 5, "/usr", {"WORD": "x"})
    assert result["content"][0]["text"] == "/usr\nx\n"
    late = box.run_shell_command("sleep 100", timeout=0.5)
    assert "timed out after 0.5 s" in late["content"][1]["text"]


def test_terminals_are_linked(box: BaseSandbox) -> None:
    """The main one is always the same; a command has one of its own; each link opens the page."""
    place = f"{box.base_url}/terminal/{box.sandbox_id}#ticket="
    first, second = box.get_terminal_url(), box.terminal_url
    assert first.startswith(place) and second.startswith(place) and first != second
    assert (box.get_terminal_url(command="top", control=False)).startswith(place)
    with pytest.raises(CommandNotFound, match="there is no terminal 'none'"):
        box.get_terminal_url("none")
    with pytest.raises(InvalidRequest, match="for a new one"):
        box.get_terminal_url("main", cwd="/")


def test_a_sandbox_that_dies_is_told(box: BaseSandbox) -> None:
    """Who follows a command hears that the sandbox died, not that a connection broke."""
    container = (box.get_info())["container_id"]

    def kill(_: OutputChunk) -> None:
        engine = docker.from_env()
        engine.containers.get(container).kill()
        engine.close()

    with pytest.raises(SandboxDied, match="ended with exit code 137"):
        box.commands.run("echo begun; sleep 1005", on_output=kill)


def test_commands_are_ended(box: BaseSandbox) -> None:
    """By a signal, by a kill, and in the foreground by a reader who leaves."""
    polite = box.commands.start("sleep 1001")
    polite.signal("INT")
    assert (polite.wait(20)).exit_code == 130
    deaf = box.commands.start("trap '' TERM; echo ready; sleep 1002; sleep 1003")
    with deaf.output() as output:
        assert (next(output)).data == "ready\n"
    deaf.signal(15)
    deaf.kill()
    assert (deaf.wait(20)).exit_code == 137
    deaf.kill()
    with pytest.raises(InvalidRequest, match="signal is 'NOISE'"):
        deaf.signal("NOISE")
    followed = box.commands.start("echo begun; sleep 1004", background=False)
    with followed.output() as output:
        assert (next(output)).data == "begun\n"
    box.commands.run("while pgrep -f '^sleep 1004'; do sleep 0.05; done", timeout=10)
    assert (followed.wait()).exit_code == 137
