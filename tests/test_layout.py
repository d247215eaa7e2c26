"""The shape of the project: what stands where, how long it may be, and what may stand in no file."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PORTIONS = ["client", "engine", "sandbox_manager"]
"""Folders that each carry a part of the namespace `agentscope_runtime`."""

MIRRORS = {
    "client": ["client/agentscope_runtime/sandbox"],
    "engine": ["engine/agentscope_runtime/engine"],
    "adapters": ["engine/agentscope_runtime/adapters"],
    "sandbox_manager": ["sandbox_manager/agentscope_runtime/sandbox_manager"],
    "images": ["images/sandbox_server", "images"],
}
"""Where the code is that a folder of tests is about."""

NO_MIRROR = {
    "tests/images/test_desktop_escapes.py": "ways out of the user land by the screen and the browser, across modules",
    "tests/images/test_server.py": "the box server as a whole: who may call, what it answers, how it starts and ends",
}
"""Test files in a mirroring folder that are about no single module, with the reason."""

MOST_LINES = 300
LONGER: dict[str, str] = {}
"""Files that may be longer, with the reason."""

FORBIDDEN = {
    # In pieces, so that this file may stand beside those that it reads.
    "the host of a package or image registry": "|".join(
        rf"\b{host}\.{domain}\b"
        for host, domain in [
            (r"deb\.debian", "org"),
            (r"security\.debian", "org"),
            ("pypi", "org"),
            ("pythonhosted", "org"),
            (r"registry\.npmjs", "org"),
            (r"registry-1\.docker", "io"),
        ]
    ),
    "a path of somebody's machine": "|".join(
        [r"(?<![\w.])/wo" + r"rk/\w", r"/tmp/bash_" + r"jobs", r"/Us" + r"ers/\w", r"/home/" + r"(?!agent\b|me\b)\w"]
    ),
    "a note to do something later": "|".join([r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bX" + r"XX\b"]),
}


@cache
def tracked() -> tuple[str, ...]:
    """Return the files that are, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()))


def code(suffix: str = ".py") -> list[str]:
    """Return the source files that people write."""
    return [name for name in tracked() if name.endswith(suffix) and "/_sync/" not in name]


@pytest.mark.parametrize("portion", PORTIONS)
def test_a_portion_of_the_namespace_has_no_init(portion: str) -> None:
    """An __init__.py would make one portion the whole package, and hide the others."""
    assert (ROOT / portion / "agentscope_runtime").is_dir()
    assert not (ROOT / portion / "agentscope_runtime" / "__init__.py").exists()


def test_the_tests_are_no_package() -> None:
    """Tests are found by path (importmode importlib); an __init__.py would let same-named files hide each other."""
    assert not [name for name in tracked() if name.startswith("tests/") and name.endswith("__init__.py")]


@pytest.mark.parametrize("folder", MIRRORS)
def test_tests_stand_where_the_code_stands(folder: str) -> None:
    """tests/client/test_calls.py is about client/…/calls.py; test_calls_of_files.py is, too."""
    astray = []
    for name in code():
        path = Path(name)
        if not path.is_relative_to(Path("tests") / folder) or not path.name.startswith("test_") or name in NO_MIRROR:
            continue
        inside = path.parent.relative_to(Path("tests") / folder)
        places = [ROOT / place / inside for place in MIRRORS[folder]]
        subjects = {found.stem.strip("_") for about in places for found in [*about.glob("*"), *about.glob("_async/*")]}
        subject = path.stem.removeprefix("test_")
        if not any(subject == known or subject.startswith(f"{known}_") for known in subjects):
            astray.append(name)
    assert not astray, f"rename them after the module that they test, or list them in NO_MIRROR with a reason: {astray}"


def test_no_file_is_too_long() -> None:
    """A file that grows beyond what one reading holds is about two things."""
    lengths = {
        name: len((ROOT / name).read_text(encoding="utf-8").splitlines())
        for name in [*code(), *code(".sh"), *code(".bash")]
    }
    assert {name: length for name, length in lengths.items() if length > MOST_LINES and name not in LONGER} == {}
    assert [name for name in LONGER if lengths.get(name, 0) <= MOST_LINES] == [], "exceptions that are none any more"


def test_each_module_says_what_it_is_for() -> None:
    """The first statement of each file with code in it is a docstring."""
    silent = [
        name
        for name in code()
        if (text := (ROOT / name).read_text(encoding="utf-8").strip()) and not re.match(r'(#!.*\n)?r?"""', text)
    ]
    assert silent == []


def test_the_architecture_names_every_module() -> None:
    """docs/architecture.md is the map; a module that is not on it is a map gone stale."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", text))
    modules = [Path(name) for name in code() if name.split("/")[0] in MIRRORS]
    missing = [str(path) for path in modules if path.stem != "__init__" and path.stem not in words]
    assert missing == []


def test_the_map_of_a_box_is_by_package() -> None:
    """Modules of a package have short names: each stands in a row of its own package, and no other does."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("\n| package | module |")[1]
    mapped, package = set(), ""
    for first, modules in re.findall(r"^\|([^|]*)\|([^|]*)\|", text.split("\n\n")[0], re.MULTILINE):
        package = "".join(re.findall(r"`(\w+)/`", first)) or package
        mapped |= {(package, module) for module in re.findall(r"`(\w+)`", modules)}
    box = Path("images/sandbox_server")
    paths = [Path(name).relative_to(box) for name in code() if Path(name).is_relative_to(box)]
    assert mapped == {(str(path.parent).strip("."), path.stem) for path in paths if path.stem != "__init__"}


def test_the_architecture_names_nothing_that_is_gone() -> None:
    """Every file that docs/architecture.md mentions by its path exists."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    mentioned = re.findall(r"`((?:client|engine|sandbox_manager|images|docs|examples|scripts|tests)/[\w./-]+\w)`", text)
    assert [path for path in mentioned if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    """Some strings are true on one machine only, or are a promise instead of work."""
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for name in tracked():
        if name.endswith((".png", ".svg", ".lock", "novnc.js", "xterm.js")) or name == "tests/test_layout.py":
            continue
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()[:100]}")
    assert found == []


def test_the_lock_names_no_host() -> None:
    """Packages come from wherever pip is configured to look; the hashes say that they are the same."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash)", text, re.MULTILINE)
