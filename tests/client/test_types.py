"""Names of kinds."""

from __future__ import annotations

import json

from agentscope_runtime.sandbox.types import SandboxType, plain_type


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
