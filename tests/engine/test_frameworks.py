"""The frameworks' adapters, found by name."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import pytest

from agentscope_runtime.engine import frameworks
from agentscope_runtime.engine.errors import EngineError, MissingFramework, UnknownFramework
from agentscope_runtime.engine.frameworks import FRAMEWORKS, TEXT, Framework, find, importing, load

BOOK = Framework(name="book", imports="tests_no_such_package", package="book-agents")


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A framework of the tests', whose adapter is in memory."""
    module = ModuleType(BOOK.module)
    monkeypatch.setitem(FRAMEWORKS, "book", BOOK)
    monkeypatch.setitem(sys.modules, BOOK.module, module)
    return module


def test_the_frameworks_are_those_of_the_documents() -> None:
    """All four frameworks of the documents have a name, and so does doing without one."""
    assert set(FRAMEWORKS) == {"agentscope", "langgraph", "agno", "autogen", "text"}
    assert find(None) is find("text") is TEXT


@pytest.mark.parametrize("name", ["crew", "", "AgentScope"])
def test_an_unknown_framework_is_refused_with_the_known_ones(name: str) -> None:
    """Who asks for what is not there reads what is."""
    with pytest.raises(UnknownFramework, match="framework must be one of agentscope, langgraph, agno, autogen, text"):
        find(name)
    with pytest.raises(ValueError, match="framework must be one of"):
        load(name)


def test_a_missing_package_is_told_with_its_cure(book: ModuleType) -> None:
    """A framework that is not installed is refused without an import, with the command that installs it."""
    with pytest.raises(MissingFramework) as caught:
        find("book")
    assert str(caught.value) == (
        "framework 'book' needs the package book-agents: pip install 'agentscope-runtime-sandboxed[book]'"
    )
    assert isinstance(caught.value, (EngineError, ImportError))


def test_finding_a_framework_does_not_import_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking whether a framework is there costs no import."""

    def refuse(name: str) -> ModuleType:
        raise AssertionError(f"{name} was imported")

    monkeypatch.setattr(frameworks, "import_module", refuse)
    for name in FRAMEWORKS:
        if FRAMEWORKS[name].installed:
            assert find(name).name == name


def test_an_adapter_is_what_its_module_exposes(book: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading imports the adapter's module and returns its `ADAPTER`."""
    monkeypatch.setattr(frameworks, "find_spec", lambda name: object())
    adapter = object()
    book.ADAPTER = adapter  # type: ignore[attr-defined]
    assert load("book") is adapter


def test_a_package_that_does_not_import_is_missing_too(book: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is there and cannot be imported is reported with its own reason."""
    monkeypatch.setattr(frameworks, "find_spec", lambda name: object())
    reason = r"book-agents, which is installed but .*'ink'.*\[book\]"
    with pytest.raises(MissingFramework, match=reason), importing("book"):
        raise ImportError("no module named 'ink'")


def test_what_an_adapter_says_is_missing_is_passed_on(book: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter knows best which version it needs."""
    own = MissingFramework("book 1 is needed, this is 2")
    monkeypatch.setattr(frameworks, "find_spec", lambda name: object())
    with pytest.raises(MissingFramework) as caught, importing("book"):
        raise own
    assert caught.value is own


@pytest.mark.parametrize("name", [name for name, framework in FRAMEWORKS.items() if framework.imports])
@pytest.mark.parametrize("module", ["tool", "message", "stream"])
def test_whoever_imports_an_adapter_reads_the_cure(name: str, module: str) -> None:
    """Not only the engine does: handlers import its tools, and may do so where the extra is not installed."""
    script = (
        f"import sys; sys.modules[{FRAMEWORKS[name].imports!r}] = None\n"
        "from agentscope_runtime.engine.errors import MissingFramework\n"
        f"try: import {FRAMEWORKS[name].module}.{module}\n"
        "except MissingFramework as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", script], check=True, timeout=60, env=environment, capture_output=True, text=True
    )
    package, cure = FRAMEWORKS[name].package, FRAMEWORKS[name].cure
    assert ran.stdout == f"framework {name!r} needs the package {package}: {cure}\n"
