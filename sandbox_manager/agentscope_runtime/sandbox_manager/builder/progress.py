"""What a person sees while images are made: one line per step with its time, and a sign of life in between."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

SIGN_OF_LIFE = 15.0
"""Seconds between two lines that say "still at it", where there is no terminal to draw a spinner on."""

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x00-\x1f\x7f]")


class Progress:
    """Writes lines about what is being done; on a terminal, a spinner under them."""

    def __init__(self, out: TextIO | None = None) -> None:
        """Write to `out`, the standard output by default."""
        self._out = out or sys.stdout
        self._terminal = self._out.isatty()
        self._lock = threading.Lock()
        self._doing = ""
        self._where = ""
        self._latest = ""

    def line(self, text: str) -> None:
        """Write one line."""
        with self._lock:
            self._erase()
            self._out.write(text + "\n")
            self._out.flush()

    def output(self, text: str) -> None:
        """Show the latest output of the step on the spinner's line."""
        if stripped := _CONTROL.sub("", text.strip().rpartition("\n")[2]):
            self._latest = stripped

    def at(self, where: str) -> None:
        """Say how far the block of `doing` has come."""
        self._where, self._latest = where, ""

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Give signs of life while the block runs."""
        self._doing, self._where, self._latest = what, "", ""
        over = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(over, time.monotonic()), daemon=True)
        ticker.start()
        try:
            yield
        finally:
            over.set()
            ticker.join()
            with self._lock:
                self._erase()

    def _tick(self, over: threading.Event, began: float) -> None:
        turn = 0
        while not over.wait(0.1 if self._terminal else SIGN_OF_LIFE):
            passed = time.monotonic() - began
            turn += 1
            with self._lock:
                if self._terminal:
                    words = f"{self._doing} {self._where}  {self._latest}"
                    text = f"  {_SPINNER[turn % len(_SPINNER)]} {passed:4.0f} s  {words}"
                    self._out.write(f"\r{text[:110]}\x1b[K")
                else:
                    self._out.write(f"           … {passed:3.0f} s  {self._doing} {self._where}".rstrip() + "\n")
                self._out.flush()

    def _erase(self) -> None:
        if self._terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()


class Steps:
    """Turns the engine's build events into lines; keeps the whole output."""

    _STEP = re.compile(r"Step (\d+)/(\d+) : (.*)", re.DOTALL)
    _LAYER = re.compile(r" ---> ([0-9a-f]{12})\b")
    _WORTH_A_LINE = frozenset({"FROM", "RUN", "COPY", "ADD"})  # the others only note something down

    def __init__(self, progress: Progress, log: TextIO) -> None:
        """Report to `progress`; write everything to `log`."""
        self._progress = progress
        self._log = log
        self._step: tuple[str, str, str] | None = None
        self._began = time.monotonic()
        self._cached = False
        self.layers: set[str] = set()
        """Short ids of the images that the build made, or found made, on its way."""
        self.error = ""

    def take(self, event: dict[str, object]) -> None:
        """Take one event of the build's stream."""
        if isinstance(text := event.get("stream"), str):
            self._log.write(text)
            if match := self._STEP.match(text):
                self.finish_step()
                self._step, self._began, self._cached = (match[1], match[2], match[3]), time.monotonic(), False
                self._progress.at(f"step {match[1]} of {match[2]}")
            elif "Using cache" in text:
                self._cached = True
            elif match := self._LAYER.match(text):
                self.layers.add(match[1])
            else:
                self._progress.output(text)
        if isinstance(error := event.get("error"), str):
            self._log.write(error + "\n")
            self.error = error
        self._log.flush()

    @property
    def current(self) -> str:
        """The instruction that runs now, or that failed."""
        return "its context" if self._step is None else " ".join(self._step[2].split())[:160]

    def finish_step(self) -> None:
        """Write the line of the step that has just ended."""
        if self._step is None:
            return
        number, total, instruction = self._step
        self._step = None
        if instruction.partition(" ")[0] not in self._WORTH_A_LINE:
            return
        took = "cached" if self._cached else f"{time.monotonic() - self._began:.1f} s"
        words = _CONTROL.sub(" ", " ".join(instruction.split()))
        self._progress.line(f"  {number:>3}/{total:<3} {took:>8}  {words[:90]}")
