"""What commands write, as it arrives: lines in any pieces, characters in two parts, results within bounds."""

from __future__ import annotations

import base64
import json

import pytest

from agentscope_runtime.sandbox.output import Collected, OutputChunk, OutputLines

EURO = "€".encode()


def line(**members: object) -> bytes:
    """Make a line."""
    return json.dumps(members).encode() + b"\n"


WHOLE = (
    line(command_id="cmd-1", state="running")
    + b"\n"
    + line(stream="stdout", offset=0, data="grüße")
    + line(stream="stdout", offset=7, binary=base64.b64encode(EURO[:2]).decode())
    + line(stream="stderr", offset=9, data="x")
    + line(stream="stdout", offset=10, binary=base64.b64encode(EURO[2:]).decode())
    + line(offset=11, skipped=5)
    + line(stream="stdout", offset=16, data="end")
    + line(state="exited", exit_code=3)
)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_are_read_in_any_pieces(size: int) -> None:
    """The same chunks come out; a character that came in two parts is whole with the second."""
    lines = OutputLines()
    chunks = [chunk for begin in range(0, len(WHOLE), size) for chunk in lines.feed(WHOLE[begin : begin + size])]
    assert chunks == [
        OutputChunk("stdout", "grüße", "grüße".encode(), 0),
        OutputChunk("stdout", "", EURO[:2], 7),
        OutputChunk("stderr", "x", b"x", 9),
        OutputChunk("stdout", "€", EURO[2:], 10),
        OutputChunk("stdout", "end", b"end", 16, skipped=5),
    ]
    assert lines.command == {"command_id": "cmd-1", "state": "running"}
    assert lines.ending == {"state": "exited", "exit_code": 3}


@pytest.mark.parametrize("wrong", [b"<html>\n", b'{"stream":"stdout"}\n', b'{"stream":"x","data":"","offset":0}\n'])
def test_what_is_no_output_raises(wrong: bytes) -> None:
    """Something else on the way answered; the caller names it."""
    with pytest.raises((ValueError, KeyError)):
        list(OutputLines().feed(wrong))


def test_a_result_is_bounded() -> None:
    """Beginning and end stay, and the gap says how much it was."""
    collected = Collected(8)
    for piece in (b"ab", b"cdef", b"ghij", b"kl"):
        collected.add(piece)
    assert collected.text() == "abcd\n… [4 bytes were left out here] …\nijkl"
    short = Collected(8)
    short.add(b"abcdef")
    assert short.text() == "abcdef"


def test_a_result_says_what_nobody_has() -> None:
    """What the sandbox dropped is part of the gap, where it was."""
    collected = Collected(100)
    collected.add(b"head")
    collected.add(b"tail", skipped=7)
    assert collected.text() == "head\n… [7 bytes were left out here] …\ntail"
