"""The small functions that code for other runtimes imports."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.utils import dynamic_import, get_platform, http_to_ws


def test_a_file_is_imported_once(tmp_path: Path) -> None:
    """By its path; the second time it is the same module."""
    path = tmp_path / "an_extension_of_mine.py"
    path.write_text("made = []\n")
    try:
        module = dynamic_import(str(path))
        assert module.made == []
        assert dynamic_import(str(path)) is module
    finally:
        del sys.modules["an_extension_of_mine"]


def test_a_module_is_imported_by_name() -> None:
    """As an import statement would."""
    assert dynamic_import("json.decoder") is sys.modules["json.decoder"]


def test_what_cannot_be_imported_is_named(tmp_path: Path) -> None:
    """A file or module that is not there, a name that is taken; an error inside is the extension's own."""
    with pytest.raises(InvalidRequest, match=r"there is no file .*nowhere\.py"):
        dynamic_import(str(tmp_path / "nowhere.py"))
    with pytest.raises(InvalidRequest, match=r"no module 'nowhere\.at_all'.*with its \.py"):
        dynamic_import("nowhere.at_all")
    (tmp_path / "json.py").write_text("")
    with pytest.raises(InvalidRequest, match="there is a module 'json' already"):
        dynamic_import(str(tmp_path / "json.py"))
    broken = tmp_path / "broken_extension.py"
    broken.write_text("import module_that_is_missing\n")
    with pytest.raises(ModuleNotFoundError, match="module_that_is_missing"):
        dynamic_import(str(broken))
    assert "broken_extension" not in sys.modules


def test_addresses_of_websockets() -> None:
    """The scheme changes, and nothing else."""
    assert http_to_ws("http://127.0.0.1:8000/a?b=http://c") == "ws://127.0.0.1:8000/a?b=http://c"
    assert http_to_ws("HTTPS://example.org") == "wss://example.org"
    with pytest.raises(InvalidRequest, match=r"'example\.org' is not an address"):
        http_to_ws("example.org")


@pytest.mark.parametrize(
    ("machine", "name"), [("x86_64", "linux/amd64"), ("AMD64", "linux/amd64"), ("aarch64", "linux/arm64")]
)
def test_the_platform_is_named_as_engines_name_it(monkeypatch: pytest.MonkeyPatch, machine: str, name: str) -> None:
    """Whatever the operating system calls the machine."""
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert get_platform() == name
