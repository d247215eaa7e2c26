"""The schemas under the path by which users import them, and the JSON that clients see."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from agentscope_runtime.engine.schemas import agent_schemas
from agentscope_runtime.engine.schemas.agent_schemas import (
    AgentResponse,
    AudioContent,
    Content,
    ContentType,
    DataContent,
    Error,
    Event,
    FileContent,
    FunctionCall,
    ImageContent,
    McpCall,
    Message,
    MessageType,
    RefusalContent,
    Role,
    RunStatus,
    SequenceNumberGenerator,
    TextContent,
    Tool,
    VideoContent,
)

EVENT = ["sequence_number", "object", "status", "error"]
CONTENT = [*EVENT, "type", "index", "delta", "msg_id"]


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (Event(), EVENT),
        (TextContent(), [*CONTENT, "text"]),
        (DataContent(), [*CONTENT, "data"]),
        (ImageContent(), [*CONTENT, "image_url"]),
        (AudioContent(), [*CONTENT, "data", "format"]),
        (VideoContent(), [*CONTENT, "video_url"]),
        (FileContent(), [*CONTENT, "file_url", "file_id", "filename", "file_data"]),
        (RefusalContent(), [*CONTENT, "refusal"]),
        (Message(), [*EVENT, "id", "type", "role", "content", "code", "message", "usage", "metadata", "text"]),
        (AgentResponse(), [*EVENT, "id", "created_at", "completed_at", "output", "usage", "session_id"]),
        (FunctionCall(), ["call_id", "name", "arguments"]),
        (McpCall(), ["call_id", "name", "arguments", "server_label"]),
    ],
)
def test_the_order_of_keys(model: BaseModel, keys: list[str]) -> None:
    """JSON has the keys of the contract, in its order, those that are null included."""
    assert list(json.loads(model.model_dump_json())) == keys


def test_all_names_are_there() -> None:
    """What the module says that it offers, it has."""
    assert all(hasattr(agent_schemas, name) for name in agent_schemas.__all__)
    assert agent_schemas.__all__ == sorted(agent_schemas.__all__)


def test_the_words() -> None:
    """Types, roles and states are the strings that are sent."""
    assert MessageType.MCP_TOOL_CALL == "mcp_call"
    assert MessageType.MCP_TOOL_CALL_OUTPUT == "mcp_call_output"
    assert len(MessageType.all_values()) == len(set(MessageType.all_values())) == 17
    assert (ContentType.TEXT, Role.ASSISTANT, RunStatus.InProgress) == ("text", "assistant", "in_progress")


def test_statuses() -> None:
    """Each method sets the status of the event itself, and returns it."""
    event = Event()
    statuses = []
    for change in (event.created, event.in_progress, event.completed, event.rejected, event.canceled):
        assert change() is event
        statuses.append(event.status)
    assert event.failed(Error(code="c", message="m")) is event
    assert [*statuses, event.status] == ["created", "in_progress", "completed", "rejected", "canceled", "failed"]
    assert event.error == Error(code="c", message="m")


def test_a_response_knows_when() -> None:
    """Each response has a time of its own (W10), in whole seconds, and one more when it is complete."""
    response = AgentResponse()
    before = response.completed_at
    assert response.completed() is response
    assert before is None and isinstance(response.completed_at, int)
    assert response.completed_at >= response.created_at > 1_700_000_000


def test_a_response_collects_messages() -> None:
    """Adding a message does not change what was sent before."""
    response = AgentResponse(output=[])
    before = response.output
    response.add_new_message(Message(role="assistant"))
    assert before == []
    assert response.output is not None and len(response.output) == 1


def test_ids_are_different() -> None:
    """No two messages or responses have the same id."""
    assert len({Message().id for _ in range(100)} | {AgentResponse().id for _ in range(100)}) == 200
    assert Message().id.startswith("msg_") and AgentResponse().id.startswith("response_")


def test_numbers_for_users_own_streams() -> None:
    """The generator numbers the very event that it is given."""
    numbers = SequenceNumberGenerator(start=3)
    event = Event()
    assert numbers.yield_with_sequence(event) is event
    assert (event.sequence_number, numbers.next()) == (3, 4)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "a"},
        {"type": "data", "data": {"a": 1}},
        {"type": "image", "image_url": "data:image/png;base64,AA"},
        {"type": "audio", "data": "AA", "format": "wav"},
        {"type": "video", "video_url": "http://localhost/a.mp4"},
        {"type": "file", "filename": "a", "file_data": "AA"},
        {"type": "refusal", "refusal": "no"},
    ],
)
def test_parts_are_told_apart_by_their_type(part: dict[str, Any]) -> None:
    """A message that is read and written is the same."""
    message = Message.model_validate({"role": "user", "content": [part]})
    assert message.content is not None
    assert isinstance(message.content[0], Content)
    assert Message.model_validate_json(message.model_dump_json()) == message
    assert part.items() <= json.loads(message.model_dump_json())["content"][0].items()


def test_a_tool() -> None:
    """Tools of a request are of OpenAI's form."""
    tool = Tool.model_validate(
        {"type": "function", "function": {"name": "run", "parameters": {"type": "object", "properties": {}}}}
    )
    assert tool.function is not None and tool.function.name == "run"
