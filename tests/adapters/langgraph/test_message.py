"""Our messages as langchain's."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from agentscope_runtime.adapters.langgraph import ADAPTER
from agentscope_runtime.adapters.langgraph.stream import LangGraphTranslator
from agentscope_runtime.engine.events import EventWriter
from agentscope_runtime.engine.schemas.agent_schemas import Message

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def convert(*messages: Message, **converters: Any) -> list[Any]:
    """Return what a handler gets."""
    converted: list[Any] = ADAPTER.messages(messages, converters)
    return converted


def user(*parts: dict[str, Any]) -> Message:
    """Make a message of the user."""
    return Message(role="user", content=list(parts))


def call(id: str, arguments: Any = "{}", **more: Any) -> Message:
    """Make a call of a tool."""
    data = {"call_id": id, "name": "look", "arguments": arguments}
    return Message(role="assistant", type="plugin_call", content=[{"type": "data", "data": data}], **more)


def result(id: str, output: Any = "ok") -> Message:
    """Make the result of a call."""
    data = {"call_id": id, "name": "look", "output": output}
    return Message(role="tool", type="plugin_call_output", content=[{"type": "data", "data": data}])


def test_roles_are_classes() -> None:
    """Text stays text, ids and names stay, too; a tool's plain message is the system's."""
    messages = [Message(role=role, content=f"I am {role}") for role in ("system", "user", "assistant", "tool")]
    messages[1].metadata = {"original_name": "Alice"}
    converted = convert(*messages)
    assert [type(message) for message in converted] == [SystemMessage, HumanMessage, AIMessage, SystemMessage]
    assert [message.content for message in converted] == [f"I am {message.role}" for message in messages]
    assert [message.id for message in converted] == [message.id for message in messages]
    assert converted[1].name == "Alice"


def test_one_message_is_a_list_too() -> None:
    """Handlers hand `msgs` to the graph as it is."""
    (message,) = convert(Message(role="user", content="hi"))
    assert message.content == "hi"


def test_pictures_and_files_are_blocks() -> None:
    """Nothing that a user sends is dropped."""
    (message,) = convert(
        user(
            {"type": "text", "text": "Look"},
            {"type": "image", "image_url": "https://example.com/a.png"},
            {"type": "image", "image_url": PIXEL},
            {"type": "audio", "data": "AAAA", "format": "mp3"},
            {"type": "audio", "data": "https://example.com/a.wav"},
            {"type": "video", "video_url": "https://example.com/a.mp4"},
            {"type": "file", "file_url": "https://example.com/a.pdf", "filename": "a.pdf"},
            {"type": "file", "file_data": "AAAA", "filename": "a.pdf"},
            {"type": "file", "file_id": "file-1"},
            {"type": "data", "data": {"answer": 42}},
            {"type": "refusal", "refusal": "no"},
        )
    )
    assert message.content == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "audio", "base64": "AAAA", "mime_type": "audio/mp3"},
        {"type": "audio", "url": "https://example.com/a.wav"},
        {"type": "video", "url": "https://example.com/a.mp4"},
        {"type": "file", "url": "https://example.com/a.pdf", "filename": "a.pdf"},
        {"type": "file", "base64": "AAAA", "mime_type": "application/pdf", "filename": "a.pdf"},
        {"type": "file", "file_id": "file-1"},
        {"type": "text", "text": '{"answer": 42}'},
        {"type": "text", "text": "no"},
    ]
    blocks = [block["type"] for block in message.content_blocks]
    assert blocks[:4] == ["text", "image", "image", "audio"], "langchain itself understands them"


def test_an_answer_is_joined_again() -> None:
    """Thought, text and all calls of one turn are one message; their results follow."""
    converted = convert(
        Message(role="assistant", type="reasoning", content="I should look."),
        Message(role="assistant", content="Let me look."),
        call("c1", '{"at": 1}'),
        call("c2", {"at": 2}),
        result("c1"),
        result("c2", [{"type": "text", "text": "page"}]),
        Message(role="assistant", content="Done."),
    )
    answer, first, second, end = converted
    assert (answer.content, answer.additional_kwargs) == ("Let me look.", {"reasoning_content": "I should look."})
    assert [(asked["id"], asked["name"], asked["args"]) for asked in answer.tool_calls] == [
        ("c1", "look", {"at": 1}),
        ("c2", "look", {"at": 2}),
    ]
    assert isinstance(first, ToolMessage)
    assert (first.tool_call_id, first.name, first.content) == ("c1", "look", "ok")
    assert second.content == '[{"type": "text", "text": "page"}]'
    assert (end.content, end.tool_calls) == ("Done.", [])


def test_two_answers_stay_two() -> None:
    """Text after text is another message, unless both were the same one for langgraph."""
    apart = convert(Message(role="assistant", content="one"), Message(role="assistant", content="two"))
    assert [message.content for message in apart] == ["one", "two"]
    same = {"original_id": "run-1"}
    (joined,) = convert(
        Message(role="assistant", content="one", metadata=same), Message(role="assistant", content="two", metadata=same)
    )
    assert (joined.content, joined.id) == ("one\ntwo", "run-1")
    assert (
        len(convert(Message(role="assistant", content="a", metadata=same), call("c", metadata={"original_id": "x"})))
        == 2
    )


@pytest.mark.parametrize(("arguments", "read"), [(None, {}), ("", {}), ("[1]", {"input": [1]})])
def test_arguments_are_always_an_object(arguments: Any, read: Any) -> None:
    """Langchain insists on it."""
    (message,) = convert(call("c1", arguments))
    assert message.tool_calls[0]["args"] == read


def test_arguments_that_are_no_json_are_kept() -> None:
    """A call that broke off is a call, as langchain keeps such: models see what they wrote."""
    (message,) = convert(call("c1", '{"at'))
    assert (message.tool_calls, message.invalid_tool_calls[0]["args"]) == ([], '{"at')


def test_a_result_may_hold_pictures() -> None:
    """They follow the text."""
    message = result("c1", "shot")
    assert message.content is not None
    message = Message.model_validate(
        {**message.model_dump(), "content": [message.content[0], {"type": "image", "image_url": PIXEL}]}
    )
    (converted,) = convert(message)
    assert converted.content == [
        {"type": "text", "text": "shot"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]


def test_converters_replace_types() -> None:
    """A converter may give one message, or several."""
    converted = convert(
        Message(role="user", content="hi"),
        call("c1"),
        message=lambda message: HumanMessage("converted"),
        plugin_call=lambda message: [AIMessage("a"), AIMessage("b")],
    )
    assert [message.content for message in converted] == ["converted", "a", "b"]


def test_what_went_out_comes_back() -> None:
    """A client that sends our answer back with its next request gives langgraph the messages that it made."""
    said: list[BaseMessage] = [
        AIMessage(
            "Let me look.",
            id="run-1",
            name="Friday",
            additional_kwargs={"reasoning_content": "hm"},
            tool_calls=[
                {"name": "look", "args": {"at": 1}, "id": "c1", "type": "tool_call"},
                {"name": "look", "args": {"at": 2}, "id": "c2", "type": "tool_call"},
            ],
        ),
        ToolMessage("one", tool_call_id="c1", name="look", id="t1"),
        ToolMessage("two", tool_call_id="c2", name="look", id="t2"),
        AIMessage("Done.", id="run-2", name="Friday"),
    ]
    writer, translator = EventWriter(session_id="s"), LangGraphTranslator()
    for message in said:
        for step in translator.take(message):
            writer.take(step)
    writer.complete()
    back = convert(*(writer.response.output or ()))
    assert [message.model_dump(exclude={"id"}) for message in back] == [
        message.model_dump(exclude={"id"}) for message in said
    ]
    assert [message.id for message in back if isinstance(message, AIMessage)] == ["run-1", "run-2"]
