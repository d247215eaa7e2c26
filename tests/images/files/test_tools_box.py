"""A real filesystem box: its tools are there, beside the generic ones, and see what cells and commands do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from real_box import RealBox, real_box, stdout

from sandbox_server.files.specs import SPECS

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def box() -> Iterator[RealBox]:
    """One for all."""
    with real_box("filesystem") as made:
        yield made


def test_tools_are_listed_by_group(box: RealBox) -> None:
    """The eleven stand under `filesystem`, with true schemas; cells and commands are there as everywhere."""
    tools = {tool["name"]: tool for tool in box.http.get("/tools").json()["tools"]}
    assert {name for name, tool in tools.items() if tool["group"] == "filesystem"} == {spec.name for spec in SPECS}
    assert len(SPECS) == 11 and {"run_ipython_cell", "run_shell_command"} < set(tools)
    edit = tools["edit_file"]["input_schema"]["properties"]
    assert edit["edits"]["items"]["required"] == ["oldText", "newText"]
    assert edit["dryRun"] == {
        "type": ["boolean", "null"],
        "description": edit["dryRun"]["description"],
        "default": False,
    }


def test_one_workspace_for_all_tools(box: RealBox) -> None:
    """What code writes is read by a tool, and the other way round; both may change it."""
    assert box.cell("open('by_code.txt', 'w').write('from code')")["isError"] is False
    assert box.call("read_file", path="by_code.txt")["content"][0]["text"] == "from code"
    assert box.call("write_file", path="by_tool.txt", content="from tool")["isError"] is False
    assert stdout(box.shell("cat by_tool.txt && echo ' and shell' >> by_tool.txt")) == "from tool"
    edited = box.call(
        "edit_file", path="by_tool.txt", edits=[{"oldText": "tool and", "newText": "both,"}], dry_run=None
    )
    assert edited["isError"] is False and "+from both, shell" in edited["content"][0]["text"]


def test_errors_are_results(box: RealBox) -> None:
    """What cannot be done is said in the result; what cannot be meant is refused."""
    box.shell("ln -sfn /etc out; mkdir -p locked && touch locked/f && chmod 000 locked")
    for path, words in (
        ("none", "Error: there is no 'none'"),
        ("out/passwd", "Error: '/workspace/out' is a link out of the workspace"),
        ("/etc/passwd", "Error: '/etc/passwd' is outside of /workspace"),
        ("locked/f", "Error: 'locked/f': Permission denied"),
    ):
        result = box.call("read_file", path=path)
        assert result["isError"] is True and result["content"][0]["text"] == words
    answer = box.http.post("/tools/read_file", json={"arguments": {"pfad": "x"}})
    assert answer.status_code == 422 and "argument 'path' is missing" in answer.json()["detail"]
