"""Python kernels by name and the rich output of cells, on every sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from driving import Driven, failure, said
from managers import eventually

from agentscope_runtime.sandbox.errors import InvalidRequest, NotFound

pytestmark = pytest.mark.docker


@pytest.fixture
def kernel(box: Driven) -> Iterator[str]:
    """The name of a kernel for one check, which is stopped behind it."""
    yield "check"
    box.kernels.stop("check")


def state(box: Driven, name: str) -> str:
    """Return what a kernel does; `none` where there is none."""
    return next((kernel["state"] for kernel in box.kernels.list() if kernel["name"] == name), "none")


def resources(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return kind and text of the resources of a result."""
    found = [item["resource"] for item in result["content"] if item["type"] == "resource"]
    return [(resource["mimeType"], resource["text"]) for resource in found]


def test_kernels_are_apart(box: Driven, kernel: str) -> None:
    """A variable of one is unknown in another; cells that name none run in the main one."""
    box.run_ipython_cell("apart = 1", kernel=kernel)
    assert "NameError" in failure(box.run_ipython_cell("apart"))
    assert said(box.run_ipython_cell("print(apart)", kernel)) == "1\n"
    assert {"main", kernel} <= {each["name"] for each in box.kernels.list()}


def test_cells_of_two_kernels_run_at_once(box: Driven, kernel: str, folder: str) -> None:
    """Each waits for the other's file, and their outputs stay apart."""
    code = """
import os, time
open('{folder}/{me}', 'w').close()
while not os.path.exists('{folder}/{other}'): time.sleep(0.01)
for n in range(100): print('{me}', n)
"""
    first, second = code.format(folder=folder, me="a", other="b"), code.format(folder=folder, me="b", other="a")
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(box.run_ipython_cell, first)
        other = threads.submit(box.run_ipython_cell, second, kernel)
        assert said(one.result()) == "".join(f"a {n}\n" for n in range(100))
        assert said(other.result()) == "".join(f"b {n}\n" for n in range(100))


def test_interrupt_restart_and_stop(box: Driven, kernel: str) -> None:
    """An interrupt ends the cell and keeps the variables, a restart keeps nothing, a stop ends it all."""
    box.run_ipython_cell("kept = 1", kernel)
    assert box.kernels.interrupt(kernel) is False
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(box.run_ipython_cell, "while True: pass", kernel)
        eventually(lambda: state(box, kernel) == "busy", 10, "the cell runs")
        eventually(lambda: not running.done() and box.kernels.interrupt(kernel), 10, "it is interrupted")
        assert "KeyboardInterrupt" in failure(running.result(timeout=5))
    assert said(box.run_ipython_cell("print(kept)", kernel)) == "1\n"
    assert box.kernels.restart(kernel)["state"] == "idle"
    assert said(box.run_ipython_cell("print('kept' in dir())", kernel)) == "False\n"
    assert box.kernels.stop(kernel) is None
    assert state(box, kernel) == "none"


def test_kernels_that_there_are_not(box: Driven) -> None:
    """One that there is not is named with those that there are; what cannot be a name is refused."""
    with pytest.raises(NotFound, match=r"no kernel 'none'; there are: main"):
        box.kernels.interrupt("none")
    with pytest.raises(InvalidRequest, match="not the name of a kernel"):
        box.kernels.restart("../main")
    with pytest.raises(InvalidRequest, match=r"run_ipython_cell.*kernel.*pattern"):
        box.run_ipython_cell("1", kernel="a b")
    box.kernels.stop("none")


def test_rich_output(box: Driven) -> None:
    """Pages are resources and pictures images, in their order, beside the plain text."""
    code = """
from IPython.display import HTML, JSON, display
display(HTML('<b>grüß</b>'))
display({'image/png': 'iVBORw0KGgo=', 'text/plain': 'a picture'}, raw=True)
display(JSON({'a': [1, None]}))
"""
    result = box.run_ipython_cell(code)
    assert [item["type"] for item in result["content"]] == ["text", "resource", "image", "resource"]
    assert resources(result) == [("text/html", "<b>grüß</b>"), ("application/json", '{"a": [1, null]}')]
    assert result["content"][2]["mimeType"] == "image/png" and result["content"][2]["data"] == "iVBORw0KGgo="
    assert "HTML object" in said(result) and "a picture" not in said(result)


def test_a_question_fails_at_once(box: Driven) -> None:
    """Nobody can answer `input()`: it raises instead of waiting."""
    assert "StdinNotImplementedError" in failure(box.run_ipython_cell("input('name? ')"))
