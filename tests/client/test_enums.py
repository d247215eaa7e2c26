"""Names of kinds, and members of a class that grows."""

from __future__ import annotations

import json

import pytest

from agentscope_runtime.sandbox import enums, types
from agentscope_runtime.sandbox.enums import DynamicEnum, SandboxType, plain_type


def test_a_type_is_its_name() -> None:
    """A type compares, hashes and travels as the string that it is."""
    assert SandboxType.BROWSER == "browser" == SandboxType("browser")
    assert SandboxType.BROWSER.value == "browser"
    assert json.dumps([SandboxType.BASE]) == '["base"]'
    assert repr(SandboxType.BASE) == "SandboxType('base')"


def test_an_asynchronous_type_names_a_plain_one() -> None:
    """`_async` says which class is wanted, not which kind."""
    assert plain_type(SandboxType.BASE_ASYNC) == "base"
    assert plain_type("browser") == "browser"


def test_the_members_can_be_asked_of_the_class() -> None:
    """It is iterated, measured and indexed as an enumeration is."""
    assert {"dummy", "base", "browser", "filesystem", "gui", "gui_async"} <= set(SandboxType)
    assert SandboxType["BROWSER"] == SandboxType.BROWSER
    assert SandboxType.BROWSER.name == "BROWSER"
    assert "browser" in SandboxType
    assert "toaster" not in SandboxType
    assert len(SandboxType) == len(list(SandboxType))
    with pytest.raises(KeyError):
        SandboxType["TOASTER"]
    assert types.SandboxType is enums.SandboxType


def test_members_may_be_added() -> None:
    """A new member is an attribute and no built-in one; the same again is fine, another value is not."""

    class Colour(DynamicEnum):
        """Colours."""

    red = Colour.add_member("RED")
    assert red == "red" == Colour["RED"] == Colour.RED  # type: ignore[attr-defined]
    assert Colour.add_member("RED") == red
    assert Colour.get_dynamic_members() == [red]
    assert not Colour.is_builtin("red")
    with pytest.raises(ValueError, match=r"Colour\.RED is 'red' already, not 'crimson'"):
        Colour.add_member("RED", "crimson")
    assert "red" not in SandboxType, "each class has its own"
    assert SandboxType.is_builtin("browser")
    assert SandboxType.BROWSER in SandboxType.get_builtin_members()
