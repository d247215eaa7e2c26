"""The command that replays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentscope_runtime.sandbox_manager.__main__ import main as server
from agentscope_runtime.sandbox_manager.simulation.command import main


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """Run it, and return what it says as JSON."""
    main([*arguments, "--json"])
    return list(json.loads(capsys.readouterr().out))


def test_it_is_a_part_of_the_server_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`runtime-sandbox-server simulate` prints a line for each size, and runs no server."""
    server(["simulate", "--rate", "1", "--pool-size", "1", "4", "--parallel", "2"])
    said = capsys.readouterr().out
    assert said.startswith(
        "3,511 sessions ask for base within 1.0 h, 0.975 a second, and keep it for 60 s on average\n"
    )
    header, one, four = said.splitlines()[2:]
    assert header.split()[:2] == ["pools", "hits"]
    assert one.split()[0] == "1" and float(one.split()[1].rstrip("%")) < 40
    assert four.split()[0] == "4" and float(four.split()[1].rstrip("%")) > 90


def test_a_trace_of_several_kinds_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes, starts and memory are by kind; one number is for each of them."""
    path = tmp_path / "trace.csv"
    path.write_text("at,hold,type,user\n0,10,base,a\n0,10,browser,a\n1,10,browser,b\n", encoding="utf-8")
    (by_kind, each) = figures(
        capsys, "--trace", str(path), "--pool-size", "base=1,browser=2", "1", "--start", "browser=5", "--parallel", "4"
    )
    assert (by_kind["hit_ratio"], by_kind["wait_max"], by_kind["sessions"]) == (1.0, 0.0, 3)
    assert (each["hit_ratio"], each["wait_max"]) == (pytest.approx(2 / 3), 4.0)
    assert by_kind["memory_most"] >= 7 << 30  # what they may use: 1 GiB base, 2 GiB browser
    (measured,) = figures(capsys, "--trace", str(path), "--memory", "base=100m,browser=450m")
    assert measured["memory_most"] < 4 << 30


def test_a_hit_ratio_sizes_the_pools(capsys: pytest.CaptureFixture[str]) -> None:
    """From the least to the most, and within the memory that there is."""
    asked = ["--rate", "1", "--duration", "20000", "--parallel", "4", "--pool-size", "0"]
    (sized,) = figures(capsys, *asked, "--hit-ratio", "0.95")
    assert 0.945 < sized["hit_ratio"] < 0.99
    (bounded,) = figures(capsys, *asked, "--hit-ratio", "0.95", "--max", "1")
    assert bounded["free"] < 1 < sized["free"]
    assert bounded["hit_ratio"] < 0.7


def test_limits_are_those_of_the_manager(capsys: pytest.CaptureFixture[str]) -> None:
    """What is refused, and why, is told."""
    asked = ["--rate", "1", "--parallel", "4"]
    (refused,) = figures(capsys, *asked, "--max-instances", "50")
    assert refused["most"] == 50
    assert refused["refused"].keys() == {"total"}
    (waited,) = figures(capsys, *asked, "--max-instances", "50", "--wait-s", "20", "--queue-length", "10")
    assert waited["refused"].keys() <= {"queue", "deadline"}
    assert waited["wait_max"] > 1
    (quota,) = figures(capsys, *asked, "--max-per-user", "5")
    assert quota["refused"].keys() == {"user"}
    main([*asked, "--max-by-type", "base=20", "--max-memory", "16g"])
    assert " memory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say either --trace FILE or --rate"),
        (["--rate", "1", "--trace", "x"], "say either --trace FILE or --rate"),
        (["--trace", "none.jsonl"], "No such file"),
        (["--rate", "0.000001", "--duration", "1"], "no session to replay"),
        (["--rate", "1", "--type", "robot"], "say --start robot=…, too"),
        (["--rate", "1", "--type", "robot", "--start", "2"], "say --memory robot=…, too"),
        (["--rate", "1", "--pool-size", "some"], "--pool-size: 'some' is neither one value nor such as"),
        (["--rate", "1", "--pool-size", "-1"], "cannot be negative"),
        (["--rate", "1", "--memory", "lots"], "is not a size"),
        (["--rate", "1", "--parallel", "0"], "at least 1"),
        (["--rate", "1", "--hit-ratio", "0.5", "--max", "5000"], "at most 1024"),
        (["--rate", "-1"], "is not above 0"),
        (["--rate", "1", "--hit-ratio", "1"], "no share between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the cure in it."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
