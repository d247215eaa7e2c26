"""The frameworks' adapters, found by name."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from agentscope_runtime.engine import frameworks
from agentscope_runtime.engine.errors import EngineError, MissingFramework, UnknownFramework
from agentscope_runtime.engine.frameworks import FRAMEWORKS, TEXT, Framework, find, load

BOOK = Framework("book", "tests_book_adapter", "tests_no_such_package", "book-agents", "book")


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

    def fail(name: str) -> ModuleType:
        raise ImportError("no module named 'ink'")

    monkeypatch.setattr(frameworks, "find_spec", lambda name: object())
    monkeypatch.setattr(frameworks, "import_module", fail)
    with pytest.raises(MissingFramework, match=r"book-agents, which is installed but .*'ink'.*\[book\]"):
        load("book")


def test_what_an_adapter_says_is_missing_is_passed_on(book: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter knows best which version it needs."""
    own = MissingFramework("book 1 is needed, this is 2")

    def fail(name: str) -> ModuleType:
        raise own

    monkeypatch.setattr(frameworks, "find_spec", lambda name: object())
    monkeypatch.setattr(frameworks, "import_module", fail)
    with pytest.raises(MissingFramework) as caught:
        load("book")
    assert caught.value is own
