"""Rich output of cells in a real box: what is an image, what is a resource, what stays text, and how much of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from real_box import RealBox, stderr, stdout

pytestmark = pytest.mark.docker

DISPLAY = "from IPython.display import *\n"


def resources(result: dict[str, Any]) -> dict[str, str]:
    """Return the text of each resource of a result by its kind."""
    found = [item["resource"] for item in result["content"] if item["type"] == "resource"]
    assert len({resource["uri"] for resource in found}) == len(found)
    assert all(resource["uri"].startswith("cell://main/") for resource in found)
    return {resource["mimeType"]: resource["text"] for resource in found}


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        ("HTML('<b>grüß, [,],{,}</b>')", "text/html", "<b>grüß, [,],{,}</b>"),
        ("display(HTML('<b>shown</b>'))", "text/html", "<b>shown</b>"),
        ("Markdown('# Title')", "text/markdown", "# Title"),
        ("Latex('$x^2$')", "text/latex", "$x^2$"),
        (
            "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')",
            "image/svg+xml",
            '<svg xmlns="http://www.w3.org/2000/svg"/>',
        ),
    ],
)
def test_each_kind_is_a_resource(shared_box: RealBox, code: str, kind: str, text: str) -> None:
    """It stands beside the plain text, which stays in stdout."""
    result = shared_box.cell(DISPLAY + code)
    assert result["isError"] is False and resources(result) == {kind: text}
    assert "<IPython.core.display." in stdout(result)


def test_json_is_json(shared_box: RealBox) -> None:
    """What is displayed as JSON can be read as such."""
    shown = resources(shared_box.cell(DISPLAY + "JSON({'a': [1, 2.5, None, 'ü']})"))
    assert json.loads(shown["application/json"]) == {"a": [1, 2.5, None, "ü"]}


def test_a_table_is_text_and_html(shared_box: RealBox) -> None:
    """A data frame is read in stdout, and rendered from its resource."""
    result = shared_box.cell("import pandas\npandas.DataFrame({'a': [1, 2]})", timeout=60)
    assert "   a\n0  1\n1  2" in stdout(result) and "<table" in resources(result)["text/html"]


def test_items_keep_their_order(shared_box: RealBox) -> None:
    """Images and resources come as they were displayed, behind the texts."""
    code = """
display({'text/html': '1'}, raw=True)
display({'image/jpeg': '/9j/AA==', 'text/plain': 'a photo'}, raw=True)
display({'text/html': '3'}, raw=True)
"""
    result = shared_box.cell(DISPLAY + code)
    assert [item.get("mimeType") or item.get("resource", {}).get("text") for item in result["content"][1:]] == [
        "1",
        "image/jpeg",
        "3",
    ]
    assert "photo" not in stdout(result)


def test_clearing_takes_resources_too(shared_box: RealBox) -> None:
    """What was cleared is not in the result."""
    result = shared_box.cell(DISPLAY + "display(HTML('old'))\nclear_output()\ndisplay(HTML('new'))")
    assert resources(result) == {"text/html": "new"}


def test_too_much_at_once_is_left_out(shared_box: RealBox) -> None:
    """One output over the limit is named in stdout; the cell and the next are whole."""
    result = shared_box.cell(DISPLAY + "display({'text/html': ',' * 5_000_000, 'text/plain': 'page'}, raw=True)")
    assert resources(result) == {} and result["isError"] is False
    assert stdout(result) == "page\n[text/html of 5000000 characters was left out: too large]\n"
    assert len(resources(shared_box.cell(DISPLAY + "HTML(',' * 3_000_000)"))["text/html"]) == 3_000_000


def test_too_much_altogether_is_left_out(shared_box: RealBox) -> None:
    """Many outputs end at a limit of their size, and of their number; the result says how many are missing."""
    large = shared_box.cell(DISPLAY + "for _ in range(4): display({'text/html': 'x' * 2_500_000}, raw=True)")
    assert len([item for item in large["content"] if item["type"] == "resource"]) == 2
    assert stderr(large).startswith("2 images or rich outputs were left out") and large["isError"] is False
    many = shared_box.cell(DISPLAY + "for n in range(1200): display({'text/html': str(n)}, raw=True)", timeout=60)
    assert len([item for item in many["content"] if item["type"] == "resource"]) == 500
    assert stderr(many).startswith("700 images")


def test_what_cannot_be_json_is_left_out(shared_box: RealBox) -> None:
    """A display that is no JSON says so and harms nothing."""
    code = "loop = []; loop.append(loop)\ndisplay({'application/json': loop, 'text/plain': 'p'}, raw=True)\nprint('on')"
    result = shared_box.cell(DISPLAY + code)
    assert resources(result) == {} and stdout(result).endswith("on\n")
    assert stdout(shared_box.cell("print(1)")) == "1\n"


def test_forged_rich_output_does_no_harm(shared_box: RealBox) -> None:
    """What is no base64, or of a kind that nobody knows, is ignored."""
    code = """
import json, hashlib, hmac
kernel = get_ipython().kernel
def send(rich):
    parent = {"msg_id": kernel.get_parent()["header"]["msg_id"]}
    content = {"data": {"text/plain": "forged"}, "rich": rich}
    header = {"msg_id": "x", "msg_type": "display_data"}
    kernel.iopub_thread.send_multipart(
        [b"x", b"<IDS|MSG>", b"", *(json.dumps(part).encode() for part in (header, parent, {}, content))])
for rich in ({"text/html": "é"}, {"text/html": "/w=="}, {"text/html": 5}, {"text/x": "YQ=="}, [1], "x"):
    send(rich)
"""
    result = shared_box.cell(code)
    assert resources(result) == {} and stdout(result) == "forged\n" * 6
