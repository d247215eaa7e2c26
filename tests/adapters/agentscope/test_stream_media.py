"""Pictures, sound and files in what handlers of agentscope yield."""

from __future__ import annotations

from typing import Any

import pytest
from agentscope.message import Msg
from growing_msgs import PIXEL, Block, grown, picture, read, text


@pytest.mark.parametrize(
    ("block", "told_as"),
    [
        (picture(), {"type": "image", "image_url": f"data:image/png;base64,{PIXEL}"}),
        ({"type": "image", "source": {"type": "url", "url": "http://a/b.png"}}, {"image_url": "http://a/b.png"}),
        ({"type": "audio", "source": {"type": "base64", "media_type": "audio/wav", "data": "UklG"}}, {"format": "wav"}),
        ({"type": "audio", "source": {"type": "url", "url": "http://a/b.mp3"}}, {"format": "mp3"}),
        ({"type": "video", "source": {"type": "url", "url": "http://a/b.mp4"}}, {"video_url": "http://a/b.mp4"}),
        (
            {"type": "file", "source": {"type": "url", "url": "http://a/b.pdf"}, "filename": "b.pdf"},
            {"type": "file", "filename": "b.pdf", "file_url": "http://a/b.pdf"},
        ),
        ({"type": "card", "title": "t"}, {"type": "data", "data": {"type": "card", "title": "t"}}),
    ],
)
@pytest.mark.parametrize("last", [True, False])
def test_a_message_may_be_of_media_only(block: Block, told_as: dict[str, Any], last: bool) -> None:
    """It is completed and stands in the output, whatever the block is."""
    (message,) = read(*grown([block], last=last)).response["output"]
    assert message["type"] == "message"
    assert told_as.items() <= message["content"][0].items()


def test_media_stand_where_they_were_between_texts() -> None:
    """Parts of one message are in the order of the blocks."""
    (message,) = read(*grown([text("a")], [text("a"), picture()], [text("a"), picture(), text("b")])).response["output"]
    assert [part["type"] for part in message["content"]] == ["text", "image", "text"]
    assert message["text"] == "ab"


def test_speech_beside_a_msg_is_told_once_at_its_end() -> None:
    """`yield_speech=True` gives a third value, in which the sound grows."""

    def spoken(data: str) -> Block:
        return {"type": "audio", "source": {"type": "base64", "media_type": "audio/wav", "data": data}}

    msg = Msg("Friday", [text("Hi")], "assistant")
    both = Msg("Friday", [text("Hi"), spoken("abcd")], "assistant")
    both.id = msg.id
    (message,) = read((msg, False, spoken("ab")), (both, True, [spoken("abcd")])).response["output"]
    assert [part["type"] for part in message["content"]] == ["text", "audio"]
    assert message["content"][1]["data"] == "abcd"
