"""What can be set about an application: read once when it is made, then frozen.

Not here: how the state services are chosen (`services.factory`), and what uvicorn is told beyond its address.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, get_args

from agentscope_runtime.engine.errors import InvalidOption

OnDisconnect = Literal["cancel", "continue"]
ResponseType = Literal["sse", "json"]

_UNBUILT = {
    "broker_url": "tasks on a Celery broker",
    "backend_url": "results of tasks on a Celery backend",
    "embed_task_processor": "a Celery worker within the application",
    "enable_embedded_worker": "a Celery worker within the application",
    "enable_stream_task": "queries as background tasks",
    "stream_task_queue": "queries as background tasks",
    "stream_task_timeout": "queries as background tasks",
    "a2a_config": "the A2A protocol",
    "agui_config": "the AG-UI protocol",
    "protocol_adapters": "further protocols",
    "interrupt_redis_url": "stopping runs of other nodes over Redis",
    "web_ui": "the web page to chat on",
}
"""Options that code for this API may give, and what they ask for, which does not exist yet."""

MAX_BODY_SIZE = 32 * 1024 * 1024
"""Bytes that the body of a request may have unless the user says otherwise; pictures and documents travel in it."""

_UNBUILT_DEFAULTS = {"stream_task_queue": "stream_query"}


class DeploymentMode(StrEnum):
    """How the process that serves an application came to be; `/health` tells it."""

    DAEMON_THREAD = "daemon_thread"  #: it serves in the process that made it
    DETACHED_PROCESS = "detached_process"  #: somebody started a process for it, and went
    STANDALONE = "standalone"  #: it is all that its container or package runs


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an application answers."""

    endpoint_path: str = "/process"
    """Path of query handlers that name none."""
    stream: bool = True
    """Whether queries are answered as a stream of events; else each with one JSON document. A request may say
    `"stream": false` itself."""
    response_type: ResponseType = "sse"
    """`json` is the same as `stream=False`."""
    on_disconnect: OnDisconnect = "cancel"
    """What becomes of a run whose reader left: `cancel` stops it, `continue` lets it finish."""
    keep_alive_s: float = 15.0
    """Seconds of silence after which a stream gets a comment, so that no proxy takes it for dead. Most wait for 60."""
    bearer_token: str | None = field(default=None, repr=False)
    """The key that callers of agents must show; None reads `AGENT_BEARER_TOKEN`, and without that everybody may."""
    cors_origins: Sequence[str] = ()
    """Origins of web pages that may call from a browser, such as `https://chat.example.org`; `*` is any."""
    mode: DeploymentMode | str = DeploymentMode.DAEMON_THREAD
    """Told by `/` and `/health`."""

    def __post_init__(self) -> None:
        check_kind("endpoint_path", self.endpoint_path, str, "a text")
        check_kind("stream", self.stream, bool, "True or False")
        check_kind("keep_alive_s", self.keep_alive_s, int | float, "a number of seconds")
        check_kind("bearer_token", self.bearer_token or "", str, "a text")
        check_kind("cors_origins", self.cors_origins, Sequence, "a list of texts")
        if not self.endpoint_path.startswith("/"):
            raise InvalidOption(f"endpoint_path={self.endpoint_path!r} must begin with a slash")
        _check_choice("response_type", self.response_type, get_args(ResponseType))
        _check_choice("on_disconnect", self.on_disconnect, get_args(OnDisconnect))
        _check_choice("mode", self.mode, tuple(DeploymentMode))
        if not self.keep_alive_s > 0:
            raise InvalidOption(f"keep_alive_s={self.keep_alive_s} must be a number of seconds above 0")
        if self.bearer_token is not None and not self.bearer_token.strip():
            raise InvalidOption("bearer_token is empty: leave it out to let everybody in")
        if isinstance(self.cors_origins, str):
            raise InvalidOption(f"cors_origins={self.cors_origins!r} must be a list: [{self.cors_origins!r}]")

    @property
    def streams(self) -> bool:
        """Whether queries stream when the request does not say otherwise."""
        return self.stream and self.response_type == "sse"

    def token(self) -> str | None:
        """Return the key that callers must show, if they must."""
        return self.bearer_token or os.environ.get("AGENT_BEARER_TOKEN", "").strip() or None


def check_kind(name: str, value: object, kind: Any, words: str) -> None:
    """See that an option is of a kind.

    Raises:
        InvalidOption: it is not; `words` say what it must be.
    """
    if not isinstance(value, kind):
        raise InvalidOption(f"{name}={value!r} must be {words}")


def without_unbuilt(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without those whose feature does not exist yet; to take such and do nothing would be a lie.

    Raises:
        InvalidOption: one of them was given a value.
    """
    for name, feature in _UNBUILT.items():
        if (value := options.get(name)) and value != _UNBUILT_DEFAULTS.get(name):
            raise InvalidOption(f"{name}= asks for {feature}, which this version does not have: leave it out")
    return {name: value for name, value in options.items() if name not in _UNBUILT}


def listening_address(host: str | None, port: int | str | None) -> tuple[str, int]:
    """Return where to listen: as said, else as `HOST` and `PORT` say, else on all interfaces at 8080.

    Raises:
        InvalidOption: it is not an address.
    """
    if host is not None and not isinstance(host, str):
        raise InvalidOption(f'host={host!r} is not an address: write it as text, such as "127.0.0.1"')
    host = host or os.environ.get("HOST", "").strip() or "0.0.0.0"
    if port is None:
        return host, _port("PORT", os.environ.get("PORT", "").strip() or "8080")
    return host, _port("port", port)


def _port(name: str, given: int | str) -> int:
    text = "" if isinstance(given, bool) else str(given)
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise InvalidOption(f"{name}={given!r} is not a port: it must be a number up to 65535")
    return int(text)


def _check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidOption(f"{name} must be one of {', '.join(choices)}; {value!r} is none of them")
