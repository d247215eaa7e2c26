"""Sessions to replay, read and made up."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from agentscope_runtime.sandbox_manager.simulation.traces import Arrival, TraceError, made_up, read


def written(tmp_path: Path, text: str, name: str = "trace.jsonl") -> Path:
    """Write a trace."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_json_lines_and_csv_say_the_same(tmp_path: Path) -> None:
    """What may be left out has a default, empty lines and further members are passed over."""
    lines = '{"at": 0.5, "hold": 60}\n\n{"at": 2, "hold": "7.5", "type": "browser", "user": "alice", "more": 1}\n'
    table = "at,hold,type,user\n0.5,60,,\n2,7.5,browser,alice\n"
    expected = [Arrival(0.5, 60.0, "base", ""), Arrival(2.0, 7.5, "browser", "alice")]
    assert list(read(written(tmp_path, lines))) == expected
    assert list(read(written(tmp_path, table, "trace.CSV"))) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"at": 1}', "session 1 has no 'hold'"),
        ('{"at": 1, "hold": 1}\n{"at": 0, "hold": 1}', "session 2 is earlier than the one before: sort the file"),
        ('{"at": "noon", "hold": 1}', "session 1: `at` and `hold` are seconds"),
        ('{"at": 1, "hold": -1}', "`hold` at least 0"),
        ('{"at": NaN, "hold": 1}', "have to be finite"),
        ("at,hold\n1,2", "line 1 is no JSON"),
        ("[1, 2]", "line 1 is no object"),
    ],
)
def test_what_cannot_be_replayed_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    """Nobody has to look for the line."""
    with pytest.raises(TraceError, match=says.replace("`", ".")):
        list(read(written(tmp_path, text)))


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A missing file, and one that is no text."""
    with pytest.raises(TraceError, match="No such file"):
        list(read(tmp_path / "none.jsonl"))
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="no text in UTF-8"):
        list(read(tmp_path / "bytes.jsonl"))


def test_sessions_made_up_come_at_the_rate_and_the_same_ones_again() -> None:
    """The mean of ten thousand is near what was asked for; the seed decides which they are."""
    sessions = list(made_up(rate=2.0, hold=30.0, duration=5000.0, seed=1))
    assert len(sessions) == pytest.approx(10_000, rel=0.05)
    assert sum(each.hold for each in sessions) / len(sessions) == pytest.approx(30, rel=0.05)
    assert all(one.at <= two.at for one, two in itertools.pairwise(sessions))
    assert sessions == list(made_up(rate=2.0, hold=30.0, duration=5000.0, seed=1))
    assert sessions != list(made_up(rate=2.0, hold=30.0, duration=5000.0, seed=2))
