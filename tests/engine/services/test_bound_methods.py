"""The moment at which agents' toolkits learn to take the methods of sandboxes."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.engine.services import bound_methods
from agentscope_runtime.engine.services.sandbox import SandboxService


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which adapters are loaded; none really is."""
    names: list[str] = []

    def load(name: str) -> ModuleType:
        names.append(name)
        if name == "broken":
            raise ImportError("of another release")
        return ModuleType(name)

    monkeypatch.setattr(bound_methods, "ADAPTERS", {"framework.tools": "adapter"})
    monkeypatch.setattr("importlib.import_module", load)
    return names


async def test_connecting_loads_the_adapter_of_what_is_imported(
    loaded: list[str], manager: ScriptedManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the handler has its sandbox; a program without the framework loads nothing."""
    async with SandboxService(manager.url, KEY) as service:
        service.connect("s", "u")
        assert loaded == []
        monkeypatch.setitem(sys.modules, "framework.tools", ModuleType("framework.tools"))
        await service.connect_async("s", "u")
        assert loaded == ["adapter"]
        monkeypatch.setitem(sys.modules, "adapter", ModuleType("adapter"))
        service.connect("s", "u")
        assert loaded == ["adapter"]


def test_a_framework_that_is_not_adapted_is_left_alone(loaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not use its toolkit need not care."""
    monkeypatch.setattr(bound_methods, "ADAPTERS", {"framework.tools": "broken"})
    monkeypatch.setitem(sys.modules, "framework.tools", ModuleType("framework.tools"))
    bound_methods.make_known()
    assert loaded == ["broken"]
