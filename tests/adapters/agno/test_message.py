"""Our messages as agno's."""

from __future__ import annotations

from typing import Any

import pytest
from agno.media import Audio, File, Image, Video
from agno.models.message import Message as AgnoMessage
from agno.utils.openai import process_image
from recorded_box import PIXEL

from agentscope_runtime.adapters.agno import ADAPTER
from agentscope_runtime.adapters.media import LocalAddress, RemoteAddress
from agentscope_runtime.engine.schemas.agent_schemas import Message

PICTURE = f"data:image/png;base64,{PIXEL}"


def convert(*messages: Message, **converters: Any) -> list[Any]:
    """Return what a handler gets; agno itself must take each of them."""
    converted: list[Any] = ADAPTER.messages(messages, converters)
    for message in converted:
        AgnoMessage.model_validate(message)
    return converted


def user(*parts: dict[str, Any]) -> Message:
    """Make a message of the user."""
    return Message(role="user", content=list(parts))


def test_text_is_a_dict_of_role_and_content() -> None:
    """As OpenAI has it; a tool's plain message is the system's."""
    messages = [Message(role=role, content=f"I am {role}") for role in ("system", "user", "assistant", "tool")]
    messages[2].metadata = {"original_name": "friday"}
    assert convert(*messages) == [
        {"role": "system", "content": "I am system"},
        {"role": "user", "content": "I am user"},
        {"role": "assistant", "content": "I am assistant", "name": "friday"},
        {"role": "system", "content": "I am tool"},
    ]


def test_media_are_agnos_own() -> None:
    """Bytes where they came with the request, addresses where they did not."""
    (message,) = convert(
        user(
            {"type": "text", "text": "Look"},
            {"type": "image", "image_url": PICTURE},
            {"type": "image", "image_url": "https://example.com/a.png"},
            {"type": "audio", "data": "AAAA", "format": "mp3"},
            {"type": "video", "video_url": "gs://bucket/a.mp4"},
            {"type": "file", "file_data": "AAAA", "filename": "a.pdf"},
            {"type": "file", "file_data": "AAAA", "filename": "a.odd"},
            {"type": "file", "file_url": "gs://bucket/a.pdf"},
            {"type": "file", "file_id": "file-1"},
            {"type": "data", "data": {"answer": 42}},
        )
    )
    assert message["content"] == 'Look\n{"answer": 42}'
    here, there = message["images"]
    assert isinstance(here, Image)
    assert (here.mime_type, here.to_base64(), there.url) == ("image/png", PIXEL, "https://example.com/a.png")
    (sound,) = message["audio"]
    assert isinstance(sound, Audio)
    assert sound.format == "mp3"
    assert isinstance(message["videos"][0], Video)
    assert all(isinstance(file, File) for file in message["files"])
    assert [file.mime_type for file in message["files"]] == ["application/pdf", None, None, None]
    assert [file.filename for file in message["files"]] == ["a.pdf", "a.odd", None, None]
    assert (message["files"][2].url, message["files"][3].id) == ("gs://bucket/a.pdf", "file-1")


@pytest.mark.parametrize(
    ("type", "field", "url"),
    [
        ("image", "image_url", "file:///etc/passwd"),
        ("image", "image_url", "http://169.254.169.254/latest/meta-data"),
        ("video", "video_url", "/etc/passwd"),
        ("audio", "data", "http://127.0.0.1/a.wav"),
        ("file", "file_url", "http://redis:6379/"),
    ],
)
def test_nothing_of_this_machine_is_read(type: str, field: str, url: str) -> None:
    """Agno would fetch what its models take no addresses of, from where no client can."""
    with pytest.raises(LocalAddress):
        convert(user({"type": type, field: url}))


@pytest.mark.parametrize("part", [("audio", "data"), ("video", "video_url"), ("file", "file_url")])
def test_what_is_elsewhere_is_not_loaded(part: tuple[str, str]) -> None:
    """Agno would load it on the event loop, where a slow server keeps everybody waiting."""
    with pytest.raises(RemoteAddress, match="send what it holds as a data: URL"):
        convert(user({"type": part[0], part[1]: "https://example.com/a"}))


async def test_the_address_of_a_picture_is_handed_over_and_no_more() -> None:
    """OpenAI's models take it; those that would load it here, such as Claude's, cannot."""
    (message,) = convert(user({"type": "image", "image_url": "https://example.com/a.png"}))
    (image,) = AgnoMessage.model_validate(message).images or ()
    assert process_image(image) == {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    with pytest.raises(RemoteAddress):
        image.get_content_bytes()
    with pytest.raises(RemoteAddress):
        await image.aget_content_bytes()


def test_an_answer_is_joined_again() -> None:
    """Thought, text and all calls of one turn are one message; their results follow, with their pictures."""
    call = {"call_id": "c1", "name": "look", "arguments": '{"at": 1}'}
    output = {"call_id": "c1", "name": "look", "output": "a page"}
    converted = convert(
        Message(role="assistant", type="reasoning", content="I should look."),
        Message(role="assistant", content="Let me look."),
        Message(role="assistant", type="plugin_call", content=[{"type": "data", "data": call}]),
        Message(
            role="tool",
            type="plugin_call_output",
            content=[{"type": "data", "data": output}, {"type": "image", "image_url": PICTURE}],
        ),
    )
    answer, result = converted
    assert answer == {
        "role": "assistant",
        "content": "Let me look.",
        "reasoning_content": "I should look.",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}],
    }
    assert (result["role"], result["tool_call_id"], result["tool_name"], result["content"]) == (
        *("tool", "c1", "look", "a page"),
    )
    assert len(result["images"]) == 1


def test_converters_replace_types() -> None:
    """A converter may give one message, or several."""
    own = {"role": "user", "content": "own"}
    assert convert(Message(role="user", content="hi"), message=lambda message: own) == [own]
    assert convert(Message(role="user", content="hi"), message=lambda message: [own, own]) == [own, own]
