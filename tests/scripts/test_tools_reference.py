"""The reference of the tools: complete, with a result for each, and checked."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

# By its path: scripts are no package.
_path = Path(__file__).parents[2] / "scripts" / "tools_reference.py"
_spec = importlib.util.spec_from_file_location("tools_reference", _path)
assert _spec is not None
assert _spec.loader is not None
tools_reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tools_reference)


def test_it_is_what_the_specs_make(capsys: pytest.CaptureFixture[str]) -> None:
    """The page in the repository is current."""
    assert tools_reference.main(["--check"]) == 0 and capsys.readouterr().out == ""


def test_every_group_and_tool_is_told() -> None:
    """No kind has a group that is not described, and no tool is without arguments' meaning and a result."""
    page = tools_reference.page()
    for kind in tools_reference.COMPOSITIONS:
        assert f"| `{kind}` |" in page
        for spec in tools_reference.specs_of(kind):
            assert spec.group in tools_reference.GROUPS
            assert f"\n### {spec.name}\n" in page and spec.returns and spec.description
            assert all(schema.get("description") for schema in spec.schema()["properties"].values())


def test_a_change_is_noticed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old page fails the check and is left alone by it; without the check it is made anew."""
    old = tmp_path / "tools.md"
    old.write_text("old")
    monkeypatch.setattr(tools_reference, "PAGE", old)
    assert tools_reference.main(["--check"]) == 1 and old.read_text() == "old"
    assert tools_reference.main([]) == 0 and old.read_text() == tools_reference.page()
