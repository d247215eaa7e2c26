"""Under which address a port of a sandbox is visited: a host of its own, or a path with a secret in it.

A host of its own (`p8080-sbx-….localhost`, or below PREVIEW_DOMAIN) is an origin of its own to browsers: absolute
paths, cookies and WebSockets work, and nothing there is the manager's or another sandbox's. Where no such host leads
here, a path below `/preview/` does, whose pages have no origin at all.

Not here: who may visit (`previews`), and what travels (`port_heads`, `port_relay`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from agentscope_runtime.sandbox.places import is_loopback
from agentscope_runtime.sandbox_manager.api.visits import public_path, public_url
from agentscope_runtime.sandbox_manager.setting_values import split_domain

FOLDER = "/preview/"
LOCALHOST = "localhost"
"""Browsers resolve every name below it to the machine that they run on, and RFC 6761 says that nobody owns one."""
LABEL = re.compile(r"p([1-9][0-9]{0,4})-([a-z0-9][a-z0-9-]*)")

NUMBER = re.compile(r"[0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Place:
    """One port of one sandbox, and where it is visited."""

    sandbox_id: str
    port: int
    base: str
    """The URL that is the program's `/`, without the slash."""
    by_path: bool = False

    @property
    def origin(self) -> str:
        """The origin of `base`: of the visited pages, unless they are visited by path."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def path(self) -> str:
        """The path of `base`; empty for a host of its own."""
        return urlsplit(self.base).path


class PreviewHosts:
    """The hosts under which ports are visited: below `localhost`, and below the domain of the settings."""

    def __init__(self, domain: str | None) -> None:
        """Read the domain; `Settings.preview_domain` says in which forms."""
        self._scheme: str | None = None
        self._domain: str | None = None
        self._port: int | None = None
        if domain is not None:
            self._scheme, self._domain, self._port = split_domain(domain)

    def find(self, connection: HTTPConnection) -> Place | None:
        """Return the port that this call visits by its host; None if its host is not one of these."""
        host = connection.headers.get("host", "").lower()
        name, _, number = host.partition(":")
        label, _, domain = name.partition(".")
        found = LABEL.fullmatch(label)
        if found is None or domain not in (LOCALHOST, self._domain) or not NUMBER.fullmatch(number):
            return None
        scheme = connection.url.scheme.replace("ws", "http")
        return Place(found[2], int(found[1]), f"{scheme}://{host}")

    def make(self, connection: HTTPConnection, sandbox_id: str, port: int) -> Place | None:
        """Return the place of a port for whoever calls us so; None if no host of its own would lead him here."""
        url = connection.url
        label = f"p{port}-{sandbox_id}"
        if LABEL.fullmatch(label) is None:
            return None
        if self._domain is not None:
            number = self._port or (None if self._scheme else url.port)
            scheme, domain = self._scheme or url.scheme, self._domain
        elif is_loopback(url.hostname or "") and not public_path(connection, ""):
            number, scheme, domain = url.port, url.scheme, LOCALHOST
        else:
            return None
        return Place(sandbox_id, port, f"{scheme}://{label}.{domain}" + (f":{number}" if number else ""))


def by_path(connection: HTTPConnection, sandbox_id: str, port: int, secret: str) -> Place:
    """Return the place of a port below this secret."""
    return Place(sandbox_id, port, public_url(connection, f"{FOLDER}{secret}/{sandbox_id}/{port}"), by_path=True)
