"""Agno's media as parts of our messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from agno.media import Audio, File, Image, Video

from agentscope_runtime.adapters.agno.media import AnyMedium, from_agno
from agentscope_runtime.engine.schemas.content import AudioContent, Content, FileContent, ImageContent, VideoContent

LINK = "https://example.com/a"


@pytest.mark.parametrize(
    ("medium", "part"),
    [
        (Image(url=LINK), ImageContent(image_url=LINK)),
        (Image(content=b"abc"), ImageContent(image_url="data:image/png;base64,YWJj")),
        (Image(content=b"abc", format="jpeg"), ImageContent(image_url="data:image/jpeg;base64,YWJj")),
        (Image(content=b"abc", mime_type="image/gif"), ImageContent(image_url="data:image/gif;base64,YWJj")),
        (Audio(url=LINK, format="mp3"), AudioContent(data=LINK, format="mp3")),
        (Audio(content=b"abc", format="mp3"), AudioContent(data="YWJj", format="mp3")),
        (Video(url=LINK), VideoContent(video_url=LINK)),
        (Video(content=b"abc"), VideoContent(video_url="data:video/mp4;base64,YWJj")),
        (File(url=LINK, filename="a.pdf"), FileContent(file_url=LINK, filename="a.pdf")),
        (File(content="abc", filename="a.txt"), FileContent(file_data="YWJj", filename="a.txt")),
        (File(id="file-1"), FileContent(file_id="file-1")),
    ],
)
def test_media_are_parts_of_their_kind(medium: AnyMedium, part: Content) -> None:
    """As addresses, or as bytes."""
    assert from_agno(medium) == part


def test_what_a_tool_put_on_disk_is_read(tmp_path: Path) -> None:
    """Clients cannot read this machine's disk."""
    path = tmp_path / "a.png"
    path.write_bytes(b"abc")
    assert from_agno(Image(filepath=path)) == ImageContent(image_url="data:image/png;base64,YWJj")
