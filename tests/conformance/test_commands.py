"""Commands with streams, input and a life of their own, on every sandbox."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from driving import Driven, said
from managers import eventually

from agentscope_runtime.sandbox.errors import InvalidRequest, NotFound

pytestmark = pytest.mark.docker


def test_defaults(box: Driven) -> None:
    """A command runs in the workspace, with a home and without input; its streams are apart, its exit code is told."""
    result = box.commands.run("pwd; echo err >&2; cat; echo $HOME; exit 3")
    assert (result.stdout, result.stderr) == ("/workspace\n/home/agent\n", "err\n")
    assert (result.exit_code, result.timed_out) == (3, False)


def test_each_argument(box: Driven, folder: str) -> None:
    """Folder, variables and input reach the command; text of any language passes both ways, and bytes do."""
    result = box.commands.run(
        "pwd; echo $GREETING; cat", cwd=folder, environment={"GREETING": "grüße"}, stdin="漢字 🐍"
    )
    assert result.stdout == f"/workspace/{folder}\ngrüße\n漢字 🐍"
    data = bytes(range(256)) * 100
    sent = box.commands.run("base64 -w0", stdin=data)
    assert base64.b64decode(sent.stdout) == data


def test_output_comes_while_it_is_written(box: Driven) -> None:
    """The first line is here while the command waits for an answer to it."""
    command = box.commands.start("echo ready; read answer; echo got $answer", stdin=True)
    chunks = iter(command.output())
    assert next(chunks).data == "ready\n"
    command.write("it\n")
    assert "".join(chunk.data for chunk in chunks) == "got it\n"
    assert command.wait().exit_code == 0
    command.remove()


def test_a_time_out_kills_all(box: Driven) -> None:
    """A command out of its time ends with its children, also those that left its process group."""
    result = box.commands.run("echo begun; sleep 973 & setsid sleep 973 & wait", timeout=1)
    assert (result.stdout, result.timed_out, result.exit_code) == ("begun\n", True, 124)
    assert said(box.run_shell_command("pgrep -fc '[s]leep 973'")) == "0\n"


def test_one_in_the_background(box: Driven) -> None:
    """It runs on, is found by its id and in the list, hears signals, and says how it ended."""
    command = box.commands.start("trap 'echo told; exit 7' TERM; echo up; while :; do sleep 0.1; done")
    again = box.commands.get(command.command_id)
    assert again.pid == command.pid and command.command_id in {each.command_id for each in box.commands.list()}
    assert next(iter(command.output())).data == "up\n"
    command.signal("TERM")
    result = again.wait(timeout=10)
    assert (result.exit_code, result.stdout) == (7, "up\ntold\n")
    command.remove()
    with pytest.raises(NotFound, match=command.command_id):
        box.commands.get(command.command_id)


def test_a_kill_ends_the_family(box: Driven) -> None:
    """Children end with it, also those in sessions of their own."""
    command = box.commands.start("sleep 974 & setsid sleep 974 & echo up; wait")
    assert next(iter(command.output())).data == "up\n"
    command.kill()
    eventually(lambda: said(box.run_shell_command("pgrep -fc '[s]leep 974'")) == "0\n", 5, "its children are gone")
    command.remove()


def test_wrong_arguments_are_named(box: Driven) -> None:
    """A folder that there is not, a variable that cannot be one, a time that is none: each is named."""
    for arguments, named in (
        ({"cwd": "no/such/folder"}, "no/such/folder"),
        ({"environment": {"A B": "x"}}, "A B"),
        ({"timeout": -1}, "timeout"),
    ):
        with pytest.raises(InvalidRequest, match=named):
            box.commands.run("true", **arguments)
    with pytest.raises(NotFound, match="no-such-command"):
        box.commands.get("no-such-command")


def test_two_at_once_never_mix(box: Driven) -> None:
    """Eight commands at once each have their own output alone."""
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda n: box.commands.run(f"for i in $(seq 200); do echo {n}; done"), range(8)))
    assert [result.stdout for result in results] == [f"{n}\n" * 200 for n in range(8)]
