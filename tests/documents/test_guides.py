"""The guides' Python runs as it stands there: each block is a program of its own, in a folder of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from managers import ROOT, Server
from programs import printed

pytestmark = pytest.mark.docker

MANAGER = "http://127.0.0.1:8000"
GUIDES = ("browser", "commands", "custom-sandboxes", "desktops", "files", "kernels", "leases", "mcp", "ports")


def blocks() -> Iterator[object]:
    """Yield every Python block of the guides, named by page and line."""
    for guide in GUIDES:
        text = (ROOT / "docs" / f"{guide}.md").read_text(encoding="utf-8")
        for found in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
            line = text.count("\n", 0, found.start()) + 2
            yield pytest.param(found[1], id=f"{guide}.md:{line}")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The manager that the blocks with an address talk to."""
    with Server.temporary(POOL_SIZE="0") as running:
        yield running


@pytest.mark.parametrize("block", blocks())
def test_a_block_runs(block: str, tmp_path: Path, server: Server) -> None:
    """It ends well, and without a warning; where it names a manager, that one has its sandboxes."""
    state = server.state_dir if MANAGER in block else tmp_path / "state"
    printed(block.replace(MANAGER, server.url), tmp_path, AGENTSCOPE_RUNTIME_STATE_DIR=str(state))
