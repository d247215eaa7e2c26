"""What a person sees of a build, with and without a terminal."""

from __future__ import annotations

import io
import threading

import pytest

from agentscope_runtime.sandbox_manager.builder import progress
from agentscope_runtime.sandbox_manager.builder.progress import Progress, Steps


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it, and tells when a text appears."""

    def __init__(self, awaited: str) -> None:
        """Set `seen` when `awaited` was written."""
        super().__init__()
        self.awaited = awaited
        self.seen = threading.Event()
        self.is_terminal = True

    def isatty(self) -> bool:
        """Return what the test wants."""
        return self.is_terminal

    def write(self, text: str) -> int:
        """Remember the text."""
        if self.awaited in text:
            self.seen.set()
        return super().write(text)


def test_each_step_gets_a_line_with_its_time() -> None:
    """A step's line is written when it is over, and says whether it was done before."""
    out, log = io.StringIO(), io.StringIO()
    steps = Steps(Progress(out), log)
    for text in ["Step 1/2 : FROM debian\n", " ---> Using cache\n", " ---> 0123456789ab\n"]:
        steps.take({"stream": text})
    for text in ["Step 2/2 : RUN apt-get  \\\n update\n", "Get:1 …\n", " ---> ba9876543210\n"]:
        steps.take({"stream": text})
    steps.finish_step()
    first, second = out.getvalue().splitlines()
    assert first.split() == ["1/2", "cached", "FROM", "debian"]
    assert second.split()[0] == "2/2"
    assert second.endswith("RUN apt-get \\ update")
    assert steps.layers == {"0123456789ab", "ba9876543210"}
    assert "Get:1" in log.getvalue()


def test_an_error_is_kept_with_the_step_that_failed() -> None:
    """The message of a failure names the instruction."""
    steps = Steps(Progress(io.StringIO()), io.StringIO())
    steps.take({"stream": "Step 1/1 : RUN false\n"})
    steps.take({"error": "returned a non-zero code: 1"})
    assert (steps.current, steps.error) == ("RUN false", "returned a non-zero code: 1")


def test_a_terminal_sees_a_spinner_with_the_latest_output() -> None:
    """Control characters of the build's output do not reach the terminal."""
    out = Terminal(awaited="Unpacking chromium")
    shown = Progress(out)
    with shown.doing("browser"):
        shown.output("\x1b[31mUnpacking\x1b[0m chromium\r\n")
        assert out.seen.wait(5)
    assert out.getvalue().endswith("\r\x1b[K")


def test_without_a_terminal_there_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of a long step grows by a line from time to time, without control characters."""
    monkeypatch.setattr(progress, "SIGN_OF_LIFE", 0.02)
    out = Terminal(awaited="s  browser")
    out.is_terminal = False
    with Progress(out).doing("browser"):
        assert out.seen.wait(5)
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()
