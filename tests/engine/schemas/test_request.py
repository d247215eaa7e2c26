"""Requests: what the documents' curl lines send is valid, and what makes no sense is not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.engine.schemas.limits import MOST_CHARACTERS
from agentscope_runtime.engine.schemas.message import MOST_PARTS
from agentscope_runtime.engine.schemas.request import MOST_MESSAGES, MOST_TOOLS
from agentscope_runtime.engine.schemas.tools import MOST_REQUIRED
from agentscope_runtime.engine.services import keys

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


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"input": [{}] * (MOST_MESSAGES + 1)}, "too_long"),
        ({"input": [{"content": [{"type": "text"}] * (MOST_PARTS + 1)}]}, "too_long"),
        ({"tools": [{}] * (MOST_TOOLS + 1)}, "too_long"),
        ({"stop": ["a"] * (MOST_TOOLS + 1)}, "too_long"),
        ({"tools": [{"function": {"name": "f", "parameters": {"required": ["a"] * (MOST_REQUIRED + 1)}}}]}, "too_long"),
        ({"id": "x" * (MOST_CHARACTERS + 1)}, "string_too_long"),
        ({"user_id": "x" * (MOST_CHARACTERS + 1)}, "string_too_long"),
        ({"session_id": "x" * (MOST_CHARACTERS + 1)}, "string_too_long"),
        ({"input": [1] * 1000}, "model_type"),
        ({"input": [{"content": [1] * 1000}]}, "model_attributes_type"),
        ({"tools": [1] * 1000}, "model_type"),
    ],
)
def test_what_is_too_much_costs_one_error(fields: dict[str, Any], error: str) -> None:
    """Lists end at a limit and at their first wrong item, ids at the length that services keep."""
    with pytest.raises(ValidationError) as refused:
        AgentRequest.model_validate({"input": INPUT, **fields})
    assert error in [told["type"] for told in refused.value.errors()]
    assert refused.value.error_count() <= 2  # two where it might have been a text, too


def test_what_is_much_is_taken() -> None:
    """Up to the limits, which are those of the services."""
    request = AgentRequest.model_validate({"input": INPUT * MOST_MESSAGES, "session_id": "x" * MOST_CHARACTERS})
    assert len(request.input) == MOST_MESSAGES
    assert keys.MOST_CHARACTERS == MOST_CHARACTERS
