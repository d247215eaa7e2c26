"""`run_ipython_cell` in a real box: shapes, state, and everything that a cell can do to its kernel."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from real_box import RealBox, part, stderr, stdout

pytestmark = pytest.mark.docker


def test_value_and_output_are_one_text(shared_box: RealBox) -> None:
    """What is printed and the value of the last expression stand in stdout, in their order, as IPython shows them."""
    result = shared_box.cell("print('hello')\n6 * 7")
    assert result["isError"] is False and result["meta"] is None
    (item,) = result["content"]
    assert item["type"] == "text" and item["description"] == "stdout" and item["annotations"] is None
    first, second = item["text"].splitlines()
    assert first == "hello" and second.startswith("Out[") and second.endswith("]: 42")


def test_variables_stay_between_calls(shared_box: RealBox) -> None:
    """A variable that one call sets is there in the next."""
    assert stdout(shared_box.cell("answer = 41")) == ""
    assert stdout(shared_box.cell("print(answer + 1)")) == "42\n"


def test_uncaught_exception_is_an_error(shared_box: RealBox) -> None:
    """Its traceback stands in stderr, without terminal codes."""
    result = shared_box.cell("print('before')\n1 / 0")
    assert result["isError"] is True
    assert stdout(result) == "before\n"
    assert "ZeroDivisionError: division by zero" in stderr(result) and "\x1b" not in stderr(result)


def test_syntax_error_is_an_error(shared_box: RealBox) -> None:
    """Code that does not compile is a failed cell, too."""
    result = shared_box.cell("def")
    assert result["isError"] is True and "SyntaxError" in stderr(result)


def test_plain_stderr_is_no_error(shared_box: RealBox) -> None:
    """A warning on stderr does not make a cell fail."""
    result = shared_box.cell("import sys; print('careful', file=sys.stderr)")
    assert result["isError"] is False and stderr(result) == "careful\n"


def test_output_of_child_processes_is_complete(shared_box: RealBox) -> None:
    """What a child writes to the inherited descriptor belongs to the cell, to the last byte."""
    code = "import subprocess, sys; done = subprocess.run(['seq', '20000'], stdout=sys.stdout)"
    assert stdout(shared_box.cell(code)) == "".join(f"{n}\n" for n in range(1, 20001))
    assert stdout(shared_box.cell("!printf 'caf\\303\\251'")).strip() == "café"


def test_magics_and_help(shared_box: RealBox) -> None:
    """IPython's own language works, and help is text."""
    assert "/workspace" in stdout(shared_box.cell("%pwd"))
    assert "Return the number of items" in stdout(shared_box.cell("len?"))


def test_input_fails_in_words(shared_box: RealBox) -> None:
    """Nobody can answer a question: it raises at once."""
    result = shared_box.cell("input('name? ')")
    assert result["isError"] is True and "StdinNotImplementedError" in stderr(result)


def test_images_are_images(shared_box: RealBox) -> None:
    """A figure comes as a PNG in base64, not as text."""
    result = shared_box.cell("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()", timeout=60)
    assert result["isError"] is False, result
    (picture,) = (item for item in result["content"] if item["type"] == "image")
    assert picture["mimeType"] == "image/png" and base64.b64decode(picture["data"]).startswith(b"\x89PNG")
    assert "Figure" not in stdout(result)


def test_output_is_bounded_and_says_so(shared_box: RealBox) -> None:
    """A stream is cut at one MiB, and the cell goes on."""
    result = shared_box.cell("for _ in range(40): print('x' * 99_999)\ndone = True")
    text = stdout(result)
    assert result["isError"] is False
    assert 1 << 20 <= len(text) < (1 << 20) + 200
    assert f"[{40 * 100_000 - (1 << 20)} more characters were cut here]" in text
    assert stdout(shared_box.cell("print(done)")) == "True\n"


def test_bytes_that_are_no_text(shared_box: RealBox) -> None:
    """Undecodable bytes are replaced, lone surrogates do not break the answer."""
    assert "�" in stdout(shared_box.cell("import os; _ = os.write(1, b'\\xff\\xfe')"))
    printed = shared_box.cell("print('x\\ud800')")
    assert stdout(printed) == "x?\n" and stderr(printed) == "" and printed["isError"] is False
    raised = shared_box.cell("raise ValueError('x\\ud800')")
    assert raised["isError"] is True and "ValueError: x?" in stderr(raised)
    assert stdout(shared_box.cell("print('still here')")) == "still here\n"


def test_timeout_interrupts_and_keeps_variables(shared_box: RealBox) -> None:
    """An endless cell answers within its time-out and a second; what was set before is still there."""
    shared_box.cell("kept = 'yes'")
    began = time.monotonic()
    result = shared_box.cell("print('begun', flush=True)\nwhile True: pass", timeout=1)
    assert 1 <= time.monotonic() - began < 2
    assert result["isError"] is True and "timed out after 1 s" in stderr(result) and stdout(result) == "begun\n"
    assert stdout(shared_box.cell("print(kept)")) == "yes\n"


def test_concurrent_cells_never_mix(shared_box: RealBox) -> None:
    """Cells that are sent at once run one after another, each with its own output."""
    code = "import time\nfor _ in range(3):\n    print({name!r}); time.sleep(0.02)"
    names = [f"name-{n}" for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(lambda name: shared_box.cell(code.format(name=name)), names))
    assert [stdout(result) for result in results] == [f"{name}\n" * 3 for name in names]


def test_waiting_counts_as_time(fresh_box: RealBox) -> None:
    """A cell that never gets its turn answers within its own time-out, and does not run later."""
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(fresh_box.cell, "import time; open('busy', 'w').close(); time.sleep(2.5)")
        _until_exists(fresh_box, "busy")
        result = fresh_box.cell("second = 2", timeout=0.5)
        assert result["isError"] is True and "another cell was still running" in stderr(result)
        assert long.result()["isError"] is False
    assert "NameError" in stderr(fresh_box.cell("second"))


def test_cell_that_resists_the_interrupt(fresh_box: RealBox) -> None:
    """Where an interrupt does not help, the kernel is replaced, in time, and the result says so."""
    code = "import time\nwhile True:\n    try: time.sleep(60)\n    except KeyboardInterrupt: pass"
    began = time.monotonic()
    result = fresh_box.cell(code, timeout=1)
    assert time.monotonic() - began < 2
    assert result["isError"] is True and "a fresh one was started, its variables are gone" in stderr(result)
    assert stdout(fresh_box.cell("print(1)")) == "1\n"


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import os; os._exit(0)", "the kernel ended (exit code 0)"),
        ("import os; os._exit(3)", "the kernel ended (exit code 3)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "the kernel ended with signal 11"),
        ("import ctypes; ctypes.string_at(0)", "the kernel ended with signal 11"),
        ("block = []\nwhile True: block.append(bytearray(1 << 24))", "probably because the sandbox ran out of memory"),
    ],
)
def test_cell_that_ends_its_kernel(shared_box: RealBox, code: str, cause: str) -> None:
    """The result says how the kernel ended, and the next cell runs in a fresh one."""
    shared_box.cell("gone = 1")
    result = shared_box.cell(code, timeout=30)
    assert result["isError"] is True and cause in stderr(result), result
    assert "a fresh one was started, its variables are gone" in stderr(result)
    fresh = shared_box.cell("print('gone' in globals())")
    assert stdout(fresh) == "False\n" and fresh["isError"] is False and stderr(fresh) == ""


def test_kernel_that_ends_between_cells(shared_box: RealBox) -> None:
    """The next cell runs, and is told that it does so without its variables."""
    pid = stdout(
        shared_box.cell("import os, threading; threading.Timer(0.2, os._exit, (5,)).start(); print(os.getpid())")
    )
    shared_box.shell(f"tail --pid={pid.strip()} -f /dev/null", timeout=10)
    result = shared_box.cell("print('again')")
    assert stdout(result) == "again\n" and result["isError"] is False
    assert "the kernel ended (exit code 5) after the last cell" in stderr(result)
    assert stderr(shared_box.cell("print()")) == ""


def test_forged_messages_do_no_harm(shared_box: RealBox) -> None:
    """The user's code owns the kernel's sockets: garbage on them is ignored."""
    code = """
from ipykernel.kernelapp import IPKernelApp
send = IPKernelApp.instance().iopub_thread.send_multipart
for frames in ([b"x"], [b"<IDS|MSG>", b""], [b"<IDS|MSG>", b"", b"[]", b"1", b"{}", b"{}"],
               [b"<IDS|MSG>", b"", b'{"msg_type": "stream"}', b"{}", b"{}", b"[" * 100000],
               [b"<IDS|MSG>", b"", b'{"msg_type": "error"}', b"{}", b"{}", b'{"traceback": 5}']):
    send(frames)
print("sent")
"""
    assert stdout(shared_box.cell(code)) == "sent\n"
    assert stdout(shared_box.cell("print(1)")) == "1\n"
    assert shared_box.http.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("code", "stream"),
    [
        ("'x' * 70_000_000", "stdout"),
        ("from IPython.display import display; display({'text/plain': 'y' * 70_000_000}, raw=True)", "stdout"),
        ("from IPython.display import HTML; HTML('y' * 70_000_000)", "stdout"),
        ("raise ValueError('z' * 70_000_000)", "stderr"),
        ("from IPython.display import display; display({'image/png': 'A' * 70_000_000}, raw=True)", "stdout"),
    ],
)
def test_values_are_bounded_like_streams(shared_box: RealBox, code: str, stream: str) -> None:
    """A value, a display or an exception of any size is cut, in time, and costs no variable."""
    shared_box.cell("bound = 'kept'")
    result = shared_box.cell(code, timeout=15)
    assert result["isError"] is (stream == "stderr") and "timed out" not in stderr(result)
    text = stdout(result) if stream == "stdout" else stderr(result)
    assert len(text) < (1 << 20) + 2048
    if "HTML" not in code:
        assert "more characters were cut here" in text or "an image was left out" in text
    assert stdout(shared_box.cell("print(bound)")) == "kept\n"


FORGE = """
import hashlib, hmac, json
kernel = get_ipython().kernel
def send(content):
    header = {"msg_id": "x", "msg_type": "stream"}
    parent = {"msg_id": kernel.get_parent()["header"]["msg_id"]}
    parts = [json.dumps(header).encode(), json.dumps(parent).encode(), b"{}", content]
    kernel.iopub_thread.send_multipart([b"x", b"<IDS|MSG>", b"", *parts])
"""


@pytest.mark.parametrize("lists", [5_000_000, 19_000_000])
def test_huge_forged_messages(fresh_box: RealBox, lists: int) -> None:
    """A message that would take long to read, and much memory, is not read; the server answers others meanwhile."""
    code = FORGE + f"send(b'{{\"text\": [' + b'[],' * {lists} + b'[]]}}'); print('sent')"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(fresh_box.cell, code, 15)
        slowest = 0.0
        while not running.done():
            began = time.monotonic()
            assert fresh_box.http.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        result = running.result()
    assert slowest < 0.5
    assert stdout(result) == "sent\n" or "the end of the output was lost" in stderr(result)
    assert stdout(fresh_box.cell("print(json.__name__)")) == "json\n"
    kilobytes = int(fresh_box.outside("ps", "-o", "rss=", "-p", str(fresh_box.server_pid())))
    assert kilobytes < 200_000


def test_hung_cell_in_a_session_of_its_own(fresh_box: RealBox) -> None:
    """The kernel that is replaced does not live on."""
    code = "import os, time\nos.setsid()\nwhile True:\n  try: time.sleep(1)\n  except BaseException: pass"
    assert "a fresh one was started" in stderr(fresh_box.cell(code, timeout=1))
    assert stdout(fresh_box.cell("print('ok')")) == "ok\n"
    assert stdout(fresh_box.shell("pgrep -fc '[b]ox_kernel.main'")) == "1\n"


def test_user_files_do_not_keep_a_kernel_from_starting(fresh_box: RealBox) -> None:
    """A file of the user that is called like a module of the library is no trap for the next kernel."""
    fresh_box.shell("for name in random json socket tornado zmq; do echo 'raise SystemExit' > $name.py; done")
    fresh_box.cell("import os; os._exit(0)")
    assert stdout(fresh_box.cell("print('up')")) == "up\n"


def test_shell_and_kernel_share_files(shared_box: RealBox) -> None:
    """Both run in the workspace, as the same user."""
    shared_box.cell("open('note.txt', 'w').write('from the cell')")
    assert part(shared_box.shell("cat note.txt; stat -c %U note.txt"), "stdout") == "from the cellagent\n"


def _until_exists(box: RealBox, path: str) -> None:
    """Wait until a cell has made this file: from then on the kernel is busy."""
    deadline = time.monotonic() + 5
    while not box.http.get("/files/exists", params={"path": path}).json()["exists"]:
        assert time.monotonic() < deadline, f"nobody made {path}"
        time.sleep(0.01)
