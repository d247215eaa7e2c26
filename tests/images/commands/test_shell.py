"""`run_shell_command` in a real box: shapes, time-outs, and what outlives a call."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from managers import eventually
from real_box import RealBox, part, stderr, stdout

pytestmark = pytest.mark.docker


def test_success_has_output_and_exit_code(shared_box: RealBox) -> None:
    """A quiet success has stdout, even if empty, and the exit code, and no stderr."""
    result = shared_box.shell("echo hello")
    assert result == {
        "meta": None,
        "content": [
            {"type": "text", "text": "hello\n", "annotations": None, "description": "stdout"},
            {"type": "text", "text": "0", "annotations": None, "description": "returncode"},
        ],
        "isError": False,
    }


def test_exit_code_decides(shared_box: RealBox) -> None:
    """A silent failure is an error; words on stderr alone are none."""
    silent = shared_box.shell("exit 5")
    assert silent["isError"] is True and part(silent, "returncode") == "5" and stderr(silent) == ""
    noisy = shared_box.shell("echo careful >&2")
    assert noisy["isError"] is False and stderr(noisy) == "careful\n"


def test_folder_variables_and_time_are_the_calls_own(shared_box: RealBox) -> None:
    """Each reaches the command and nothing else; a folder that is none is a failure that says so."""
    where = shared_box.call("run_shell_command", command="pwd; echo $MINE", cwd="/usr", environment={"MINE": "grün"})
    assert stdout(where) == "/usr\ngrün\n"
    assert stdout(shared_box.shell("pwd; echo ${MINE-none}")) == "/workspace\nnone\n"
    nowhere = shared_box.call("run_shell_command", command="pwd", cwd="/nowhere")
    assert nowhere["isError"] is True and part(nowhere, "returncode") == "126"
    assert "/nowhere: No such file or directory" in stderr(nowhere)
    late = shared_box.call("run_shell_command", command="sleep 100", timeout=0.3)
    assert part(late, "returncode") == "124" and "timed out after 0.3 s" in stderr(late)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"environment": {"A B": "1"}}, "'A B' must fit the pattern"),
        ({"environment": {"A": 1}}, "member 'A' must be a string"),
        ({"timeout": 0}, "'timeout' must be 0.01 or more"),
        ({"cwd": 5}, "'cwd' must be a string or null"),
    ],
)
def test_wrong_arguments_are_named(shared_box: RealBox, arguments: dict[str, object], reason: str) -> None:
    """They are the caller's mistake, not a failure of the command."""
    body = {"arguments": {"command": "true", **arguments}}
    answer = shared_box.http.post("/tools/run_shell_command", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert reason in answer.json()["detail"]


def test_signal_is_an_exit_code(shared_box: RealBox) -> None:
    """A command that a signal ends has the exit code that shells give it."""
    assert part(shared_box.shell("kill -SEGV $$"), "returncode") == "139"


def test_it_is_bash_in_the_workspace(shared_box: RealBox) -> None:
    """The command line is bash's, and runs in the workspace with a home and without input."""
    result = shared_box.shell("[[ -n $BASH_VERSION ]] && pwd && echo $HOME && cat && echo {1..3}")
    assert stdout(result) == "/workspace\n/home/agent\n1 2 3\n"


def test_commands_that_a_user_expects(shared_box: RealBox) -> None:
    """Python, pip and the usual tools are there, and Python is the kernel's."""
    result = shared_box.shell(
        "which curl git less ps unzip zip xz pip && python -c 'import pandas, sys; print(sys.prefix)'"
    )
    assert result["isError"] is False, result
    assert stdout(result).splitlines()[-1] == "/opt/user"


def test_a_caller_who_leaves_leaves_nothing_running(shared_box: RealBox) -> None:
    """The command and its children end long before their time."""
    body = {"arguments": {"command": "sleep 4711 & setsid sleep 4711 & sleep 4711"}, "timeout": 300}
    with pytest.raises(httpx.ReadTimeout):
        shared_box.http.post("/tools/run_shell_command", json=body, timeout=0.5)
    eventually(lambda: stdout(shared_box.shell("pgrep -fc '[s]leep 4711'")) == "0\n", 5, "all of it is gone")


def test_endless_command_with_children(shared_box: RealBox) -> None:
    """The answer comes within the time-out and a second, has what was printed, and nothing of it runs on."""
    command = "echo begun; setsid sleep 1234 & (sleep 1234 & sleep 1234) & trap '' TERM INT; sleep 1234"
    began = time.monotonic()
    result = shared_box.shell(command, timeout=1)
    assert 1 <= time.monotonic() - began < 2
    assert result["isError"] is True and "timed out after 1 s" in stderr(result)
    assert stdout(result) == "begun\n" and part(result, "returncode") == "124"
    assert part(shared_box.shell("pgrep -fc 'sleep 1234$'"), "stdout") == "0\n"


def test_background_process_survives_and_does_not_hang_the_call(shared_box: RealBox) -> None:
    """A server in the background answers later calls, though its log went to the pipe of a call that is over."""
    began = time.monotonic()
    result = shared_box.shell("nohup python -m http.server 8123 & echo started")
    assert result["isError"] is False and stdout(result) == "started\n" and time.monotonic() - began < 2
    asked = "curl --silent --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 10 http://127.0.0.1:8123/"
    for _ in range(3):
        assert "Directory listing" in stdout(shared_box.shell(asked, timeout=15))


def test_output_keeps_head_and_tail(shared_box: RealBox) -> None:
    """Each stream is cut to one MiB, from the middle, and says by how much."""
    result = shared_box.shell("seq 500000; seq 500000 >&2")
    size = len("".join(f"{n}\n" for n in range(1, 500001)))
    for text in (stdout(result), stderr(result)):
        assert text.startswith("1\n2\n") and text.endswith("499999\n500000\n")
        assert len(text.encode()) < (1 << 20) + 100
        assert f"[{size - (1 << 20)} bytes were cut here]" in text


def test_fast_output_without_end(shared_box: RealBox) -> None:
    """A command that prints as fast as it can is held to its time-out, and the server still answers at once."""
    with ThreadPoolExecutor(1) as pool:
        endless = pool.submit(shared_box.shell, "yes", 1.5)
        slowest = _slowest_health(shared_box, 1.0)
        result = endless.result()
    assert result["isError"] is True and "bytes were cut here" in stdout(result)
    assert slowest < 0.25


def test_bytes_that_are_no_text(shared_box: RealBox) -> None:
    """Undecodable bytes are replaced."""
    assert stdout(shared_box.shell("printf 'a\\xff\\xfeb'")) == "a��b"


def test_commands_that_cannot_start(shared_box: RealBox) -> None:
    """What exec(2) refuses is an error in words."""
    assert "embedded null byte" in stderr(shared_box.shell("echo a\0b"))
    assert "Argument list too long" in stderr(shared_box.shell("true " + "x" * (1 << 18)))


def test_concurrent_commands_do_not_block_the_server(shared_box: RealBox) -> None:
    """Fifty commands run at once, each with its own output, while the server answers: it waits for none of them."""
    with ThreadPoolExecutor(50) as pool:
        running = [pool.submit(shared_box.shell, f"sleep 5; echo {n}", 60) for n in range(50)]
        slowest = _slowest_health(shared_box, 2.0)
        assert [stdout(one.result()) for one in running] == [f"{n}\n" for n in range(50)]
    # To begin fifty takes a server 0.2 s of its own, and more where others have the processors; one command takes 5 s.
    assert slowest < 4


def _slowest_health(box: RealBox, seconds: float) -> float:
    """Ask for /health all the time; return the longest that an answer took."""
    slowest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        assert box.http.get("/health").status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest
