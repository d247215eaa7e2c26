"""Messages that belong together; what each framework makes of them is tested with it."""

from __future__ import annotations

from typing import Any

from agentscope_runtime.adapters.joining import Answer, Call, Result, joined, results
from agentscope_runtime.engine.schemas.agent_schemas import ImageContent, Message


def told(type: str, *data: dict[str, Any], **more: Any) -> Message:
    """Make a call or a result."""
    return Message(role="assistant", type=type, content=[{"type": "data", "data": each} for each in data], **more)


def shape(*messages: Message) -> list[str]:
    """Return what was joined: of answers how many thoughts, parts and calls, of others whose they are."""
    return [
        f"{len(item.thoughts)}-{len(item.parts)}-{len(item.calls)}" if isinstance(item, Answer) else item.role or ""
        for item in joined(messages)
        if not isinstance(item, list)
    ]


def test_an_answer_is_thought_text_and_calls() -> None:
    """In this order; what comes in another one is another answer."""
    thought = Message(role="assistant", type="reasoning", content="hm")
    text = Message(role="assistant", content="Let me look.")
    call = told("function_call", {"call_id": "c1", "name": "look"})
    output = Message(role="tool", type="function_call_output", content=[{"type": "data", "data": {"output": "ok"}}])
    user = Message(role="user", content="hi")
    assert shape(user, thought, text, call, call, output, text) == ["user", "1-1-2", "tool", "0-1-0"]
    assert shape(text, text, call) == ["0-1-0", "0-1-1"]
    assert shape(call, text) == ["0-0-1", "0-1-0"]
    assert shape(thought, thought) == ["2-0-0"]


def test_what_a_framework_said_in_one_message_is_one_again() -> None:
    """Its own id tells, also where the order would not."""
    one, other = ({"original_id": id, "original_name": "friday"} for id in "ab")
    first = Message(role="assistant", content="one", metadata=one)
    second = Message(role="assistant", content="two", metadata=one)
    call = told("plugin_call", {"call_id": "c1"}, metadata=other)
    answer, rest = joined([first, second, call])
    assert isinstance(answer, Answer)
    assert (answer.id, answer.name, len(answer.parts)) == ("a", "friday", 2)
    assert isinstance(rest, Answer)
    assert rest.id == "b"


def test_arguments_are_read_as_an_object() -> None:
    """Whatever the model wrote."""
    assert Call("c1", "look", '{"at": 1}').read() == {"at": 1}
    assert Call("c1", "look", "[1]").read() == {"input": [1]}


def test_converted_messages_stand_between_answers() -> None:
    """A converter's messages are its own business."""
    text = Message(role="assistant", content="text")
    converters = {"a2ui_action": lambda message: "own"}
    items = list(joined([text, told("a2ui_action"), text], converters))
    assert [type(item).__name__ for item in items] == ["Answer", "list", "Answer"]
    assert items[1] == ["own"]


def test_results_keep_what_came_with_them() -> None:
    """Pictures belong to the last one; an output that is no text is told as JSON."""
    message = told(
        "plugin_call_output", {"call_id": "a", "output": [1]}, {"call_id": "b", "name": "x", "output": "two"}
    )
    message.add_content(picture := ImageContent(image_url="https://example.com/a.png"))
    first, second = results(message)
    assert first == Result("a", None, "[1]", [])
    assert (second.text, [type(part) for part in second.others]) == ("two", [type(picture)])
