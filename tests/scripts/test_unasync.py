"""The script that writes the synchronous twins."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

# By its path: there is a package of the same name.
_spec = importlib.util.spec_from_file_location("our_unasync", Path(__file__).parents[2] / "scripts" / "unasync.py")
assert _spec is not None
assert _spec.loader is not None
unasync = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(unasync)

SOURCE = '''"""Say `async with ThingAsync() as t: await t.go_async()`."""


class ThingAsync:  # the async one
    async def __aenter__(self):
        async with other() as o, (await self.lock_async()):  # await it
            return [x async for x in await o.items(
                1,
            )]

    # <async-only>
    def only_here(self): ...

    # </async-only>
    # <sync-only>
    # def only_there(self):
    #     return 1
    # </sync-only>
'''
MADE = '''"""Say `with Thing() as t: t.go()`."""


class Thing:  # the one
    def __enter__(self):
        with other() as o, (self.lock()):  # it
            return [x for x in o.items(
                1,
            )]

    def only_there(self):
        return 1
'''


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of one module to translate, and the rules that it uses."""
    monkeypatch.setattr(unasync, "FOLDERS", {"_async": "_sync"})
    monkeypatch.setattr(unasync, "NAMES", {"__aenter__": "__enter__"})
    monkeypatch.setattr(unasync, "ROOT", tmp_path)
    (tmp_path / "_async").mkdir()
    (tmp_path / "_async" / "thing.py").write_text(SOURCE)
    return tmp_path


def test_a_module_loses_what_is_asynchronous_and_keeps_the_rest() -> None:
    """Keywords go, names change, marked blocks are exchanged; comments and layout stay."""
    assert unasync.synchronous(SOURCE, Counter()) == MADE


def test_what_is_written_passes_the_check(folders: Path) -> None:
    """The check agrees with the writer, and finds each way to differ."""
    assert unasync.main([]) == 0
    assert unasync.main(["--check"]) == 0
    made = folders / "_sync" / "thing.py"
    assert made.read_text() == unasync.HEADER.format(source="_async/thing.py") + MADE


@pytest.mark.parametrize("damage", ["shorter", "changed", "missing", "extra"])
def test_each_difference_fails_the_check(folders: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is shorter, changed, missing or left over fails, by name, and writing mends it."""
    unasync.main([])
    made = folders / "_sync" / "thing.py"
    text = made.read_text()
    if damage == "missing":
        made.unlink()
    elif damage == "extra":
        made.with_name("old.py").write_text("")
    else:
        made.write_text(text[:-12] if damage == "shorter" else text.replace("Thing", "Think"))
    before = sorted((path, path.read_text()) for path in made.parent.iterdir())
    capsys.readouterr()
    assert unasync.main(["--check"]) == 1
    assert ("old.py" if damage == "extra" else "thing.py") in capsys.readouterr().out
    assert sorted((path, path.read_text()) for path in made.parent.iterdir()) == before
    assert unasync.main([]) == 0
    assert unasync.main(["--check"]) == 0


def test_a_rule_without_use_fails(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule that changes nothing is reported."""
    monkeypatch.setitem(unasync.NAMES, "aflush", "flush")
    assert unasync.main(["--check"]) == 1
    assert "the rule for 'aflush' changes nothing" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["# <async-only>\nx = 1\n", "def f(:\n", "x = (\n"])
def test_what_cannot_be_translated_is_named(folders: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mark without its end, or a module that is no Python, fails by its name."""
    (folders / "_async" / "thing.py").write_text(text)
    assert unasync.main([]) == 1
    assert "unasync: _async/thing.py: " in capsys.readouterr().out


def test_the_projects_own_twins_are_up_to_date() -> None:
    """What is committed is what the sources make."""
    assert unasync.main(["--check"]) == 0
