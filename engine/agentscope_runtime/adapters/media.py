"""Pictures, sound and files on their way in and out: `data:` URLs, and the bytes that they hold."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import mimetypes
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

from agentscope_runtime.engine.errors import EngineError
from agentscope_runtime.engine.schemas.content import AudioContent, Content, FileContent, ImageContent, VideoContent

UNKNOWN = "application/octet-stream"


class RemoteAddress(EngineError, ValueError):
    """A client names an address that this process would have to load: a slow one would keep everybody waiting.

    Nor may clients choose what a server asks for: it sees machines that they do not.
    """

    code, status, title = "remote_address", 422, "Remote address"

    @classmethod
    def of(cls, url: str) -> RemoteAddress:
        """Say which address it is, and what to do instead."""
        return cls(f"{url[:80]!r} is not loaded here: send what it holds as a data: URL or in base64")


_ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)

_INSIDE = ("localhost", "local", "internal", "lan", "home.arpa")
"""Ends of names that mean something in one's own network only."""


class LocalAddress(EngineError, ValueError):
    """A client names a file of this machine, or a place in its network; the framework would read it to the model."""

    code, status, title = "local_address", 422, "Local address"


@dataclass(frozen=True, slots=True)
class Medium:
    """Bytes in base64, and what they are."""

    media_type: str
    """Such as `image/png`."""
    base64: str

    @property
    def kind(self) -> str:
        """What comes before the slash: `image`, `audio`, `video`, or something else."""
        return self.media_type.partition("/")[0]

    @property
    def format(self) -> str:
        """What comes after it: `png`, `wav`, …"""
        return self.media_type.partition("/")[2]

    @property
    def url(self) -> str:
        """The address that holds them."""
        return f"data:{self.media_type};base64,{self.base64}"

    @classmethod
    def of(cls, data: bytes, media_type: str) -> Medium:
        """Make one of bytes."""
        return cls(media_type, base64.b64encode(data).decode("ascii"))

    def decoded(self) -> bytes:
        """Return the bytes themselves."""
        return base64.b64decode(self.base64)

    def content(self, filename: str | None = None) -> Content:
        """Return the part of a message that carries this."""
        if self.kind == "image":
            return ImageContent(image_url=self.url)
        if self.kind == "audio":
            return AudioContent(data=self.base64, format=self.format)
        if self.kind == "video":
            return VideoContent(video_url=self.url)
        return FileContent(file_data=self.base64, filename=filename)


def held_in(url: str | None) -> Medium | None:
    """Return what a `data:` URL holds; None where the address is another one, or holds no proper base64."""
    if not url or url[:5].lower() != "data:":
        return None
    header, comma, data = url[5:].partition(",")
    if not comma:
        return None
    media_type, *parameters = header.split(";")
    if not any(parameter.strip().lower() == "base64" for parameter in parameters):
        return Medium.of(unquote_to_bytes(data), media_type or "text/plain")
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    return Medium(media_type or UNKNOWN, data)


def not_loaded(url: str) -> str:
    """Return the address of a sound, film or file, if nobody would load it here: clouds' own, such as `gs://`.

    Raises:
        RemoteAddress: it is one of http(s), which frameworks load on the event loop.
        LocalAddress: it is a file of this machine, or a place in its network.
    """
    if elsewhere(url).lower().startswith(("http:", "https:")):
        raise RemoteAddress.of(url)
    return url


def elsewhere(url: str) -> str:
    """Return an address that a framework may fetch in this process for a client, who could not do so from outside.

    What a name resolves to is not looked up: it may be another place when it is fetched.

    Raises:
        LocalAddress: it is a file of this machine, or a place in its network.
    """
    if not _ADDRESS.match(url):
        raise LocalAddress(f"{url[:80]!r} is no address that an agent may load: send http(s): or data: URLs")
    if url.lower().startswith(("http:", "https:")) and not _is_public(_host_of(url)):
        raise LocalAddress(f"{url[:80]!r} is not in the public internet: send what is there as a data: URL")
    return url


def _host_of(url: str) -> str:
    """Return the host, empty where there is none that everybody would read alike."""
    if "\\" in url:
        return ""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # half an IPv6 address
        return ""


def _is_public(host: str) -> bool:
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
    if address is None:
        with suppress(OSError, UnicodeError):  # 127.1, 0x7f000001 and other forms that resolvers know
            address = ipaddress.IPv4Address(socket.inet_aton(host))
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if address is not None:
        return address.is_global and not address.is_multicast
    return "." in host and not f".{host}".endswith(tuple(f".{end}" for end in _INSIDE))


def type_of(filename: str | None, default: str = UNKNOWN) -> str:
    """Guess what a file is from its name."""
    return mimetypes.guess_type(filename)[0] or default if filename else default


def sound(part: AudioContent) -> Medium | None:
    """Return what an audio part holds; None where it is empty, or an address elsewhere."""
    if not part.data or part.data.startswith(("http://", "https://")):
        return None
    media_type = f"audio/{(part.format or 'wav').removeprefix('audio/')}"
    return held_in(part.data) or Medium(media_type, part.data)


def file(part: FileContent) -> Medium | None:
    """Return what a file part holds; None where it only says where the file is."""
    if not part.file_data:
        return held_in(part.file_url)
    return held_in(part.file_data) or Medium(type_of(part.filename), part.file_data)
