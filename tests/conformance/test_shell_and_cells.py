"""Shell commands and Python cells, on every sandbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from driving import Driven, failure, said, text
from managers import eventually

from agentscope_runtime.sandbox.errors import InvalidRequest

pytestmark = pytest.mark.docker


def test_a_command_says_all_it_has_to(box: Driven) -> None:
    """Output, error output and exit code come in the contract's order, and a code other than 0 is an error."""
    result = box.run_shell_command("echo out; echo err >&2; exit 3")
    assert [item.get("description") for item in result["content"]] == ["stdout", "stderr", "returncode"]
    assert (said(result), said(result, "stderr"), said(result, "returncode")) == ("out\n", "err\n", "3")
    assert result["isError"] is True
    assert text(box.run_shell_command("true")) == "\n0"


def test_a_cell_keeps_its_variables(box: Driven) -> None:
    """The first words of the documents; what a cell defined is there in the next."""
    assert box.run_ipython_cell("print('Hello, World!')")["content"][0]["text"] == "Hello, World!\n"
    box.run_ipython_cell("kept = 'grüße 🐍'")
    assert "grüße 🐍" in text(box.run_ipython_cell("print(kept)"))


def test_a_failing_cell_says_why(box: Driven) -> None:
    """An exception is a result with its traceback, without colours, and the kernel goes on."""
    why = failure(box.run_ipython_cell("def deep():\n    return {}['missing']\ndeep()"))
    assert "KeyError: 'missing'" in why and "\x1b" not in why
    assert said(box.run_ipython_cell("print(1)")) == "1\n"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("run_shell_command", {}),
        ("run_shell_command", {"command": 7}),
        ("run_shell_command", {"command": "true", "unknown": 1}),
        ("run_ipython_cell", {}),
        ("run_ipython_cell", {"code": None}),
    ],
)
def test_wrong_arguments_are_named(box: Driven, tool: str, arguments: dict[str, object]) -> None:
    """What is missing, of the wrong type or unknown is refused, by a message that names tool and argument."""
    with pytest.raises(InvalidRequest) as refused:
        box.call_tool(tool, arguments)
    assert tool in str(refused.value)
    assert ("unknown" if "unknown" in arguments else ("command" if "shell" in tool else "code")) in str(refused.value)


def test_a_time_out_kills_all_children(box: Driven, folder: str) -> None:
    """A command out of its time ends with its children, also those that left its process group."""
    pids = f"/workspace/{folder}/pids"
    command = f"sleep 971 & setsid sleep 971 & echo $! > {pids}; wait"
    result = box.tool("run_shell_command", within_s=1, command=command)
    assert "timed out after 1 s" in failure(result)
    left = box.run_shell_command("pgrep -fc '[s]leep 971'")
    assert said(left) == "0\n"


def test_a_cell_out_of_time_is_interrupted(box: Driven) -> None:
    """A cell that takes too long is interrupted, and its variables are still there."""
    box.run_ipython_cell("before = 5")
    assert "timed out after 1 s" in failure(box.tool("run_ipython_cell", within_s=1, code="while True: pass"))
    assert said(box.run_ipython_cell("print(before)")) == "5\n"


def test_a_caller_who_leaves_stops_the_work(box: Driven) -> None:
    """What a call began ends when its connection does, long before its time; the kernel is free, and as it was."""
    box.run_ipython_cell("before = 6")
    url, headers = (
        f"{box.base_url}/v1/sandboxes/{box.sandbox_id}/tools",
        {"Authorization": f"Bearer {box.bearer_token}"},
    )
    for tool, arguments in {
        "run_ipython_cell": {"code": "while True: pass"},
        "run_shell_command": {"command": "sleep 972 & setsid sleep 972"},
    }.items():
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/{tool}", json={"arguments": arguments, "timeout": 300}, headers=headers, timeout=1)
    assert said(box.tool("run_ipython_cell", within_s=5, code="print(before)")) == "6\n"
    eventually(lambda: said(box.run_shell_command("pgrep -fc '[s]leep 972'")) == "0\n", 5, "its children are gone")


def test_output_has_a_cap(box: Driven) -> None:
    """Of endless output the head and the tail are kept, and the gap says how much it is."""
    printed = said(box.run_shell_command("echo first; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo last"))
    assert printed.startswith("first\n") and printed.endswith("last\n")
    assert "bytes were cut here" in printed and len(printed) < 1_100_000
    assert len(said(box.run_ipython_cell("print('x' * 5_000_000)"))) < 1_100_000


def test_text_and_bytes(box: Driven) -> None:
    """UTF-8 passes whole, what is not UTF-8 is shown as such, and nothing breaks."""
    assert said(box.run_shell_command("printf 'ünï 漢字 🐍'")) == "ünï 漢字 🐍"
    assert said(box.run_shell_command(r"printf '\xff\xfe|\x00|ok'")) == "\ufffd\ufffd|\x00|ok"


def test_two_calls_at_once_never_mix(box: Driven) -> None:
    """Twelve commands and cells at once each answer with their own output alone."""

    def command(number: int) -> bool:
        printed = said(box.run_shell_command(f"for i in $(seq 50); do echo c{number}; done"))
        return printed == f"c{number}\n" * 50

    def cell(number: int) -> bool:
        return said(box.run_ipython_cell(f"for i in range(50): print('k{number}')")) == f"k{number}\n" * 50

    with ThreadPoolExecutor(12) as threads:
        done = [threads.submit(check, number) for number in range(6) for check in (command, cell)]
        assert all(each.result() for each in done)


def test_code_has_no_power(box: Driven) -> None:
    """Code is no root, has no capability, sees no secret of the server, and cannot write to the system."""
    script = (
        "id -u; grep CapEff /proc/self/status; ls /run/box | wc -l; touch /usr/x 2>&1; "
        "tr '\\0' '\\n' < /proc/1/environ 2>/dev/null | grep -ci token"
    )
    printed = said(box.run_shell_command(script))
    uid, capabilities, secrets, touched, tokens = printed.splitlines()
    assert (uid, capabilities.split()[1].strip("0"), secrets, tokens) == ("1000", "", "0", "0")
    assert "Read-only file system" in touched


def test_a_kernel_that_dies_is_replaced(box: Driven) -> None:
    """A cell that kills its kernel is told so, and the next one runs in a fresh kernel."""
    assert "a fresh one was started" in failure(box.run_ipython_cell("import os; os._exit(9)"))
    assert said(box.run_ipython_cell("print('kept' in dir())")) == "False\n"
