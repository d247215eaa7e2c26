"""Turns the messages of one cell into one result: text as a terminal would show it, images, and other rich output.

The content of messages is the user's to forge: every member is checked, every amount is bounded.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from typing import Any

from sandbox_server.kernels.client import Message
from sandbox_server.parts import Result, image, resource, result, text

TEXT_LIMIT = (1 << 20) + 1024
"""The kernel itself stops at one MiB, and says so: there must be room for that. This is for one that does not."""
IMAGE_LIMIT = 32 << 20  # base64 characters of all images together
IMAGE_KINDS = ("image/png", "image/jpeg", "image/gif", "image/webp")
RICH_KINDS = ("text/html", "image/svg+xml", "text/markdown", "text/latex", "application/json")
"""What is shown beside its plain text. SVG is among them: it is text, and no model takes it for an image."""
RICH_LIMIT = 8 << 20  # bytes of all of it together
ITEMS_MAX = 500
"""Images and rich output of one cell, so that an endless loop of small ones does not fill the memory either."""
LATE_S = 2.0
"""How long after the reply to a cell the next of its output may come. It is lost where the cell has sent, past the
kernel, what zmq refuses."""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Text:
    """A stream of the cell, up to a limit."""

    def __init__(self) -> None:
        """Begin empty."""
        self._pieces: list[str] = []
        self._length = 0
        self._dropped = 0

    def add(self, piece: str) -> None:
        """Append as much as there is room for."""
        room = TEXT_LIMIT - self._length
        self._pieces.append(piece[:room])
        self._length += min(room, len(piece))
        self._dropped += max(0, len(piece) - room)

    def clear(self) -> None:
        """Begin again."""
        self.__init__()  # type: ignore[misc]

    def value(self) -> str:
        """Return the text; where something was cut, it says how much."""
        cut = f"\n… [{self._dropped} more characters were cut here]\n" if self._dropped else ""
        return "".join(self._pieces) + cut


class CellOutput:
    """Collects what one cell says; `finished` is set when it has said everything."""

    def __init__(self, uri: str = "cell:///") -> None:
        """Begin empty; `uri` is what the names of rich output begin with."""
        self._uri = uri
        self.stdout = Text()
        self.stderr = Text()
        self.failed = False
        self.lost = False
        """Whether the channel of the output has broken under a message that is too large."""
        self.finished = asyncio.Event()
        self._shown: list[dict[str, Any]] = []
        self._left = {"image": IMAGE_LIMIT, "rich": RICH_LIMIT}
        self._cut = 0
        self._clear_next = False
        self._idle = self._replied = False
        self._overdue: asyncio.TimerHandle | None = None

    def __call__(self, message: Message) -> None:
        """Take one message in."""
        take = getattr(self, f"_on_{message.kind}", None)
        if take is not None:
            take(message.content)
        if self._idle and self._replied:
            self.finished.set()
        elif self._replied:
            if self._overdue:
                self._overdue.cancel()
            self._overdue = asyncio.get_running_loop().call_later(LATE_S, self._give_up)

    def result(self, note: str = "") -> Result:
        """Return the result; `note` says in words why the cell did not end by itself, if so."""
        if self._cut:
            limits = f"{IMAGE_LIMIT} bytes of images, {RICH_LIMIT} of rich output, {ITEMS_MAX} items"
            self.stderr.add(f"{self._cut} images or rich outputs were left out; the most of one cell are {limits}\n")
        error = self.stderr.value()
        if note:
            error += ("" if not error or error.endswith("\n") else "\n") + note + "\n"
        items = [text(self.stdout.value(), "stdout"), *([text(error, "stderr")] if error else []), *self._shown]
        return result(*items, is_error=self.failed or bool(note))

    def _give_up(self) -> None:
        if not self.finished.is_set():
            self.failed = self.lost = True
            self.stderr.add("the end of the output was lost: the cell sent a message that is too large\n")
            self.finished.set()

    def _on_status(self, content: dict[str, Any]) -> None:
        self._idle = self._idle or content.get("execution_state") == "idle"

    def _on_execute_reply(self, content: dict[str, Any]) -> None:
        self._replied = True
        for page in _objects(content.get("payload")):
            if page.get("source") == "page":  # what `name?` shows
                self.stdout.add(_plain(page) + "\n")

    def _on_stream(self, content: dict[str, Any]) -> None:
        self._before_output()
        stream = self.stderr if content.get("name") == "stderr" else self.stdout
        stream.add(str(content.get("text", "")))

    def _on_execute_result(self, content: dict[str, Any]) -> None:
        self._before_output()
        value = _plain(content)
        self._show(content)
        # A value of several lines begins on a line of its own, as in IPython's terminal.
        self.stdout.add(f"Out[{content.get('execution_count')}]: {chr(10) if chr(10) in value else ''}{value}\n")

    def _on_display_data(self, content: dict[str, Any]) -> None:
        self._before_output()
        if not self._show(content):
            self.stdout.add(_plain(content) + "\n")

    def _on_error(self, content: dict[str, Any]) -> None:
        self._before_output()
        self.failed = True
        traceback = content.get("traceback")
        lines = [str(line) for line in traceback] if isinstance(traceback, list) else []
        self.stderr.add(ESCAPES.sub("", "\n".join(lines)) + "\n")

    def _on_clear_output(self, content: dict[str, Any]) -> None:
        self._clear_next = True
        if not content.get("wait"):
            self._before_output()

    def _before_output(self) -> None:
        if self._clear_next:
            self._clear_next = False
            self.stdout.clear()
            self.stderr.clear()
            self._shown.clear()

    def _show(self, content: dict[str, Any]) -> bool:
        """Add what is shown beside the plain text; return whether there is an image, which says more than that."""
        bundle = content.get("data")
        if not isinstance(bundle, dict):
            return False
        kind = next((kind for kind in IMAGE_KINDS if isinstance(bundle.get(kind), str)), None)
        if kind is not None:
            data = bundle[kind].replace("\n", "")
            if self._has_room("image", len(data)):
                self._shown.append(image(data, kind))
        rich = content.get("rich")
        for rich_kind in RICH_KINDS:
            data = rich.get(rich_kind) if isinstance(rich, dict) else None
            if isinstance(data, str) and self._has_room("rich", len(data)):
                self._add_rich(rich_kind, data)
        return kind is not None

    def _add_rich(self, kind: str, data: str) -> None:
        try:
            value = base64.b64decode(data).decode()
        except (binascii.Error, ValueError):
            return  # not from our kernel
        self._shown.append(resource(f"{self._uri}/{len(self._shown) + 1}", kind, value))

    def _has_room(self, what: str, size: int) -> bool:
        if size > self._left[what] or len(self._shown) >= ITEMS_MAX:
            self._cut += 1
            return False
        self._left[what] -= size
        return True


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _plain(content: dict[str, Any]) -> str:
    bundle = content.get("data")
    return str(bundle.get("text/plain", "")) if isinstance(bundle, dict) else ""
