"""Which blocks of a Msg are a message together."""

from __future__ import annotations

import pytest

from agentscope_runtime.adapters.agentscope.runs import role_in, runs_of


def test_text_and_pictures_belong_together_and_everything_else_parts_them() -> None:
    """Thoughts join thoughts; calls and results stand alone."""
    types = ["thinking", "thinking", "text", "image", "tool_use", "tool_use", "text", "tool_result", "card", "audio"]
    assert [(run.kind, run.number, len(run.blocks)) for run in runs_of({"type": kind} for kind in types)] == [
        ("reasoning", 0, 2),
        ("message", 0, 2),
        ("plugin_call", 0, 1),
        ("plugin_call", 1, 1),
        ("message", 1, 1),
        ("plugin_call_output", 0, 1),
        ("message", 2, 2),
    ]


def test_types_may_be_set_apart() -> None:
    """Those that a converter takes."""
    kinds = [
        (run.kind, run.number) for run in runs_of([{"type": "card"}, {"type": "card"}, {"type": "text"}], {"card"})
    ]
    assert kinds == [("card", 0), ("card", 1), ("message", 0)]


@pytest.mark.parametrize(
    ("kind", "role", "expected"),
    [
        ("message", "user", "user"),
        ("message", "system", "system"),
        ("reasoning", "user", "assistant"),
        ("plugin_call", "assistant", "assistant"),
        ("mcp_call_output", "system", "tool"),
    ],
)
def test_a_message_has_the_role_of_its_kind(kind: str, role: str, expected: str) -> None:
    """Results are a tool's, calls and thoughts an assistant's, words whoever's."""
    assert role_in(kind, role) == expected
