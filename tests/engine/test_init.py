"""What importing the engine loads, and what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agentscope_runtime import engine

FRAMEWORKS = {"agentscope", "langgraph", "langchain_core", "agno", "autogen_agentchat", "autogen_core"}
HEAVY = {*FRAMEWORKS, "openai", "mcp", "redis", "docker", "aiodocker", "aiohttp", "celery", "a2a", "uvicorn", "numpy"}


def loaded(code: str) -> set[str]:
    """Return the top-level packages that a new process has loaded after some lines."""
    program = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_the_package_costs_next_to_nothing() -> None:
    """Not even FastAPI, before somebody asks for a class."""
    assert not loaded("import agentscope_runtime.engine") & {*HEAVY, "fastapi", "starlette", "pydantic", "httpx"}


@pytest.mark.parametrize(
    "code",
    [
        "from agentscope_runtime.engine import AgentApp, Runner",
        "from agentscope_runtime.engine import AgentApp; AgentApp(app_name='Friday')",
        "from agentscope_runtime.engine import AgentApp; AgentApp().query('agentscope')(lambda self, msgs: '')",
        "from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest",
    ],
)
def test_an_application_loads_no_framework(code: str) -> None:
    """Neither a framework nor a model's client nor what only some applications need; not even by naming a framework."""
    assert not loaded(code) & HEAVY


def test_names_are_found_when_they_are_asked_for() -> None:
    """All that is announced is there; what is not there is refused with the list of what is."""
    assert {"AgentApp", "Runner"} <= set(dir(engine))
    for name in engine.__all__:
        assert getattr(engine, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'AgentAp'; it has: AgentApp, Runner"):
        engine.AgentAp  # noqa: B018 - asking is the point
