"""How the server's log looks."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from agentscope_runtime.sandbox_manager.events import LeaseGranted, SandboxStopping, log_event
from agentscope_runtime.sandbox_manager.logs import JsonLines, set_up
from agentscope_runtime.sandbox_manager.states import LeaseKey


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """Let a test set up the log of this process; all is as before afterwards."""
    root, loud = logging.getLogger(), logging.getLogger("uvicorn")
    handlers, level, loudness = root.handlers, root.level, loud.level
    root.handlers = []
    try:
        yield root
    finally:
        root.handlers = handlers
        root.setLevel(level)
        loud.setLevel(loudness)


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """Return what was logged, as it would stand in the log."""
    return [json.loads(JsonLines().format(record)) for record in caplog.records]


def test_an_event_is_an_object_with_user_session_and_sandboxes(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing has to be cut out of a message."""
    caplog.set_level(logging.INFO)
    log_event(LeaseGranted(LeaseKey("alice", "s\n1"), ("sbx-1",), (True,), 0.25, ("base",)))
    log_event(SandboxStopping("sbx-2", "base", None, "was more than the pool needs"))
    granted, stopping = lines(caplog)
    assert granted["time"].endswith("+00:00")  # type: ignore[attr-defined]
    del granted["time"], granted["message"]
    assert granted == {
        "level": "info",
        "logger": "agentscope_runtime.sandbox_manager.events",
        "event": "lease_granted",
        "user_id": "alice",
        "session_id": "s\n1",
        "sandbox_ids": ["sbx-1"],
        "sandbox_types": ["base"],
        "warm": [True],
        "waited": 0.25,
    }
    assert stopping["event"] == "sandbox_stopping"
    assert not {"key", "user_id"} & stopping.keys()


def test_an_exception_stays_in_its_line(caplog: pytest.LogCaptureFixture) -> None:
    """With its trace; what was said beside it, too, be it what JSON has no word for."""
    try:
        raise ValueError("no\nluck")
    except ValueError:
        logging.getLogger("x").exception("it %s", "failed", extra={"sandbox_id": "sbx-1", "what": {1}})
    text = JsonLines().format(caplog.records[0])
    assert "\n" not in text
    line = json.loads(text)
    assert (line["message"], line["sandbox_id"], line["what"]) == ("it failed", "sbx-1", "{1}")
    assert line["exception"].splitlines()[-2:] == ["ValueError: no", "luck"]


@pytest.mark.parametrize(("form", "kind"), [("json", JsonLines), ("text", logging.Formatter)])
def test_the_log_is_on_standard_error_and_uvicorn_only_warns(
    form: Literal["text", "json"], kind: type[logging.Formatter]
) -> None:
    """Standard output is for what the command prints."""
    with bare_root() as root:
        set_up("INFO", form)
        (handler,) = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        assert handler.stream is sys.stderr
        assert type(handler.formatter) is kind
        assert root.level == logging.INFO
        assert not logging.getLogger("uvicorn.error").isEnabledFor(logging.INFO)


def test_a_debugged_server_hears_uvicorn_too() -> None:
    """All of it."""
    with bare_root():
        set_up("DEBUG", "text")
        assert logging.getLogger("uvicorn.error").isEnabledFor(logging.DEBUG)
