"""What a manager knows while the store is away."""

from __future__ import annotations

from dataclasses import replace

from agentscope_runtime.sandbox_manager import known as module
from agentscope_runtime.sandbox_manager.events import SandboxRemoved, SandboxStopping, SandboxSuspended
from agentscope_runtime.sandbox_manager.known import Known
from agentscope_runtime.sandbox_manager.states import SandboxRecord, State

ONE = SandboxRecord("sbx-1", "base", State.LEASED, "image", 0.0, "token")
TWO, THREE = replace(ONE, sandbox_id="sbx-2"), replace(ONE, sandbox_id="sbx-3")


def test_the_newest_word_counts() -> None:
    """And nothing is known of what was never told."""
    known = Known()
    known.note(ONE)
    known.note(replace(ONE, generation=2))
    assert known.records() == [replace(ONE, generation=2)] == [known.get("sbx-1")]
    assert known.get("sbx-2") is None


def test_uses_are_owed_until_the_store_hears_of_one() -> None:
    """The last time of each counts; what is not known is not owed."""
    known = Known()
    known.note(ONE)
    known.owe("sbx-1", 5.0)
    known.owe("sbx-1", 6.0)
    known.owe("sbx-2", 7.0)
    assert known.owed() == {"sbx-1": 6.0}
    known.note(ONE)
    assert known.owed() == {}


def test_what_is_out_of_use_is_known_no_more() -> None:
    """It ended, or rests; what is only removed had ended before."""
    known = Known()
    for record in (ONE, TWO, THREE):
        known.note(record)
    known.owe("sbx-1", 5.0)
    known.hear(SandboxStopping("sbx-1", "base", None, "was released"))
    known.hear(SandboxSuspended("sbx-2", "base"))
    known.hear(SandboxRemoved("sbx-3", "base"))
    assert known.records() == [THREE]
    assert known.owed() == {}


def test_it_is_bounded() -> None:
    """Those that were used least lately give way."""
    known = Known()
    for number in range(module.MOST):
        known.note(replace(ONE, sandbox_id=f"sbx-{number}"))
    known.note(replace(ONE, sandbox_id="sbx-0"))
    known.note(replace(ONE, sandbox_id="sbx-new"))
    assert len(known.records()) == module.MOST
    assert known.get("sbx-0") is not None and known.get("sbx-1") is None
