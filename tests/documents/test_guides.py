"""The guides' programs run as they stand there, each in a folder of its own, and print what the page lets expect.

docs/leases.md and docs/mcp.md have tests of their own, beside; docs/custom-sandboxes.md is tried by
tests/e2e/test_custom_sandbox.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from managers import ROOT
from programs import printed

LINK = r"http://127\.0\.0\.1:\d+/{}/sbx-\w+#ticket=[\w-]+\n"
PAGE = "data:text/html,<h1>Good morning</h1>"
"""Stands in for the public site of the guides, which the tests' machine may not reach."""

PRINTED = {
    "browser": {
        'browser_navigate("https://example.com")["content"]': r"(?s).*Good morning.*" + LINK.format("desktop"),
        "connect_over_cdp": r"(?s).*Good morning.*",
        "browser_file_upload": r"(?s).*photo\.txt.*",
        'profile="work"': "",
    },
    "commands": {
        "GREETING": r"0 \['/tmp', 'hello'\]  False\n",
        "on_output": r"1\n2\n3\n",
        "http.server": r"0\n\['running', 'exited'\]\nServing HTTP on [^\n]*\n(127\.0\.0\.1[^\n]* 200 -\n)+\n137\n",
        "end_input": r"a\nb\n\n42\n\n",
        "terminal_url": f"({LINK.format('terminal')}){{3}}",
    },
    "desktops": {
        "get_screenshot": LINK.format("desktop"),
        "get_resolution": r"\(1600, 1000\)\n",
    },
    "files": {
        "notes/today.txt": r"grüße b'gr\\xc3\\xbc\\xc3\\x9fe'\n7 \['notes', 'today.txt'\]\nFalse\n",
        "box.fs.upload": r"42\n \['main.py', 'result.txt'\]\n",
        # That a new file was written to may be told with its creation, or after it.
        "box.fs.watch": r"created \S+/out/part None\n(modified [^\n]*\n)*moved \S+/out/result \S+/out/part\n",
        "get_upload_url": r"b'done'\nhttp://127\.0\.0\.1:\S+\n",
    },
    "kernels": {
        "math.pi": r"Out\[2\]: 12\.566370614359172\n\n",
        "threading": r"Out\[1\]: 42\n\n\[\('main', 'idle'\), \('training', 'idle'\)\]\n",
        "pandas": r"text/html \d+\n",
    },
    "ports": {
        "input(": r"http://p8080-[\w-]+\.localhost:\d+/\?sandbox_ticket=[\w-]+\n",
        "hello.txt": "from the sandbox\n",
    },
}
"""What each program prints, as a pattern, by words that stand in no other of its page."""


def programs(guide: str) -> list[str]:
    """Return the programs of a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / f"{guide}.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("guide", PRINTED)
def test_every_program_is_run(guide: str) -> None:
    """A new one needs what it prints above."""
    found = [sum(words in program for words in PRINTED[guide]) for program in programs(guide)]
    assert found == [1] * len(PRINTED[guide])


@pytest.mark.docker
@pytest.mark.parametrize(("guide", "words"), [(guide, words) for guide in PRINTED for words in PRINTED[guide]])
def test_a_program_runs(guide: str, words: str, tmp_path: Path) -> None:
    """It ends well, without a warning, and prints what it says; nobody presses Enter."""
    (program,) = (program for program in programs(guide) if words in program)
    program = re.sub(r"^ +input\(.*\n", "", program, flags=re.MULTILINE).replace("https://example.com", PAGE)
    said = printed(program, tmp_path)
    assert re.fullmatch(PRINTED[guide][words], said), said
