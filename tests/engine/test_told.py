"""What clients are told of an error."""

from __future__ import annotations

import pytest

from agentscope_runtime.engine.errors import MissingSession, SessionBusy, StoreUnavailable, UnusableOutput
from agentscope_runtime.engine.schemas.exception import ConflictException
from agentscope_runtime.engine.told import told
from agentscope_runtime.sandbox.errors import BackendUnavailable, ManagerUnreachable, PoolExhausted


class MineExhausted(PoolExhausted):  # noqa: D101 - it has no words of its own
    code = "mine_exhausted"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (LookupError("swordfish"), "AGENT_UNKNOWN_ERROR", "Unknown agent error: LookupError"),
        (ConflictException("not now"), "CONFLICT", "not now"),
        (SessionBusy("Task u:s"), "session_busy", "Task u:s"),
        (MissingSession("which session?"), "missing_session", "which session?"),
        (
            StoreUnavailable("redis.internal:6379 refuses"),
            "store_unavailable",
            "What keeps states and messages does not answer, or refuses.",
        ),
        (
            UnusableOutput("the handler yielded Config(api_key='swordfish')"),
            "unusable_output",
            "The agent answered something that its framework's adapter does not know.",
        ),
        (ManagerUnreachable("http://10.0.0.7"), "manager_unreachable", "The sandbox manager does not answer."),
        (BackendUnavailable("/run/docker"), "backend_unavailable", "The container engine does not answer."),
        (PoolExhausted("8"), "pool_exhausted", "Every sandbox that the limit allows is taken."),
        (MineExhausted("8"), "mine_exhausted", "Every sandbox that the limit allows is taken."),
    ],
)
def test_the_code_tells_failures_apart_and_the_words_give_nothing_away(error: Exception, code: str, words: str) -> None:
    """Only errors that are made for clients speak in their own words."""
    assert told(error) == (code, words)
