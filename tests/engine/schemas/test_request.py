"""Requests: what the documents' curl lines send is valid, and what makes no sense is not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest

INPUT = [{"role": "user", "content": [{"type": "text", "text": "What is the capital of France?"}]}]


def test_the_shortest_request() -> None:
    """Input is enough; a message without a type is a message."""
    request = AgentRequest.model_validate({"input": INPUT})
    assert request.stream is True
    assert request.session_id is request.user_id is None
    assert request.input[0].type == "message"
    assert request.input[0].get_text_content() == "What is the capital of France?"


def test_further_fields_are_kept() -> None:
    """Applications may send what only their handlers know."""
    request = AgentRequest.model_validate({"input": INPUT, "session_id": "s", "mood": "good"})
    assert request.session_id == "s"
    assert request.model_dump()["mood"] == "good"


def test_nothing_of_a_tool_is_lost() -> None:
    """Functions have options, and other tools have fields of their own."""
    tools = [
        {"type": "function", "function": {"name": "run", "strict": True}},
        {"type": "web_search", "search_context_size": "low"},
    ]
    request = AgentRequest.model_validate({"input": INPUT, "tools": tools})
    assert [tool.model_dump(exclude_unset=True) for tool in request.tools or ()] == tools


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": "plain"},
        {"input": [{"role": "user", "content": [{"text": "without a type"}]}]},
        {"input": INPUT, "n": 0},
        {"input": INPUT, "n": 6},
        {"input": INPUT, "session_id": 1},
    ],
)
def test_what_is_refused(body: dict[str, Any]) -> None:
    """No input, parts without a type, numbers out of range, ids that are no strings."""
    with pytest.raises(ValidationError):
        AgentRequest.model_validate(body)
