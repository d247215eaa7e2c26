"""Streamed commands in a real box: output while it comes, input, time-outs, signals, and what is remembered."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from managers import eventually
from real_box import RealBox, stdout

pytestmark = pytest.mark.docker

Lines = Iterator[dict[str, Any]]


@contextmanager
def running(box: RealBox, command: str, **wishes: object) -> Iterator[Lines]:
    """Run a command in the foreground; yields its lines as they come."""
    with box.http.stream(
        "POST", "/commands", params={"follow": "true"}, json={"command": command, **wishes}, timeout=30
    ) as answer:
        assert answer.status_code == 201, answer.read()
        assert answer.headers["content-type"] == "application/x-ndjson"
        yield (json.loads(line) for line in answer.iter_lines() if line)


def run(box: RealBox, command: str, **wishes: object) -> tuple[str, str, dict[str, Any]]:
    """Run a command to its end; return stdout, stderr and the last line."""
    with running(box, command, **wishes) as lines:
        first, *between, last = lines
    assert (first["command"], first["state"]) == (command, "running")
    said = {"stdout": b"", "stderr": b""}
    for line in between:
        said[line["stream"]] += base64.b64decode(line["binary"]) if "binary" in line else line["data"].encode()
    return said["stdout"].decode(errors="replace"), said["stderr"].decode(errors="replace"), last


def start(box: RealBox, command: str, **wishes: object) -> str:
    """Start a command in the background and return its id."""
    answer = box.http.post("/commands", json={"command": command, "background": True, **wishes})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["command_id"])


def output(box: RealBox, command_id: str, **query: str) -> list[dict[str, Any]]:
    """Return the lines of a command's output after the first, which describes it."""
    answer = box.http.get(f"/commands/{command_id}/output", params=query, timeout=30)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line][1:]


def refusal(box: RealBox, body: object) -> str:
    """Return why this command is not run."""
    answer = box.http.post("/commands", json=body)
    assert answer.status_code == 422 and answer.json()["code"] == "invalid_request", answer.text
    return str(answer.json()["detail"])


def test_output_comes_while_the_command_runs(shared_box: RealBox) -> None:
    """The first line is here while the command waits for what only the reader of that line can give."""
    command = "echo first; until [ -e /tmp/go-on ]; do sleep 0.02; done; rm /tmp/go-on; echo second >&2; exit 3"
    with running(shared_box, command) as lines:
        next(lines)
        assert next(lines) == {"stream": "stdout", "offset": 0, "data": "first\n"}
        shared_box.shell("touch /tmp/go-on")
        assert next(lines) == {"stream": "stderr", "offset": 6, "data": "second\n"}
        last = next(lines)
    assert (last["state"], last["exit_code"]) == ("exited", 3)


def test_folder_and_variables_are_the_calls_own(shared_box: RealBox) -> None:
    """Both reach the command, on top of what everything in the sandbox has, and nothing else changes."""
    said, _, _ = run(
        shared_box, "pwd; echo $WORD-$HOME; cat", cwd="/usr/lib", environment={"WORD": "grüße 'x' $y"}, input="in"
    )
    assert said == "/usr/lib\ngrüße 'x' $y-/home/agent\nin"
    said, _, _ = run(shared_box, "mkdir -p below; cd below; pwd; echo ${WORD-none}; cat")
    assert said == "/workspace/below\nnone\n"
    assert run(shared_box, "pwd", cwd="below")[0] == "/workspace/below\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "'command' is missing"),
        ({"command": 5}, "'command' must be a string"),
        ({"command": "x", "cwd": "/nowhere"}, "there is no folder '/nowhere'"),
        ({"command": "x", "cwd": "/etc/passwd"}, "there is no folder '/etc/passwd'"),
        ({"command": "x", "environment": {"A B": "1"}}, "member 'A B' must fit the pattern"),
        ({"command": "x", "environment": {"A": 1}}, "environment' member 'A' must be a string"),
        ({"command": "a\0b"}, "command must be text without zero bytes"),
        ({"command": "x" * 200_000}, "longer than 128 KiB"),
        ({"command": "x", "timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"command": "x", "timeout": 1e9}, "up to 86400"),
        ({"command": "x", "input_base64": "???"}, "input_base64 is not base64"),
        ({"command": "x", "input": "a", "input_base64": "YQ=="}, "give one of them"),
        ({"command": "x", "shell": "zsh"}, "'shell' is unknown"),
    ],
)
def test_what_is_wrong_is_named(shared_box: RealBox, body: dict[str, object], reason: str) -> None:
    """A call that cannot be right is refused with the name of what is wrong in it, and nothing runs."""
    before = len(shared_box.http.get("/commands").json()["commands"])
    assert reason in refusal(shared_box, body)
    assert len(shared_box.http.get("/commands").json()["commands"]) == before


def test_a_timeout_ends_all_that_the_command_started(shared_box: RealBox) -> None:
    """The command, its children, those that it orphaned and those in sessions of their own: none runs on."""
    command = "trap '' TERM INT; setsid sleep 4321 & (sleep 4321 &) ; sleep 4321 & echo begun; sleep 4321"
    began = time.monotonic()
    said, _, last = run(shared_box, command, timeout=0.5)
    assert 0.5 <= time.monotonic() - began < 2
    assert (said, last["state"], last["exit_code"]) == ("begun\n", "timed_out", 124)
    assert stdout(shared_box.shell("pgrep -fc '^sleep 4321'")) == "0\n"


def test_a_foreground_command_ends_with_its_reader(shared_box: RealBox) -> None:
    """Who leaves takes the command along, with what it started."""
    with running(shared_box, "sleep 4322 & echo begun; sleep 4322") as lines:
        command_id = next(lines)["command_id"]
        assert next(lines)["data"] == "begun\n"
    eventually(lambda: stdout(shared_box.shell("pgrep -fc '^sleep 4322'")) == "0\n", 3, "the command ends")
    assert shared_box.http.get(f"/commands/{command_id}").json()["state"] == "killed"


def test_a_background_command_outlives_its_readers(shared_box: RealBox) -> None:
    """It runs on when a reader leaves, is listed, has a log, and ends when it is removed."""
    command_id = start(shared_box, "echo begun; sleep 4323")
    with shared_box.http.stream("GET", f"/commands/{command_id}/output", params={"follow": "true"}) as answer:
        lines = answer.iter_lines()
        assert [json.loads(next(lines))["command_id"], json.loads(next(lines))["data"]] == [command_id, "begun\n"]
    (seen,) = [c for c in shared_box.http.get("/commands").json()["commands"] if c["command_id"] == command_id]
    assert (seen["state"], seen["exit_code"], seen["ended_at"]) == ("running", None, None)
    assert stdout(shared_box.shell(f"ps -o args= -p {seen['pid']}")) == "sleep 4323\n"  # bash became it
    assert output(shared_box, command_id) == [{"stream": "stdout", "offset": 0, "data": "begun\n"}]
    assert shared_box.http.delete(f"/commands/{command_id}").status_code == 204
    assert stdout(shared_box.shell("pgrep -fc '^sleep 4323'")) == "0\n"
    gone = shared_box.http.get(f"/commands/{command_id}")
    assert (gone.status_code, gone.json()["code"]) == (404, "command_not_found")
    assert shared_box.http.delete(f"/commands/{command_id}").status_code == 204


def test_input_that_ends_the_command_was_taken(shared_box: RealBox) -> None:
    """A command that ends by what it is told is no failure of who told it, however fast it is."""
    for end in ("false", "true"):
        for _ in range(20):
            command_id = start(shared_box, "read line", stdin=True)
            answer = shared_box.http.post(f"/commands/{command_id}/stdin", params={"end": end}, content=b"go\n")
            assert answer.status_code == 204, answer.text


def test_input_is_written_while_it_runs(shared_box: RealBox) -> None:
    """What is written arrives, the end arrives, and afterwards the command says that nothing reads any more."""
    command_id = start(shared_box, "while read line; do echo got $line; done; echo over", stdin=True)
    where = f"/commands/{command_id}/stdin"
    assert shared_box.http.post(where, content=b"one\ntwo\n").status_code == 204
    assert shared_box.http.post(where, params={"end": "true"}, content="drü\n".encode()).status_code == 204
    *said, last = output(shared_box, command_id, follow="true")
    assert "".join(line["data"] for line in said) == "got one\ngot two\ngot drü\nover\n"
    assert last["exit_code"] == 0
    late = shared_box.http.post(where, content=b"late")
    assert (late.status_code, late.json()["code"]) == (422, "invalid_request")
    assert "has ended (exited)" in late.json()["detail"]
    without = start(shared_box, "sleep 0.2")
    refused = shared_box.http.post(f"/commands/{without}/stdin", content=b"x").json()["detail"]
    assert "started without stdin: true" in refused


def test_a_large_input_does_not_stall(shared_box: RealBox) -> None:
    """Ten MiB go in while as much comes out; neither waits for the other for ever."""
    data = base64.b64encode(b"\0\xff" * (5 << 20)).decode()
    said, _, last = run(shared_box, "cat | sha256sum", input_base64=data)
    assert last["exit_code"] == 0
    assert said.split()[0] == hashlib.sha256(b"\0\xff" * (5 << 20)).hexdigest()


def test_signals_reach_the_group(shared_box: RealBox) -> None:
    """A signal reaches the command, which may handle it; KILL it cannot; an unknown one is refused."""
    handling = start(shared_box, "trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 0.05; done")
    eventually(lambda: bool(output(shared_box, handling)), 5, "it is ready")
    answer = shared_box.http.post(f"/commands/{handling}/signal", json={"signal": "SIGUSR1"})
    assert answer.status_code == 200
    *said, last = output(shared_box, handling, follow="true")
    assert said[-1]["data"].endswith("caught\n")
    assert (last["state"], last["exit_code"]) == ("exited", 7)
    deaf = start(shared_box, "trap '' INT TERM; while :; do sleep 0.05; done")
    assert "signal is 'FOO'" in shared_box.http.post(f"/commands/{deaf}/signal", json={"signal": "FOO"}).text
    shared_box.http.post(f"/commands/{deaf}/signal", json={"signal": "KILL"})
    (last,) = output(shared_box, deaf, follow="true")
    assert (last["state"], last["exit_code"]) == ("killed", 137)


def test_binary_output_comes_as_it_is(shared_box: RealBox) -> None:
    """What is no text comes as base64, byte by byte the same."""
    *lines, last = output(shared_box, start(shared_box, r"printf 'a\0\xff'; sleep 0.1; printf ok"), follow="true")
    assert [line.get("binary") or line["data"] for line in lines] == [base64.b64encode(b"a\0\xff").decode(), "ok"]
    assert last["exit_code"] == 0


def test_a_reader_goes_on_where_it_was(shared_box: RealBox) -> None:
    """`from` leaves out what was read, also in the middle of what came at once."""
    command_id = start(shared_box, "printf 0123456789")
    *_, last = output(shared_box, command_id, follow="true")
    assert last["exit_code"] == 0
    assert output(shared_box, command_id, **{"from": "7"})[0] == {"stream": "stdout", "offset": 7, "data": "789"}
    assert output(shared_box, command_id, **{"from": "99"}) == [last]
    wrong = shared_box.http.get(f"/commands/{command_id}/output", params={"from": "-1"})
    assert wrong.status_code == 422


def test_a_flood_in_the_background_keeps_head_and_tail(shared_box: RealBox) -> None:
    """Of much output the beginning and the end are kept, and a line says how much is not."""
    command_id = start(shared_box, "seq 1000000; echo last words >&2")
    assert shared_box.http.get(f"/commands/{command_id}", params={"wait": "20"}, timeout=25).json()["state"] == "exited"
    lines = output(shared_box, command_id)
    kept = sum(len(line["data"]) for line in lines if line.get("stream") == "stdout")
    (gap,) = [line["skipped"] for line in lines if "skipped" in line]
    assert kept + gap == 6888896 and kept <= 1 << 20
    assert lines[0]["data"].startswith("1\n2\n") and lines[-2]["data"] == "last words\n"


def test_a_flood_in_the_foreground_is_complete(shared_box: RealBox) -> None:
    """A reader of a foreground command sees every byte, although more than is kept came while it did not look."""
    with running(shared_box, "seq 3000000") as lines:
        first = next(lines)
        eventually(
            lambda: shared_box.http.get(f"/commands/{first['command_id']}").json()["state"] == "running", 1, "it runs"
        )
        *said, last = lines
    assert "".join(line["data"] for line in said) == "".join(f"{n}\n" for n in range(1, 3_000_001))
    assert last["exit_code"] == 0


def test_survivors_do_not_hold_the_end(shared_box: RealBox) -> None:
    """A command has ended when its bash has, though what it left behind holds its output open; that lives on."""
    _, _, last = run(shared_box, "(while :; do echo x; sleep 0.05; done) & echo done")
    assert last["state"] == "exited"
    assert stdout(shared_box.shell("pgrep -fc 'while :; do echo x'")).strip() != "0"
    shared_box.shell("pkill -f 'while :; do echo x'")


def test_ended_commands_are_forgotten_in_time(shared_box: RealBox) -> None:
    """Of commands that ended the newest 64 are remembered."""
    first = start(shared_box, "true")
    for _ in range(70):
        run(shared_box, "true")
    assert shared_box.http.get(f"/commands/{first}").status_code == 404
    assert len(shared_box.http.get("/commands").json()["commands"]) <= 65


def test_too_many_are_refused(fresh_box: RealBox) -> None:
    """Of commands that run there is a limit, which the refusal names; room comes back with an end."""
    ids = [start(fresh_box, "sleep 1000") for _ in range(64)]
    answer = fresh_box.http.post("/commands", json={"command": "true", "background": True})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "64 commands run" in answer.json()["detail"]
    fresh_box.http.delete(f"/commands/{ids[0]}")
    start(fresh_box, "true")
