"""Lines of JSON in pieces of any size."""

from __future__ import annotations

from typing import Any

import pytest

from agentscope_runtime.sandbox.ndjson import Lines


class Names(Lines[str]):
    """Reads the names, and leaves out what has none."""

    def _read(self, line: dict[str, Any]) -> str | None:
        return line.get("name")


@pytest.mark.parametrize("size", [1, 3, 100])
def test_whole_lines_are_told_in_order(size: int) -> None:
    """However they were cut; empty ones and those about the stream tell nothing, and an unfinished one waits."""
    data = '{"name":"ü"}\n\n{"other":1}\n{"name":"b"}\n{"name":"c"}'.encode()
    names = Names()
    told = [name for begin in range(0, len(data), size) for name in names.feed(data[begin : begin + size])]
    assert told == ["ü", "b"]
    assert list(names.feed(b"\n")) == ["c"]


def test_what_is_no_json_raises() -> None:
    """Something else on the way answered; the caller names it."""
    with pytest.raises(ValueError, match="Expecting value"):
        list(Names().feed(b"<html>\n"))
