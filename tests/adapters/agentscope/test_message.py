"""Messages as Msgs and back: what handlers get, and what histories keep."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from agentscope.formatter import DashScopeChatFormatter, GeminiChatFormatter, OllamaChatFormatter, OpenAIChatFormatter
from agentscope.message import Msg
from hypothesis import given, settings
from hypothesis import strategies as st
from streamed import streamed

from agentscope_runtime.adapters.agentscope import ADAPTER
from agentscope_runtime.adapters.agentscope.message import (
    agentscope_msg_to_message,
    message_to_agentscope_msg,
    refuse_linked_pictures,
    restored,
)
from agentscope_runtime.adapters.media import LocalAddress, RemoteAddress
from agentscope_runtime.engine.schemas.agent_schemas import Message

PIXEL = "iVBORw0KGgo="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}


def msgs(*messages: dict[str, Any], **converters: Any) -> list[Msg]:
    """Return what a handler gets of a request's input."""
    return list(ADAPTER.messages([Message.model_validate(message) for message in messages], converters))


def blocks(msg: Msg) -> list[dict[str, Any]]:
    """Return the content, as blocks of any type."""
    return [dict(cast(Any, block)) for block in msg.content]


def first(msg: Msg) -> dict[str, Any]:
    """Return the first block."""
    return blocks(msg)[0]


def user(*content: dict[str, Any]) -> dict[str, Any]:
    """Make what a client sends."""
    return {"role": "user", "content": list(content)}


def test_a_request_as_the_documents_send_it() -> None:
    """One message without a type is a list of one Msg of the user."""
    (msg,) = msgs(user({"type": "text", "text": "Hello"}))
    assert (msg.role, msg.name, msg.content) == ("user", "user", [{"type": "text", "text": "Hello"}])


def test_plain_text_is_taken_for_content() -> None:
    """What other APIs allow."""
    assert msgs({"role": "user", "content": "Hello"})[0].get_text_content() == "Hello"


@pytest.mark.parametrize(
    ("role", "type", "expected"),
    [
        ("assistant", "message", "assistant"),
        ("system", "message", "system"),
        ("developer", "message", "system"),
        ("tool", "message", "system"),
        ("stranger", "message", "user"),
        (None, "message", "user"),
        (None, "plugin_call", "assistant"),
        (None, "plugin_call_output", "system"),
        (None, "reasoning", "assistant"),
    ],
)
def test_roles_are_agentscopes_three(role: str | None, type: str, expected: str) -> None:
    """It knows user, assistant and system."""
    assert msgs({"role": role, "type": type, "content": []})[0].role == expected


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "text", "text": "a"}, {"type": "text", "text": "a"}),
        ({"type": "refusal", "refusal": "no"}, {"type": "text", "text": "no"}),
        ({"type": "data", "data": {"a": "ü"}}, {"type": "text", "text": '{"a": "ü"}'}),
        (
            {"type": "image", "image_url": "http://a.com/b.png"},
            {"source": {"type": "url", "url": "http://a.com/b.png"}},
        ),
        ({"type": "image", "image_url": f"data:image/png;base64,{PIXEL}"}, IMAGE),
        (
            {"type": "audio", "data": "UklG", "format": "mp3"},
            {"type": "audio", "source": {"type": "base64", "media_type": "audio/mp3", "data": "UklG"}},
        ),
        ({"type": "video", "video_url": "oss://a/b"}, {"type": "video", "source": {"type": "url", "url": "oss://a/b"}}),
        ({"type": "file", "file_url": "http://a/b.pdf"}, {"type": "text", "text": "[file http://a/b.pdf]"}),
        (
            {"type": "file", "filename": "b.pdf", "file_data": "QUJD"},
            {"type": "text", "text": "[file b.pdf, application/pdf, not shown]"},
        ),
    ],
)
def test_each_part_is_a_block(part: dict[str, Any], block: dict[str, Any]) -> None:
    """Media by address or by bytes; what no model takes is put in words."""
    assert block.items() <= first(msgs(user(part))[0]).items()


def test_parts_that_say_nothing_are_left_out() -> None:
    """Clients send null."""
    assert msgs(user({"type": "text", "text": None}, {"type": "image", "image_url": None}))[0].content == []


def test_calls_and_results_are_blocks_of_tools() -> None:
    """Arguments are parsed, output is text or blocks."""
    call = {"call_id": "1", "name": "look", "arguments": '{"url": "http://a"}'}
    calling, text, blocks = msgs(
        {"type": "plugin_call", "role": "assistant", "content": [{"type": "data", "data": call}]},
        {"type": "plugin_call_output", "content": [{"type": "data", "data": {"call_id": "1", "output": "sunny"}}]},
        {
            "type": "mcp_call_output",
            "role": "tool",
            "content": [{"type": "data", "data": {"call_id": "2", "output": '[{"type": "text", "text": "a"}]'}}],
        },
    )
    assert calling.content == [{"type": "tool_use", "id": "1", "name": "look", "input": {"url": "http://a"}}]
    assert text.content == [{"type": "tool_result", "id": "1", "name": "", "output": "sunny"}]
    assert first(blocks)["output"] == [{"type": "text", "text": "a"}]


@pytest.mark.parametrize("arguments", ["{not json", "[1]", None, 7, ""])
def test_arguments_that_are_no_object_are_none(arguments: Any) -> None:
    """Clients may send anything; nothing breaks."""
    (msg,) = msgs(
        {"type": "function_call", "content": [{"type": "data", "data": {"arguments": arguments, "name": "a"}}]}
    )
    assert first(msg)["input"] == {}


def test_snapshots_of_one_call_are_one_call() -> None:
    """The last one counts; text beside it stays."""
    data = [{"type": "data", "data": {"call_id": "1", "name": "a", "arguments": said}} for said in ("", '{"a": 1}')]
    (msg,) = msgs({"type": "plugin_call", "content": [{"type": "text", "text": "hm"}, *data]})
    assert [block.get("input") for block in blocks(msg)] == [None, {"a": 1}]


def test_results_without_data_are_what_they_say() -> None:
    """A tool's answer as plain text is not lost."""
    assert msgs({"type": "plugin_call_output", "role": "tool", "content": "sunny"})[0].get_text_content() == "sunny"


def test_a_converter_makes_msgs_of_its_type() -> None:
    """One or several, in their place; the others are converted as ever."""
    special = {"type": "a2ui_action", "role": "user", "content": []}
    found = msgs(
        user({"type": "text", "text": "a"}), special, special, a2ui_action=lambda m: [Msg("x", "b", "user")] * 2
    )
    assert [msg.name for msg in found] == ["user", "x", "x", "x", "x"]
    (one,) = msgs(special, a2ui_action=lambda m: Msg("x", "b", "user"))
    assert one.content == "b"


@pytest.mark.parametrize(
    "url", ["/etc/passwd", "secret.png", "file:///etc/passwd", "FILE:///etc/passwd", "../a.png", "C:\\a.png", "data:x"]
)
@pytest.mark.parametrize("kind", ["image", "audio", "video", "tool"])
def test_a_client_cannot_make_an_agent_read_files_of_the_server(kind: str, url: str) -> None:
    """agentscope's formatters open what looks like a file, and send it to the model."""
    named = {"image": {"image_url": url}, "video": {"video_url": url}, "audio": {"data": f"https:{url}"}}
    if kind == "tool":
        output = json.dumps([{"type": "image", "source": {"type": "url", "url": url}}])
        message = {
            "type": "plugin_call_output",
            "content": [{"type": "data", "data": {"call_id": "1", "output": output}}],
        }
    else:
        message = user({"type": kind, **named[kind]})
    if kind == "audio":  # bytes, whatever they mean: only an address is opened
        assert "url" not in first(msgs(message)[0])["source"]
        return
    for read in (msgs, lambda one: message_to_agentscope_msg(Message.model_validate(one))):
        with pytest.raises(LocalAddress, match="no address that an agent may load"):
            read(message)


@pytest.mark.parametrize("kind", ["audio", "video", "tool"])
def test_a_client_cannot_make_an_agent_load_sound_or_films(kind: str) -> None:
    """OpenAI's and Gemini's formatters would, on the event loop and without an end."""
    url = "https://a.com/b.wav"
    message = user({"type": kind, "data": url, "video_url": url})
    if kind == "tool":
        output = json.dumps([{"type": "audio", "source": {"type": "url", "url": url}}])
        message = {
            "type": "plugin_call_output",
            "content": [{"type": "data", "data": {"call_id": "1", "output": output}}],
        }
    with pytest.raises(RemoteAddress, match="send what it holds as a data: URL"):
        msgs(message)


def test_pictures_are_refused_where_a_formatter_loads_them() -> None:
    """Gemini's and Ollama's do; OpenAI's tells the model the address."""
    found = msgs(user({"type": "text", "text": "look"}, {"type": "image", "image_url": "https://a.com/b.png"}))
    refuse_linked_pictures(found, OpenAIChatFormatter())
    for formatter in (GeminiChatFormatter(), OllamaChatFormatter()):
        with pytest.raises(RemoteAddress):
            refuse_linked_pictures(found, formatter)


@pytest.mark.parametrize(
    "junk", [7, "x", [], {"extras": 7}, {"extras": {"0": "x"}}, {"plain": [1], "role": "king"}, None]
)
def test_metadata_of_clients_may_be_anything(junk: Any) -> None:
    """What we write there ourselves is not trusted when it comes back."""
    message = user({"type": "text", "text": "a"}) | {"metadata": {"original_form": junk, "original_metadata": junk}}
    assert msgs(message)[0].get_text_content() == "a"


def test_what_was_one_msg_is_one_again() -> None:
    """A client sends back the messages of a response; formatters need a call and its thoughts together."""
    said = Msg(
        "Friday",
        [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "I look"},
            {"type": "tool_use", "id": "1", "name": "look", "input": {"a": 1}},
            {"type": "tool_use", "id": "2", "name": "look", "input": {}},
        ],
        "assistant",
        metadata={"mood": "good"},
    )
    answer = Msg("system", [{"type": "tool_result", "id": "1", "name": "look", "output": [IMAGE]}], "system")  # type: ignore[list-item]
    response = streamed(ADAPTER.translator({}), [(said, True), (answer, True)]).response
    again = msgs(*response["output"])
    assert [(msg.id, msg.name, msg.role) for msg in again] == [
        (said.id, "Friday", "assistant"),
        (answer.id, "system", "system"),
    ]
    assert again[0].content == said.content and again[0].metadata == said.metadata
    assert again[1].content == answer.content


def test_the_older_name_of_the_metadata_is_known() -> None:
    """Clients kept histories that version 1.0 of the original wrote."""
    message = user({"type": "text", "text": "a"}) | {"metadata": {"original_id": "7", "metadata": {"a": 1}}}
    (msg,) = msgs(message)
    assert (msg.id, msg.metadata) == ("7", {"a": 1})


def test_one_message_or_many() -> None:
    """Both functions take one or a list, as handlers of users use them."""
    (message,) = agentscope_msg_to_message(Msg("Friday", "Hi", "assistant"))
    assert message_to_agentscope_msg(message).content == "Hi"
    assert [msg.content for msg in message_to_agentscope_msg([message])] == ["Hi"]


BLOCKS = st.sampled_from(
    [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "thought_signature": "s"},
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "thinking", "thinking": "so"},
        {"type": "tool_use", "id": "1", "name": "look", "input": {"a": [1, None]}},
        {"type": "tool_use", "id": "2", "name": "look", "input": {}, "tool_type": "mcp", "server_label": "s"},
        {"type": "tool_result", "id": "1", "name": "look", "output": "sunny"},
        {"type": "tool_result", "id": "2", "name": "look", "output": [{"type": "text", "text": "a"}, IMAGE]},
        IMAGE,
        {"type": "audio", "source": {"type": "base64", "media_type": "audio/wav", "data": "UklG"}},
        {"type": "video", "source": {"type": "url", "url": "/local/film.mp4"}},
        {"type": "file", "source": {"type": "url", "url": "http://a/b.pdf"}, "filename": "b.pdf"},
        {"type": "card", "title": "t"},
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.text() | st.lists(BLOCKS, max_size=5), st.sampled_from(["user", "assistant", "system"]))
def test_what_is_kept_comes_back_as_it_was(content: Any, role: Any) -> None:
    """Through messages and JSON a Msg stays the same: content, signatures, times and all."""
    msg = Msg("Friday", content, role, metadata={"a": 1}, timestamp="then")
    kept = [Message.model_validate_json(message.model_dump_json()) for message in agentscope_msg_to_message(msg)]
    (again,) = restored(kept)
    assert vars(again) == vars(msg)


@pytest.mark.parametrize("formatter", [OpenAIChatFormatter(), DashScopeChatFormatter()])
async def test_formatters_take_what_handlers_get(formatter: Any) -> None:
    """A conversation that a client sends reaches the model's API whole."""
    found = msgs(
        user({"type": "text", "text": "look"}, {"type": "image", "image_url": f"data:image/png;base64,{PIXEL}"}),
        {
            "type": "plugin_call",
            "content": [{"type": "data", "data": {"call_id": "1", "name": "l", "arguments": "{}"}}],
        },
        {"type": "plugin_call_output", "content": [{"type": "data", "data": {"call_id": "1", "output": "sunny"}}]},
    )
    asked, called, answered = await formatter.format(found)
    assert PIXEL in json.dumps(asked)
    assert called["tool_calls"][0]["id"] == answered["tool_call_id"] == "1"
