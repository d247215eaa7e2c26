"""uv of the base image, which is there once it is asked for; pip, and what it installs, are the test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from managers import ROOT

PIP = """#!/bin/sh
echo "pip $*" >>"$HOME/pip.log"
[ ! -e "$HOME/offline" ] || { echo "no index answers" >&2; exit 1; }
printf '#!/bin/sh\\necho "$0 $*"\\n' >"$HOME/.local/bin/uv"
chmod +x "$HOME/.local/bin/uv"
cp "$HOME/.local/bin/uv" "$HOME/.local/bin/uvx"
"""

Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return what starts a program as a shell in the sandbox does."""
    (tmp_path / ".local/bin").mkdir(parents=True)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pip").write_text(PIP)
    (programs / "pip").chmod(0o755)
    (programs / "uv").symlink_to(ROOT / "images/base/uv")
    (programs / "uvx").symlink_to("uv")
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/.local/bin:{programs}:/usr/bin:/bin"}

    def start(*command: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, text=True, stdout=pipe, stderr=pipe)

    return start


def test_it_is_installed_when_it_is_first_asked_for(run: Run, tmp_path: Path) -> None:
    """Once, although several ask at the same time; what they asked for is then done."""
    asked = [run("uvx", "a tool", str(number)) for number in range(4)]
    assert [process.communicate()[0] for process in asked] == [
        f"{tmp_path}/.local/bin/uvx a tool {number}\n" for number in range(4)
    ]
    assert run("uv", "--version").communicate()[0] == f"{tmp_path}/.local/bin/uv --version\n"
    assert len((tmp_path / "pip.log").read_text().splitlines()) == 1


def test_without_an_index_it_says_what_pip_says(run: Run, tmp_path: Path) -> None:
    """And fails; stdout stays clean, for MCP servers talk on it."""
    (tmp_path / "offline").touch()
    process = run("uvx", "a-tool")
    assert process.communicate() == ("", "no index answers\n")
    assert process.returncode == 1
