# Made by scripts/unasync.py from tests/client/_async/test_sandbox_options.py. Do not edit: change that one and run `make unasync`.
"""What sandboxes can be asked to be beyond their kind."""

from __future__ import annotations

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandbox, BrowserSandbox
from agentscope_runtime.sandbox.errors import InvalidRequest


def test_options_travel_with_the_lease(manager: ScriptedManager) -> None:
    """They are arguments of the class, checked where they are written, and of new sandboxes only."""
    with BrowserSandbox(None, manager.url, KEY, profile="work") as box:
        assert manager.seen[0].body["options"] == {"profile": "work"}
        with pytest.raises(InvalidRequest, match=f"profile: only of a new sandbox, not of {box.sandbox_id}"):
            BrowserSandbox(box.sandbox_id, manager.url, KEY, profile="work")
    with pytest.raises(InvalidRequest, match="resolution"):
        BaseSandbox(resolution="big")
    with pytest.raises(TypeError, match=r"BaseSandbox\(\) got an unexpected keyword argument 'profil'"):
        BaseSandbox(profil="work")  # type: ignore[call-arg]
