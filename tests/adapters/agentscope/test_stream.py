"""What handlers of agentscope yield, as clients read it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentscope.message import Msg
from growing_msgs import PIXEL, Block, call, grown, kinds, picture, read, result, text, thought, told

from agentscope_runtime.engine.errors import UnusableOutput
from agentscope_runtime.engine.schemas.agent_schemas import ImageContent, Message


def test_text_comes_as_what_was_added() -> None:
    """Msgs hold all of their text each time; clients get the deltas, then the whole."""
    outputs = grown([text("The")], [text("The sun")], [text("The sun")], [text("The sun shines")])
    assert list(told(outputs)) == [
        ("message", "in_progress", "message"),
        ("content", "in_progress", "The"),
        ("content", "in_progress", " sun"),
        ("content", "in_progress", " shines"),
        ("content", "completed", "The sun shines"),
        ("message", "completed", "message"),
    ]


@pytest.mark.parametrize("last", [True, False])
def test_plain_content_is_text(last: bool) -> None:
    """A Msg whose content is a string loses none of it, also when no `last` comes."""
    reading = read(*grown("The", "The sun", last=last))
    assert (reading.text, kinds(reading)) == ("The sun", ["message"])


def test_a_bare_msg_is_complete() -> None:
    """A handler may yield its answer as it is."""
    assert read(Msg("Friday", "Hi", "assistant")).text == "Hi"


def test_the_message_says_which_msg_it_was() -> None:
    """The metadata let a client send it back, and hold what came with the end."""
    first, final = Msg("Friday", [text("It is")], "assistant"), Msg("Friday", [text("It is 4")], "assistant")
    final.id, final.metadata = first.id, {"answer": 4}
    (message,) = read((first, False), (final, True)).response["output"]
    assert message["metadata"] == {
        "original_id": first.id,
        "original_name": "Friday",
        "original_metadata": {"answer": 4},
    }


def test_metadata_that_are_no_json_are_told_in_words() -> None:
    """Whatever an agent puts there, the stream goes on."""
    msg = Msg("Friday", "Hi", "assistant", metadata={"when": {1, 2}})  # type: ignore[dict-item]
    assert read(msg).response["output"][0]["metadata"]["original_metadata"] == {"when": [1, 2]}


def test_thoughts_end_where_text_begins() -> None:
    """Thinking before text is a message of its own, without empty parts."""
    outputs = grown([thought("hm")], [thought("hm, so")], [thought("hm, so"), text("Yes")])
    assert list(told(outputs)) == [
        ("message", "in_progress", "reasoning"),
        ("content", "in_progress", "hm"),
        ("content", "in_progress", ", so"),
        ("content", "completed", "hm, so"),
        ("message", "completed", "reasoning"),
        ("message", "in_progress", "message"),
        ("content", "in_progress", "Yes"),
        ("content", "completed", "Yes"),
        ("message", "completed", "message"),
    ]


def test_thoughts_that_appear_before_text_do_not_shift_it() -> None:
    """What a part is follows from its type and its number among those of its type."""
    reading = read(*grown([text("Y")], [thought("hm"), text("Yes")]))
    assert {(one["type"], one["text"]) for one in reading.messages} == {("reasoning", "hm"), ("message", "Yes")}


def test_thoughts_between_texts_part_them() -> None:
    """Interleaved thinking keeps its order."""
    reading = read(*grown([text("a"), thought("b"), text("c")]))
    assert [one["text"] for one in reading.response["output"]] == ["a", "b", "c"]


def test_a_call_is_told_as_its_arguments_come() -> None:
    """First nothing, then what the model wrote so far; what is run is what stands at the end."""
    outputs = grown(
        [text("Look:"), call(raw_input="")],
        [text("Look:"), call(raw_input='{"url": "htt')],
        [text("Look:"), call(raw_input='{"url": "http://a"}', input={"url": "http://a"})],
    )
    arguments = [value["arguments"] for _, _, value in told(outputs) if isinstance(value, dict)]
    assert arguments == ["", '{"url": "htt', '{"url": "http://a"}', '{"url": "http://a"}']


def test_a_call_without_the_written_text_is_told_from_its_input() -> None:
    """Models that are not streamed give the arguments as an object."""
    (message,) = read(*grown([call(input={"url": "ü"})])).response["output"]
    (part,) = message["content"]
    assert (message["type"], message["role"]) == ("plugin_call", "assistant")
    assert part["data"] == {"call_id": "call-1", "name": "look", "arguments": '{"url": "ü"}'}


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """`{}` is JSON; an empty text is not."""
    assert read(*grown([call()])).response["output"][0]["content"][0]["data"]["arguments"] == "{}"


def test_a_repaired_call_ends_with_what_is_run() -> None:
    """agentscope mends broken JSON; clients learn the mended form."""
    (message,) = read(*grown([call(raw_input='{"a": 1', input={"a": 1})])).response["output"]
    assert json.loads(message["content"][0]["data"]["arguments"]) == {"a": 1}


def test_a_call_that_gets_its_id_late_is_one_call() -> None:
    """Some models send the id after the name."""
    reading = read(*grown([call(id="")], [call(id="call-7")]))
    assert [one["content"][0]["data"]["call_id"] for one in reading.response["output"]] == ["call-7"]


def test_parallel_calls_are_messages_of_their_own() -> None:
    """Each ends once, however the others go on."""
    one, two = call("1", raw_input='{"a": 1}'), call("2", raw_input="{}")
    reading = read(*grown([text("Both:")], [text("Both:"), one], [text("Both:"), one, two]))
    assert kinds(reading) == ["message", "plugin_call", "plugin_call"]
    assert [m["content"][0]["data"]["call_id"] for m in reading.response["output"][1:]] == ["1", "2"]


def test_a_line_break_behind_calls_is_no_message() -> None:
    """Some models end with one; nobody wants a message of it."""
    reading = read(*grown([text("Look:")], [text("Look:"), call()], [text("Look:\n"), call()]))
    assert kinds(reading) == ["message", "plugin_call"]


def test_text_that_goes_on_behind_a_call_is_not_lost() -> None:
    """It cannot be added to what has ended, so it is a message of its own."""
    reading = read(*grown([text("a"), call()], [text("a, and b"), call()]))
    assert reading.text == "a, and b"


def test_a_result_is_text_or_json() -> None:
    """Text as it is, blocks as JSON; the role is tool."""
    reading = read(*grown([result("sunny")], id="r1"), *grown([result([text("ünny")])], id="r2"))
    assert {(one["type"], one["role"]) for one in reading.messages} == {("plugin_call_output", "tool")}
    outputs = [one["content"][0]["data"]["output"] for one in reading.messages]
    assert outputs == ["sunny", '[{"type": "text", "text": "ünny"}]']


def test_a_picture_in_a_result_is_a_part_beside_it() -> None:
    """Its bytes stand once in the message, and not in the JSON."""
    (message,) = read(*grown([result([text("see"), picture()])])).response["output"]
    data, image = message["content"]
    assert image["image_url"] == f"data:image/png;base64,{PIXEL}"
    assert PIXEL not in data["data"]["output"] and "image/png" in data["data"]["output"]


def test_a_streaming_tool_is_told_by_snapshots() -> None:
    """Tools may print their result as it grows."""
    snapshots = [v["output"] for _, s, v in told(grown([result("1")], [result("1 2")])) if isinstance(v, dict)]
    assert snapshots == ["1", "1 2", "1 2"]


def test_a_result_that_comes_twice_is_told_once() -> None:
    """Tools that forget to say which chunk is the last one say it of each."""
    same = [result([text("1")])]
    assert kinds(read(*grown(same), *grown(same))) == ["plugin_call_output"]


def test_tools_of_mcp_are_called_so() -> None:
    """Blocks say it by `tool_type`; a result follows its call."""
    reading = read(
        *grown([call(tool_type="mcp", server_label="weather", input={"a": 1})], id="m1"),
        *grown([result("sunny")], id="m2"),
    )
    assert kinds(reading) == ["mcp_call", "mcp_call_output"]
    assert [one["content"][0]["data"]["server_label"] for one in reading.messages] == ["weather", "weather"]


def test_two_agents_may_speak_at_once() -> None:
    """Their messages are interleaved, and each is whole."""
    one = grown([text("a")], [text("ab")], [text("abc")], id="1", name="Alice")
    two = grown([thought("x")], [thought("x"), text("y")], [thought("x"), text("yz")], id="2", name="Bob")
    reading = read(*(output for pair in zip(one, two, strict=True) for output in pair))
    assert [(m["metadata"]["original_name"], m["type"], m["text"]) for m in reading.response["output"]] == [
        ("Bob", "reasoning", "x"),
        ("Alice", "message", "abc"),
        ("Bob", "message", "yz"),
    ]


def test_a_msg_that_never_ends_is_ended() -> None:
    """When its id changes before `last`, it is completed with what it had, deferred parts included."""
    sound = {"type": "audio", "source": {"type": "url", "url": "http://a/b.wav"}}
    outputs = [
        *grown([call(id=""), text("a"), sound], id="1", last=False),
        *grown([text("b")], id="2"),
    ]
    reading = read(*outputs)
    assert [(one["type"], one["text"]) for one in reading.messages] == [
        ("message", "b"),
        ("plugin_call", None),
        ("message", "a"),
    ]
    assert [part["type"] for part in reading.messages[2]["content"]] == ["text", "audio"]


def test_what_was_shortened_stays_as_it_was_told() -> None:
    """An agent that strips its answer at the end does not make clients hear it twice."""
    assert read(*grown([text("Hi \n")], [text("Hi")])).text == "Hi \n"


def test_pieces_instead_of_all_so_far_are_added_up() -> None:
    """Agents of users' own yield what is new; a text that does not continue what was told is added to it."""
    assert read(*grown([text("The ")], [text("sun")], [text(" shines")])).text == "The sun shines"


def test_a_role_is_kept() -> None:
    """Hints that an agent gives itself come from the user, not from the assistant."""
    assert read(*grown([text("hint")], role="user")).response["output"][0]["role"] == "user"


def test_empty_msgs_are_nothing() -> None:
    """Agents print a Msg before anything is in it."""
    assert read(*grown([], [text("")], "")).response["output"] == []


def test_usage_that_an_agent_notes_is_told() -> None:
    """`msg.usage`, of the last Msg that has one, is the response's."""
    msg = Msg("Friday", "Hi", "assistant")
    msg.usage = {"input_tokens": 3, "output_tokens": 4, "type": "chat"}  # type: ignore[attr-defined]
    reading = read(msg)
    assert reading.response["usage"] == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert reading.messages[0]["usage"] == reading.response["usage"]


def test_what_every_handler_may_yield_is_taken_too() -> None:
    """Text, ready messages and parts, among Msgs and in pairs like them."""
    ready = Message(role="assistant", type="reasoning", content=[{"type": "text", "text": "hm"}])
    image = ImageContent(image_url="http://a/b.png")
    reading = read("a", "b", *grown([text("c")]), ready, (image, True), ("d", False))
    assert [one["text"] for one in reading.messages] == ["ab", "c", "hm", "d"]
    assert len(reading.messages[3]["content"]) == 2


def test_anything_else_is_refused_in_words() -> None:
    """The error says what came, and what may come."""
    with pytest.raises(UnusableOutput, match=r"int 7; it may yield \(Msg, last\), Msg, str"):
        read(7)


@pytest.mark.parametrize("streams", [True, False])
def test_a_converter_takes_blocks_of_its_type(streams: bool) -> None:
    """It is called once, when its Msg is complete; text, parts and messages are taken, one or several."""
    seen: list[Block] = []

    def convert(block: Block) -> Any:
        seen.append(block)
        made = [Message(role="assistant", content=[{"type": "data", "data": block}]), "and text"]
        return iter(made) if streams else made

    card = {"type": "card", "title": "t"}
    reading = read(*grown([text("a"), card], [text("a"), card]), card=convert)
    assert seen == [card]
    assert [one["text"] for one in reading.messages] == ["a", None, "and text"]
