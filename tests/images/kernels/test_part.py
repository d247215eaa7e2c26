"""Several kernels by name in a real box: apart from each other, interrupted, restarted and stopped by whoever asks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from managers import eventually
from real_box import RealBox, real_box, stderr, stdout

from sandbox_server.kernels.spec import KERNELS_MAX

pytestmark = pytest.mark.docker

STUBBORN = "import time\nwhile True:\n  try: time.sleep(9)\n  except BaseException: pass"
ENDLESS = "print('begun', flush=True)\nwhile True: pass"


@pytest.fixture(scope="module")
def module_box() -> Iterator[RealBox]:
    """One for the module."""
    with real_box() as made:
        yield made


@pytest.fixture
def box(module_box: RealBox) -> RealBox:
    """The module's, with no other kernel than the main one."""
    for kernel in kernels(module_box):
        if kernel["name"] != "main":
            assert module_box.http.delete(f"/kernels/{kernel['name']}").status_code == 204
    return module_box


def kernels(box: RealBox) -> list[dict[str, Any]]:
    """Return what the box says of its kernels."""
    found: list[dict[str, Any]] = box.http.get("/kernels").raise_for_status().json()["kernels"]
    return found


def cell(box: RealBox, code: str, kernel: str, within_s: float = 20) -> dict[str, Any]:
    """Run a cell in the kernel of this name."""
    return box.call("run_ipython_cell", within_s=within_s, code=code, kernel=kernel)


def until(box: RealBox, name: str, **wanted: object) -> None:
    """Wait until the box says this of a kernel."""

    def so() -> bool:
        return any(kernel["name"] == name and wanted.items() <= kernel.items() for kernel in kernels(box))

    eventually(so, 10, f"kernel {name} has {wanted}", every=0.01)


def exists(box: RealBox, path: str) -> bool:
    """Tell whether a file is there."""
    return bool(box.http.get("/files/exists", params={"path": path}).json()["exists"])


def test_variables_are_apart_and_files_are_shared(box: RealBox) -> None:
    """A name in one kernel is none in another; without a name, and with null, it is the main one."""
    cell(box, "mine = 'other'; open('seen', 'w').write(mine)", "other")
    assert stdout(cell(box, "print(mine)", "other")) == "other\n"
    assert "NameError" in stderr(box.cell("mine"))
    assert stdout(cell(box, "print(open('seen').read())", "main")) == "other\n"
    box.cell("which = 'main'")
    assert stdout(box.call("run_ipython_cell", code="print(which)", kernel=None)) == "main\n"
    states = {kernel["name"]: kernel["state"] for kernel in kernels(box)}
    assert states == {"main": "idle", "other": "idle"}


def test_cells_of_two_kernels_run_at_once_and_never_mix(box: RealBox) -> None:
    """Each waits for the other, which only works at the same time; the outputs stay apart."""
    code = """
import os, time
open('{me}.there', 'w').close()
while not os.path.exists('{other}.there'): time.sleep(0.005)
for n in range(200): print('{me}', n)
"""
    cell(box, "1", "a"), cell(box, "1", "b")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cell, box, code.format(me="a", other="b"), "a")
        second = pool.submit(cell, box, code.format(me="b", other="a"), "b")
        assert stdout(first.result()) == "".join(f"a {n}\n" for n in range(200))
        assert stdout(second.result()) == "".join(f"b {n}\n" for n in range(200))


@pytest.mark.parametrize(
    "code", [ENDLESS, "import time; print('begun'); time.sleep(100)", "print('begun')\n!sleep 100"]
)
def test_an_interrupt_reaches_a_running_cell_at_once(box: RealBox, code: str) -> None:
    """The cell ends as by Control-C, with what it printed; the variables stay."""
    cell(box, "kept = 'yes'\n!rm -f begun", "work")
    code = f"print('begun')\nopen('begun', 'w').close()\n{code}"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(cell, box, code, "work")
        eventually(lambda: exists(box, "begun"), 10, "the code runs", every=0.01)
        began = time.monotonic()
        answer = box.http.post("/kernels/work/interrupt")
        assert answer.json() == {"interrupted": True}
        result = running.result()
        assert time.monotonic() - began < 1
    assert stdout(result).startswith("begun") and "timed out" not in stderr(result)
    assert result["isError"] is True or code.endswith("!sleep 100")  # IPython passes a child's end on as a value
    assert stdout(cell(box, "print(kept)", "work")) == "yes\n"


def test_a_time_of_its_own(box: RealBox) -> None:
    """A cell may be given its time as an argument, by callers that have no other way to say it."""
    body = {"arguments": {"code": "while True: pass", "kernel": "timed", "timeout": 0.5}}
    result = box.http.post("/tools/run_ipython_cell", json=body, timeout=10).json()
    assert "timed out after 0.5 s" in stderr(result)


def test_an_interrupt_without_a_cell(box: RealBox) -> None:
    """It says that there was nothing to interrupt, and harms nothing."""
    cell(box, "x = 1", "calm")
    assert box.http.post("/kernels/calm/interrupt").json() == {"interrupted": False}
    assert stdout(cell(box, "print(x)", "calm")) == "1\n"


def test_a_restart_ends_the_cell_and_the_variables(box: RealBox) -> None:
    """The running cell says why it ended, the one behind it runs in the fresh kernel, which starts from nothing."""
    cell(box, "gone = 1", "again")
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(cell, box, ENDLESS, "again")
        until(box, "again", state="busy")
        behind = pool.submit(cell, box, "print('gone' in globals())", "again")
        until(box, "again", waiting=1)
        answer = box.http.post("/kernels/again/restart", timeout=30)
        assert answer.status_code == 200 and answer.json()["state"] in {"idle", "busy"}, answer.text
        assert "the kernel was restarted: a fresh one was started, its variables are gone" in stderr(running.result())
        assert stdout(behind.result()) == "False\n" and stderr(behind.result()) == ""
    assert box.http.post("/kernels/again/restart", timeout=30).status_code == 200
    assert stderr(cell(box, "print()", "again")) == ""


def test_a_stop_ends_it_and_all_it_started(box: RealBox) -> None:
    """The running cell and the one behind it say so, no process stays, and the name may be used anew."""
    cell(box, "import subprocess; child = subprocess.Popen(['sleep', '4321'])", "brief")
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(cell, box, ENDLESS, "brief")
        until(box, "brief", state="busy")
        behind = pool.submit(cell, box, "print('never')", "brief")
        until(box, "brief", waiting=1)
        assert box.http.delete("/kernels/brief").status_code == 204
        assert "the kernel was stopped: its variables are gone" in stderr(running.result())
        assert "there is no kernel: the kernel was stopped" in stderr(behind.result())
    assert "4321" not in stdout(box.shell("ps -eo args | grep -v grep"))
    assert [kernel["name"] for kernel in kernels(box)] == ["main"]
    assert box.http.delete("/kernels/brief").status_code == 204
    assert "NameError" in stderr(cell(box, "child", "brief"))


def test_a_stop_while_it_starts(box: RealBox) -> None:
    """Whoever waits for it is told, and nothing of it stays."""
    before = stdout(box.shell("pgrep -fc '[b]ox_kernel.main'"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cell, box, "1", "hasty")
        eventually(lambda: len(kernels(box)) == 2, 10, "it starts", every=0.001)
        assert box.http.delete("/kernels/hasty").status_code == 204
        assert "the kernel was stopped" in stderr(waiting.result())
    assert stdout(box.shell("pgrep -fc '[b]ox_kernel.main'")) == before


def test_the_main_kernel_may_be_stopped(box: RealBox) -> None:
    """The box stays ready without it, and the next cell has a fresh one."""
    box.cell("gone = 1")
    assert box.http.delete("/kernels/main").status_code == 204
    assert box.http.get("/ready", params={"wait": 5}, timeout=10).status_code == 200
    assert stdout(box.cell("print('gone' in globals())")) == "False\n"


def test_their_number_is_bounded(box: RealBox) -> None:
    """One more than the most is refused in the result, which names those that there are."""
    names = [f"k{n}" for n in range(KERNELS_MAX - 1)]
    for name in names:
        assert stdout(cell(box, "print(1)", name)) == "1\n"
    result = cell(box, "print(1)", "more")
    assert result["isError"] is True and f"all {KERNELS_MAX} kernels" in stderr(result) and "k0, k1" in stderr(result)
    assert box.http.delete("/kernels/k0").status_code == 204
    assert stdout(cell(box, "print(2)", "more")) == "2\n"


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65, "x\n", "ü"])
def test_names_that_are_none(box: RealBox, name: str) -> None:
    """They are refused with the pattern, before anything starts."""
    answer = box.http.post("/tools/run_ipython_cell", json={"arguments": {"code": "1", "kernel": name}})
    assert answer.status_code == 422 and "argument 'kernel' must fit the pattern" in answer.json()["detail"]


def test_kernels_that_there_are_not(box: RealBox) -> None:
    """Interrupting and restarting one is an error that lists those that there are."""
    for verb in ("interrupt", "restart"):
        answer = box.http.post(f"/kernels/none/{verb}")
        assert answer.status_code == 404 and answer.json()["code"] == "not_found"
        assert answer.json()["detail"] == "there is no kernel 'none'; there are: main"


@pytest.mark.parametrize(
    "code", [ENDLESS, "import time\nwhile True:\n  try: time.sleep(9)\n  except BaseException: pass"]
)
def test_a_caller_who_leaves_leaves_nothing_running(box: RealBox, code: str) -> None:
    """The cell ends as at its time-out, long before that; the next one waits for that, and runs."""
    cell(box, "kept = 1", "left")
    body = {"arguments": {"code": code, "kernel": "left"}, "timeout": 300}
    with pytest.raises(httpx.ReadTimeout):
        box.http.post("/tools/run_ipython_cell", json=body, timeout=0.5)
    assert stdout(cell(box, "print('kept' in dir())", "left", within_s=10)) == f"{code == ENDLESS}\n"


def test_a_caller_who_leaves_before_its_turn(box: RealBox) -> None:
    """A cell that has not begun never does."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(cell, box, "import time; time.sleep(1.5)", "queue")
        until(box, "queue", state="busy")
        body = {"arguments": {"code": "late = 1", "kernel": "queue"}}
        with pytest.raises(httpx.ReadTimeout):
            box.http.post("/tools/run_ipython_cell", json=body, timeout=0.3)
        until(box, "queue", waiting=0)
        assert running.result()["isError"] is False
    assert stdout(cell(box, "print('late' in dir())", "queue")) == "False\n"


def test_one_that_dies_leaves_the_others(box: RealBox) -> None:
    """Their cells go on, and their variables stay."""
    cell(box, "x = 1", "stays")
    assert "the kernel ended (exit code 3)" in stderr(cell(box, "import os; os._exit(3)", "dies"))
    assert stdout(cell(box, "print(x)", "stays")) == "1\n"
