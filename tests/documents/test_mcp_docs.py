"""The programs of docs/mcp.md run, and what it names exists."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from managers import ROOT
from programs import printed

from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.mcp_server import TOKEN_VARIABLE, _parser
from agentscope_runtime.sandbox_manager.builder import command
from agentscope_runtime.sandbox_manager.settings import Settings

PAGE = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
BLOCKS: list[str] = [block.strip() + "\n" for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)]
OUTSIDE, INSIDE = BLOCKS


@pytest.mark.docker
def test_a_client_outside(tmp_path: Path) -> None:
    """The official one lists and calls."""
    assert printed(OUTSIDE, tmp_path) == "['run_ipython_cell', 'run_shell_command']\nOut[1]: 42\n\n"


@pytest.mark.docker
@pytest.mark.slow
def test_a_server_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made of a package, where sandboxes may reach an index; this host's certificates lead there, if it has its own."""
    if authorities := os.environ.get("SSL_CERT_FILE"):
        monkeypatch.setenv("BOX_CA_BUNDLE", authorities)
    with BaseSandbox() as box:
        if box.run_shell_command("pip download --quiet --no-deps --dest /tmp 'mcp<2'")["isError"]:
            pytest.skip("sandboxes on this machine reach no package index")
    said = printed(INSIDE, tmp_path)
    assert "'price'" in said.splitlines()[0]
    assert said.splitlines()[1] == "9.5"


def test_the_commands_options_are_those_of_the_page() -> None:
    """Each has its row; the variable for the key is the one that is read."""
    options = {option for action in _parser()._actions for option in action.option_strings if "_" in option}
    assert options | {"--type", "--extension"} == set(re.findall(r"^\| `(--\w+)` \|", PAGE, re.MULTILINE))
    assert TOKEN_VARIABLE in PAGE
    (configured,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    server = json.loads(configured)["mcpServers"]["sandbox"]
    assert (
        f'{server["command"]} = "agentscope_runtime.sandbox.mcp_server:main"' in (ROOT / "pyproject.toml").read_text()
    )
    assert _parser().parse_args(server["args"]).type == "browser"


def test_what_else_it_names_exists() -> None:
    """Methods, settings, the builder's option."""
    for method in ("add_mcp_servers", "list_mcp_servers", "remove_mcp_server"):
        assert method in PAGE and hasattr(BaseSandbox, method)
    assert "box_ca_bundle" in Settings.model_fields
    assert "--with-node" in command.parser().format_help()
