"""Messages and tools in OpenAI's form, there and back."""

from __future__ import annotations

from typing import Any

import pytest

from agentscope_runtime.engine.schemas.agent_schemas import (
    DataContent,
    FunctionCall,
    Message,
    RefusalContent,
    TextContent,
    Tool,
    convert_to_openai_messages,
    convert_to_openai_tool_call,
    convert_to_openai_tools,
)

CALL = {"id": "1", "type": "function", "function": {"name": "run", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "hello"},
        {"role": "system", "content": "be kind"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "content": "let me see", "tool_calls": [CALL, CALL | {"id": "2"}]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            ],
        },
    ],
)
def test_there_and_back(message: dict[str, Any]) -> None:
    """What theirs says, ours says, and says again."""
    assert convert_to_openai_messages([Message.from_openai_message(message)]) == [message]


def test_the_types_of_calls() -> None:
    """Calls and their outputs are messages of their own types."""
    assert (
        Message.from_openai_message({"role": "assistant", "content": None, "tool_calls": [CALL]}).type
        == "function_call"
    )
    output = Message.from_openai_message({"role": "tool", "tool_call_id": "1", "content": "42"})
    assert output.type == "function_call_output"
    assert output.content == [DataContent(data={"call_id": "1", "name": None, "output": "42"})]


def test_files_and_addresses() -> None:
    """Parts that are given in their shorter or their longer form."""
    parts = [
        {"type": "image_url", "image_url": "http://localhost/a.png"},
        {"type": "file", "file": {"file_id": "7", "filename": "a.txt"}},
    ]
    content = Message.from_openai_message({"role": "user", "content": parts}).content or []
    assert [part.type for part in content] == ["image", "file"]


def test_what_has_no_place_there_is_left_out() -> None:
    """Reasoning is not sent to a model again; data becomes text; a refusal is no part."""
    messages = [
        Message(type="reasoning", role="assistant", content=[TextContent(text="hm")]),
        Message(role="user", content=[DataContent(data={"a": 1}), RefusalContent(refusal="no")]),
        Message(type="plugin_call_output", role="tool", content=[DataContent(data={"call_id": "1", "output": [1]})]),
    ]
    assert convert_to_openai_messages(messages) == [
        {"role": "user", "content": '{"a": 1}'},
        {"role": "tool", "tool_call_id": "1", "content": "[1]"},
    ]


def test_tools() -> None:
    """Ours, or what is theirs already; nothing of their schemas is lost."""
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "integer"}}}
    theirs = {"type": "function", "function": {"name": "run", "description": "", "parameters": schema}}
    assert convert_to_openai_tools([theirs, Tool.model_validate(theirs)]) == [theirs, theirs]


def test_calls() -> None:
    """A call without arguments has an empty object of them."""
    assert convert_to_openai_tool_call(FunctionCall(call_id="1", name="run", arguments='{"a": 1}')) == CALL
    assert convert_to_openai_tool_call({"call_id": "1", "name": "run"})["function"]["arguments"] == "{}"
