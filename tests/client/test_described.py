"""The arguments of sandboxes' constructors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agentscope_runtime.sandbox import BaseSandbox, SandboxType
from agentscope_runtime.sandbox.described import describe
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.registry import SandboxRegistry

NOTHING = (None, None, None, None, None)


@pytest.fixture
def robot() -> Iterator[None]:
    """A kind whose tools may take five minutes."""
    SandboxRegistry.register("acme/robot:1", sandbox_type="robot", timeout=300)
    yield
    del SandboxRegistry._configs["robot"]


@pytest.mark.usefixtures("robot")
def test_the_time_of_tools_is_the_kinds_unless_said_otherwise() -> None:
    """An argument is stronger than the registration."""
    assert describe(BaseSandbox, (None, None, None, "robot", None), {}).tool_timeout == 300
    assert describe(BaseSandbox, (None, None, None, "robot", None), {"timeout": 5}).tool_timeout == 5
    assert describe(BaseSandbox, NOTHING, {}).tool_timeout is None


@pytest.mark.usefixtures("robot")
def test_a_class_after_the_documents_of_other_runtimes_works() -> None:
    """There a class of one's own hands on (sandbox_id, timeout, base_url, bearer_token, sandbox_type)."""

    class Robot(BaseSandbox):
        """As documented there."""

        def __init__(
            self,
            sandbox_id: str | None = None,
            timeout: int = 3000,
            base_url: str | None = None,
            bearer_token: str | None = None,
        ) -> None:
            arguments: tuple[Any, ...] = (sandbox_id, timeout, base_url, bearer_token, SandboxType("robot"))
            super().__init__(*arguments)

    box = Robot(base_url="http://127.0.0.1:9", bearer_token="k")
    assert (box.sandbox_type, box.base_url, box.bearer_token) == ("robot", "http://127.0.0.1:9", "k")
    assert box._wanted.tool_timeout == 3000


def test_what_does_not_fit_together_is_refused() -> None:
    """A folder of the host, and options of a sandbox that exists."""
    with pytest.raises(InvalidRequest, match="workspace_dir is not supported"):
        describe(BaseSandbox, (None, None, None, None, "/srv"), {})
    with pytest.raises(InvalidRequest, match="profile: only of a new sandbox, not of sbx-1"):
        describe(BaseSandbox, ("sbx-1", None, None, None, None), {"profile": "work"})
    assert describe(BaseSandbox, ("sbx-1", None, None, None, None), {"lazy": True}).lazy


def test_the_time_to_wait_for_room_is_checked() -> None:
    """It is no option of the lease, and has a bound."""
    wanted = describe(BaseSandbox, NOTHING, {"wait_s": 30, "profile": "work"})
    assert wanted.wait_s == 30
    assert wanted.options is not None and wanted.options.profile == "work"
    assert describe(BaseSandbox, NOTHING, {}).wait_s == 0
    for wrong in (-1, 1e9, float("nan"), "long"):
        with pytest.raises(InvalidRequest, match="wait_s is"):
            describe(BaseSandbox, NOTHING, {"wait_s": wrong})
