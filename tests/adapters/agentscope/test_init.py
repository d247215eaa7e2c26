"""How the engine comes to the adapter, and what it says where agentscope is not what it needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from agentscope_runtime.adapters.agentscope import ADAPTER, check_version
from agentscope_runtime.engine.errors import MissingFramework
from agentscope_runtime.engine.frameworks import load


def test_the_engine_finds_it_by_name() -> None:
    """`framework="agentscope"` is this adapter."""
    assert load("agentscope") is ADAPTER


@pytest.mark.parametrize("installed", ["1.0.14", "1.0.21", "1.9"])
def test_the_first_line_is_taken(installed: str) -> None:
    """All of 1.x has what handlers import."""
    check_version(installed)


@pytest.mark.parametrize("installed", ["2.0.0", "2.0.11", "10.0"])
def test_the_second_line_is_refused_in_words(installed: str) -> None:
    """What is missing there would otherwise be an ImportError with a name that nobody knows."""
    with pytest.raises(MissingFramework, match=rf"1\.x.*{installed} is installed: pip install"):
        check_version(installed)


def test_loading_it_teaches_toolkits() -> None:
    """Methods of sandboxes are taken from then on; before, agentscope is as it was."""
    script = (
        "from agentscope.tool import Toolkit; before = Toolkit.register_tool_function\n"
        "import agentscope_runtime.adapters.agentscope\n"
        "assert Toolkit.register_tool_function is not before\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60, env=environment)
