"""Single blocks as parts of messages, and what tools are told and tell."""

from __future__ import annotations

from typing import Any

import pytest

from agentscope_runtime.adapters.agentscope.blocks import (
    arguments_of,
    as_block,
    as_part,
    blocks_in,
    every_block,
    input_of,
    output_of,
    result_of,
    whole_arguments_of,
)
from agentscope_runtime.engine.schemas.agent_schemas import AudioContent, Content, FileContent, ImageContent

PIXEL = "iVBORw0KGgo="


def picture(**source: Any) -> dict[str, Any]:
    """Make a block with a picture."""
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", **source}}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "a"},
        picture(data=PIXEL),
        {"type": "image", "source": {"type": "url", "url": "http://a/b"}},
        {"type": "audio", "source": {"type": "base64", "media_type": "audio/mpeg", "data": "UklG"}},
        {"type": "audio", "source": {"type": "url", "url": "https://a/b.wav"}},
        {"type": "video", "source": {"type": "base64", "media_type": "video/mp4", "data": "UklG"}},
        {"type": "video", "source": {"type": "url", "url": "oss://a/b"}},
    ],
)
def test_a_block_is_a_part_and_a_block_again(block: dict[str, Any]) -> None:
    """Media by address and by bytes lose nothing."""
    assert as_block(as_part(block)) == block


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "image", "source": {"type": "base64", "data": PIXEL}}, f"data:image/*;base64,{PIXEL}"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": "QQ=="}},
            "data:text/html;base64,QQ==",
        ),
        ({"type": "image", "source": {"type": "url"}}, ""),
    ],
)
def test_half_made_pictures_are_still_pictures(block: dict[str, Any], part: str) -> None:
    """The type of the block says what it is, whatever its source says."""
    made = as_part(block)
    assert isinstance(made, ImageContent) and made.image_url == part


def test_a_picture_without_a_source_is_told_as_data() -> None:
    """Nobody can show it, but nothing is lost either."""
    assert as_part({"type": "image"}).model_dump()["data"] == {"type": "image"}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (FileContent(filename="a.txt", file_id="f7"), "[file a.txt f7]"),
        (FileContent(file_url="data:text/plain;base64,QQ=="), "[file, text/plain, not shown]"),
        (FileContent(), "[file]"),
    ],
)
def test_a_file_is_put_in_words(part: Content, words: str) -> None:
    """Models of agentscope take none, and would drop it unseen."""
    assert as_block(part) == {"type": "text", "text": words}


def test_an_empty_part_is_no_block() -> None:
    """Nor one of a class of somebody else."""
    assert as_block(AudioContent()) is None
    assert as_block(Content(type="other")) is None


@pytest.mark.parametrize(
    ("call", "so_far", "whole"),
    [
        ({}, "", "{}"),
        ({"input": {}}, "", "{}"),
        ({"input": {}, "raw_input": ""}, "", "{}"),
        ({"input": {"a": 1}}, '{"a": 1}', '{"a": 1}'),
        ({"input": {}, "raw_input": '{"a'}, '{"a', "{}"),
        ({"input": {"a": 1}, "raw_input": '{"a":1}'}, '{"a":1}', '{"a":1}'),
        ({"input": {"a": 1}, "raw_input": '{"a":1'}, '{"a":1', '{"a": 1}'),
        ({"input": '{"a": 1}'}, '{"a": 1}', '{"a": 1}'),
        ({"input": {"a": {1, 2}}}, '{"a": [1, 2]}', '{"a": [1, 2]}'),
    ],
)
def test_arguments_are_what_the_model_wrote_and_in_the_end_what_is_run(
    call: dict[str, Any], so_far: str, whole: str
) -> None:
    """As long as both mean the same, the model's own text stays, so that snapshots only grow."""
    assert (arguments_of(call), whole_arguments_of(call)) == (so_far, whole)


@pytest.mark.parametrize(
    ("arguments", "meant"), [('{"a": 1}', {"a": 1}), ({"a": 1}, {"a": 1}), ("[]", {}), ("", {}), (7, {})]
)
def test_arguments_are_objects(arguments: Any, meant: dict[str, Any]) -> None:
    """Clients send JSON, or an object."""
    assert input_of(arguments) == meant


@pytest.mark.parametrize(
    "output",
    [
        "sunny",
        "[1]",
        '{"a": 1}',
        [{"type": "text", "text": "a"}],
        [picture(data=PIXEL), {"type": "text", "text": "a"}, picture(data="QQ==")],
        [{"type": "image", "source": {"type": "url", "url": "http://a/b"}}, picture(data=PIXEL)],
        [],
    ],
)
def test_a_result_comes_back_as_it_was(output: Any) -> None:
    """Its pictures go beside it and take their places again."""
    parts = [as_part(block) for block in output if block["type"] != "text"] if isinstance(output, list) else []
    told = output_of({"output": output})
    assert PIXEL not in told
    assert result_of(told, parts) == output


def test_results_from_elsewhere_keep_their_pictures() -> None:
    """Clients of other programs send text and pictures, or blocks without the bytes."""
    image = ImageContent(image_url=f"data:image/png;base64,{PIXEL}")
    assert result_of("see", [image]) == [{"type": "text", "text": "see"}, picture(data=PIXEL)]
    assert result_of([picture()], []) == []
    assert result_of([{"type": "text", "text": "a"}], [image]) == [{"type": "text", "text": "a"}, picture(data=PIXEL)]
    assert result_of({"a": 1}, []) == '{"a": 1}'
    assert output_of({"output": {"a": 1}}) == '{"a": 1}'


def test_content_is_blocks() -> None:
    """A string is one of text; blocks are copies; those in results are found, too."""
    block = {"type": "tool_result", "output": ["a", {"type": "text", "text": "b"}]}
    assert blocks_in("a") == blocks_in(["a"]) == [{"type": "text", "text": "a"}]
    assert blocks_in([block])[0] is not block and blocks_in(None) == []
    assert [one.get("text") for one in every_block([block])] == [None, "a", "b"]
