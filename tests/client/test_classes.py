"""Kinds of sandbox find their classes, whether or not anybody imported them before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agentscope_runtime.sandbox import BaseSandbox, BaseSandboxAsync, BrowserSandbox, BrowserSandboxAsync
from agentscope_runtime.sandbox.classes import async_class_for, class_for
from agentscope_runtime.sandbox.registry import SandboxRegistry


def test_built_in_kinds_have_their_classes() -> None:
    """Each twin serves its side, also when it is asked for by the other one's name."""
    assert class_for("browser") is class_for("browser_async") is BrowserSandbox
    assert async_class_for("browser") is BrowserSandboxAsync


@pytest.mark.parametrize("kind", ["base", "browser", "dummy", "filesystem", "gui"])
def test_every_built_in_kind_has_both(kind: str) -> None:
    """Named after it."""
    assert class_for(kind).__name__ == f"{kind.title()}Sandbox"
    assert async_class_for(f"{kind}_async").__name__ == f"{kind.title()}SandboxAsync"


def test_the_class_is_imported_when_it_is_asked_for() -> None:
    """A program that never named BrowserSandbox gets one."""
    code = (
        "import sys; from agentscope_runtime.sandbox.classes import class_for;"
        "assert 'agentscope_runtime.sandbox._sync.browser' not in sys.modules;"
        "print(class_for('browser').__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "BrowserSandbox\n"


def test_kinds_without_a_class_are_base_sandboxes() -> None:
    """The manager may know more kinds than this program."""
    assert class_for("toaster") is BaseSandbox
    assert async_class_for("toaster") is BaseSandboxAsync


def test_kinds_without_a_class_have_that_of_what_they_are_based_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that is based on browser has its tools as methods."""
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    monkeypatch.setattr(SandboxRegistry, "_classes", dict(SandboxRegistry._classes))
    SandboxRegistry.register("acme/shop:1", "shop", runtime_config={"based_on": "browser"})
    SandboxRegistry.register("acme/plain:1", "plain")
    assert (class_for("shop"), async_class_for("shop")) == (BrowserSandbox, BrowserSandboxAsync)
    assert class_for("plain") is BaseSandbox


@pytest.mark.parametrize("first", [BaseSandbox, BaseSandboxAsync])
def test_a_class_of_ones_own_comes_first(first: type) -> None:
    """The newest that was registered for the kind serves its side; the other side stays with the base class."""
    try:
        own = SandboxRegistry.register("acme/robot:1", sandbox_type="robot")(type("Robot", (first,), {}))
        assert (own is class_for("robot")) == (first is BaseSandbox)
        assert (own is async_class_for("robot")) == (first is BaseSandboxAsync)
    finally:
        del SandboxRegistry._configs["robot"], SandboxRegistry._classes["robot"]
