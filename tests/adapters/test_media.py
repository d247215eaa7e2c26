"""Pictures, sound and files, and the addresses that hold them."""

from __future__ import annotations

import pytest

from agentscope_runtime.adapters.media import (
    LocalAddress,
    Medium,
    RemoteAddress,
    elsewhere,
    file,
    held_in,
    not_loaded,
    sound,
    type_of,
)
from agentscope_runtime.engine.schemas.content import AudioContent, FileContent


@pytest.mark.parametrize(
    ("url", "medium"),
    [
        ("data:image/png;base64,AAAA", Medium("image/png", "AAAA")),
        ("DATA:image/svg+xml;charset=utf-8;base64,AAAA", Medium("image/svg+xml", "AAAA")),
        ("data:,hello%20there", Medium("text/plain", "aGVsbG8gdGhlcmU=")),
        ("data:;base64,AAAA", Medium("application/octet-stream", "AAAA")),
        ("data:image/png;base64,not base64", None),
        ("data:image/png", None),
        ("https://example.com/a.png", None),
        ("file:///etc/passwd", None),
        ("", None),
        (None, None),
    ],
)
def test_a_data_url_holds_its_bytes(url: str | None, medium: Medium | None) -> None:
    """Other addresses hold none; what they point to is nobody's to fetch here."""
    assert held_in(url) == medium


@pytest.mark.parametrize(
    ("media_type", "type"),
    [("image/png", "image"), ("audio/wav", "audio"), ("video/mp4", "video"), ("application/pdf", "file")],
)
def test_a_medium_is_a_part_of_its_kind(media_type: str, type: str) -> None:
    """Each kind has its own class of content."""
    medium = Medium.of(b"abc", media_type)
    assert (medium.decoded(), medium.content("a").type) == (b"abc", type)


def test_sound_is_bytes_or_an_address() -> None:
    """Clients send base64 with a format, or a data URL, or a link."""
    assert sound(AudioContent(data="AAAA", format="mp3")) == Medium("audio/mp3", "AAAA")
    assert sound(AudioContent(data="AAAA")) == Medium("audio/wav", "AAAA")
    assert sound(AudioContent(data="data:audio/ogg;base64,AAAA", format="mp3")) == Medium("audio/ogg", "AAAA")
    assert sound(AudioContent(data="https://example.com/a.wav")) is None
    assert sound(AudioContent()) is None


def test_a_file_is_bytes_or_an_address() -> None:
    """What it is, its name tells."""
    assert file(FileContent(file_data="AAAA", filename="a.pdf")) == Medium("application/pdf", "AAAA")
    assert file(FileContent(file_url="data:text/csv;base64,AAAA")) == Medium("text/csv", "AAAA")
    assert file(FileContent(file_url="https://example.com/a.pdf")) is None
    assert type_of(None) == type_of("a.unknown") == "application/octet-stream"


LOCAL = """
    /etc/passwd file:///etc/passwd FILE:///etc/passwd http://127.0.0.1/a http://127.1/a http://0x7f000001/a
    http://2130706433/a http://169.254.169.254/latest/meta-data HTTP://10.0.0.1:80/a https://192.168.1.1/a
    http://[::1]/a http://[::ffff:127.0.0.1]/a http://[fd00::1]/a http://0.0.0.0/a http://localhost:8080/a
    http://localhost./a http://redis:6379/a http://metadata.google.internal/a http://a@127.0.0.1/a http:///a http://[/a
    http://example.com\\@127.0.0.1/a
"""


@pytest.mark.parametrize("url", LOCAL.split())
def test_what_is_here_is_not_fetched_for_clients(url: str) -> None:
    """Files of this machine, and what only it can reach, such as the cloud's credentials."""
    with pytest.raises(LocalAddress):
        elsewhere(url)


@pytest.mark.parametrize("url", ["https://example.com/a.wav", "HTTP://example.com/a.wav"])
def test_what_is_elsewhere_is_not_loaded(url: str) -> None:
    """A slow server would keep everybody waiting; the client can send what is there."""
    with pytest.raises(RemoteAddress, match="send what it holds as a data: URL or in base64"):
        not_loaded(url)
    assert not_loaded("gs://bucket/a") == "gs://bucket/a"
    with pytest.raises(LocalAddress):
        not_loaded("http://127.0.0.1/a.wav")


@pytest.mark.parametrize(
    "url", ["https://example.com/a.wav", "http://93.184.216.34/a", "http://[2606:4700::1]/a", "gs://bucket/a"]
)
def test_what_is_elsewhere_may_be_fetched(url: str) -> None:
    """Public addresses, and names of clouds' own."""
    assert elsewhere(url) == url
