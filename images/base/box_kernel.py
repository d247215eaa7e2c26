"""The IPython kernel of a sandbox: ipykernel, set up to start fast, to be bounded, and to lose no output.

Runs in the user land, as the user's own process: `main()` takes the connection file as its only argument. Nothing
here protects the box server; what the kernel must not do, the user land prevents.
"""

from __future__ import annotations

import base64
import codecs
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable
from typing import Any

from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import Session
from traitlets.config import Config

TEXT_LIMIT = 1 << 20
"""Characters of one stream that one cell may send: a `while True: print(…)` must not flood the server."""

IMAGE_LIMIT = 16 << 20
"""Base64 characters of all images in one message: beyond 24 MiB for everything, the server hangs up."""

RICH_KINDS = ("text/html", "image/svg+xml", "text/markdown", "text/latex", "application/json")
"""What is passed on beside plain text and images."""

RICH_LIMIT = 4 << 20
"""Bytes of all of that in one message, in base64."""

HEARD = {"status", "stream", "execute_result", "display_data", "error", "clear_output"}
"""The messages, besides replies, that the server listens to."""

SETTLE_TIMEOUT_S = 0.5
CHUNK = 1 << 16


class BoundedStream(OutStream):
    """A standard stream of the kernel, which is also what its child processes write to.

    The parent class reads the descriptor in a thread. Two things are added: a limit per cell, and a mark that is sent
    behind everything written so far. The end of a cell waits for its arrival, so that no output comes after the end.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Set up the stream."""
        self._left = TEXT_LIMIT
        self._cut = 0
        self._mark = secrets.token_bytes(16)
        self._settled = threading.Event()
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]

    def fileno(self) -> int:
        """Return the descriptor that is captured: `subprocess.run(..., stdout=sys.stdout)` shall be seen, too."""
        return int(self._original_stdstream_fd)

    def write(self, string: str) -> int:
        """Write what the limit still allows; claim to have written it all."""
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string).__name__}")
        kept = _unicode(string[: self._left])
        self._left -= len(kept)
        self._cut += len(string) - len(kept)
        if kept:
            super().write(kept)
        return len(string)

    def begin_cell(self) -> None:
        """Give the next cell its whole limit."""
        self._left, self._cut = TEXT_LIMIT, 0

    def end_cell(self) -> None:
        """Take in what child processes wrote before `mark`, and say what was cut."""
        self._settled.wait(SETTLE_TIMEOUT_S)
        if self._cut:
            note = f"\n… [{self._cut} more characters were cut here]\n"
            self._left = len(note)
            self.write(note)

    def mark(self) -> None:
        """Send a mark behind everything that was written to the descriptor so far."""
        self._settled.clear()
        try:
            os.write(self._original_stdstream_fd, self._mark)
        except OSError:
            self._settled.set()  # the cell has closed it

    def _watch_pipe_fd(self) -> None:
        assert self._fid is not None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pending = b""
        while chunk := os.read(self._fid, CHUNK):
            before, mark, after = (pending + chunk).rpartition(self._mark)
            if mark:
                self.write(decoder.decode(before.replace(self._mark, b"")))
                self._settled.set()
            # The mark may stand across two reads: hold back what could be its beginning.
            pending = after[-self._overlap(after) :] if self._overlap(after) else b""
            self.write(decoder.decode(after[: len(after) - len(pending)]))

    def _overlap(self, data: bytes) -> int:
        lengths = range(min(len(data), len(self._mark) - 1), 0, -1)
        return next((n for n in lengths if self._mark.startswith(data[-n:])), 0)


class BoundedSession(Session):
    """Sends what the server listens to, and not more of it than the server takes."""

    def send(self, stream: Any, msg_or_type: Any, content: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Cut the content of a message and send it; what nobody listens to is not sent at all."""
        message = msg_or_type if isinstance(msg_or_type, dict) else None
        kind = message["header"]["msg_type"] if message else msg_or_type
        if kind not in HEARD and not kind.endswith("_reply"):
            return None
        given = message["content"] if message else content
        if isinstance(given, dict) and kind in BOUNDED:
            given = BOUNDED[kind](given)
        if message is None:
            return super().send(stream, kind, given, *args, **kwargs)
        return super().send(stream, {**message, "content": given, "metadata": {}}, None, *args, **kwargs)


def _unicode(text: str) -> str:
    """Return text that can be encoded: strings in Python may have halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode()


def _cut(text: Any, limit: int = TEXT_LIMIT) -> str:
    value = text if isinstance(text, str) else str(text)
    cut = len(value) - limit
    return _unicode(value[:limit]) + (f"\n… [{cut} more characters were cut here]" if cut > 0 else "")


def _bounded_data(content: dict[str, Any]) -> dict[str, Any]:
    """Bound what is shown: its text, its images, and what is as rich as them; nobody listens to the rest."""
    data = content.get("data") or {}
    kept, left, words = {}, IMAGE_LIMIT, [_cut(data.get("text/plain", ""))]
    for kind, image in data.items():
        if isinstance(image, str) and kind.startswith("image/") and kind not in RICH_KINDS:
            if len(image) > left:
                words.append(f"[an image was left out: {kind} of {len(image)} base64 characters, over {IMAGE_LIMIT}]")
                continue
            kept[kind] = image
            left -= len(image)
    rich, left_out = _bounded_rich(data)
    plain = {**kept, "text/plain": "\n".join(filter(None, (*words, *left_out)))}
    return {**content, "data": plain, "rich": rich, "metadata": {}, "transient": {}}


def _bounded_rich(data: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Return the rich forms by kind, and words about those that are too large.

    In base64: the server counts what could be JSON values in a message by their commas, and HTML is full of them.
    """
    kept, left, words = {}, RICH_LIMIT, []
    for kind in RICH_KINDS:
        value = data.get(kind)
        if value is None:
            continue
        try:
            text = value if isinstance(value, str) and kind != "application/json" else json.dumps(value, default=str)
        except (TypeError, ValueError, RecursionError) as error:
            words.append(f"[{kind} was left out: {error}]")
            continue
        encoded = base64.b64encode(_unicode(text).encode()).decode()
        if len(encoded) > left:
            words.append(f"[{kind} of {len(text)} characters was left out: too large]")
            continue
        kept[kind] = encoded
        left -= len(encoded)
    return kept, words


def _bounded_error(content: dict[str, Any]) -> dict[str, Any]:
    traceback = _cut("\n".join(map(str, content.get("traceback") or ())))
    return {"ename": _cut(content.get("ename", ""), 1000), "evalue": "", "traceback": [traceback]}


def _bounded_reply(content: dict[str, Any]) -> dict[str, Any]:
    """Leave the error out, which is a message of its own, and of the rest keep what a pager shows."""
    pages = [page for page in content.get("payload") or () if page.get("source") == "page"]
    payload = [{"source": "page", "data": _bounded_data(page)["data"]} for page in pages[-1:]]
    return {"status": content.get("status"), "execution_count": content.get("execution_count"), "payload": payload}


BOUNDED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "execute_result": _bounded_data,
    "display_data": _bounded_data,
    "error": _bounded_error,
    "execute_reply": _bounded_reply,
}


class BoxKernel(IPythonKernel):
    """A kernel whose cells end only when their output is complete."""

    async def do_execute(self, *args: Any, **kwargs: Any) -> Any:
        """Run one cell between fresh limits and a last look at its output."""
        streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, BoundedStream)]
        for stream in streams:
            stream.begin_cell()
        try:
            return await super().do_execute(*args, **kwargs)  # type: ignore[no-untyped-call]
        finally:
            for stream in streams:
                stream.mark()  # both are on their way before one is waited for
            for stream in streams:
                stream.end_cell()


class BoxKernelApp(IPKernelApp):
    """The application around the kernel."""

    def _session_default(self) -> Session:
        return BoundedSession(parent=self)

    def init_iopub(self, context: Any) -> None:
        """Open the channel of the output without a limit in messages; the streams are bounded in characters."""
        context.sndhwm = 0
        super().init_iopub(context)  # type: ignore[no-untyped-call]


def configuration() -> Config:
    """Return the settings in which this kernel differs from ipykernel's own."""
    config = Config()
    config.IPKernelApp.kernel_class = BoxKernel
    config.IPKernelApp.outstream_class = f"{BoundedStream.__module__}.{BoundedStream.__qualname__}"
    config.HistoryManager.enabled = False  # a database of cells that nobody can ask for
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.enable_html_pager = False
    config.Completer.use_jedi = False
    config.IPythonKernel._execute_sleep = 0.0  # half a millisecond a cell, for clients that draw
    return config


def main() -> None:
    """Run the kernel until it is ended."""
    app: Any = BoxKernelApp.instance(config=configuration(), log_level=50)
    app.initialize(["-f", sys.argv[1]])
    app.start()
