"""What docs/operations.md shows of `simulate` is what it prints."""

from __future__ import annotations

import re
import shlex

import pytest
from managers import ROOT

from agentscope_runtime.sandbox_manager.__main__ import main

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
RUNS = [run for block in BLOCKS for run in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:] if " simulate " in run]


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_the_tables_are_what_the_commands_print(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with the sessions that its seed makes up."""
    command, _, printed = RUNS[number].partition("\n")
    program, *arguments = shlex.split(command)
    assert program == "runtime-sandbox-server"
    main(arguments)
    said = capsys.readouterr().out
    assert [line.rstrip() for line in said.splitlines()] == [line.rstrip() for line in printed.splitlines()]


def test_there_are_tables() -> None:
    """The page has the worked example."""
    assert len(RUNS) == 4
