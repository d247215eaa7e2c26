"""How calls travel over httpx: one kept-alive client, requests built cheaply, failures told in our own words.

What is the same for async and sync stands here; the connections that send and receive are `_async/connection.py` and
its generated twin. httpx is imported at the first use: importing the package stays cheap.
"""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agentscope_runtime.sandbox.errors import (
    CallTimeout,
    InternalError,
    InvalidRequest,
    ManagerUnreachable,
    NotAuthorized,
    SandboxError,
    from_problem,
)

if TYPE_CHECKING:
    import httpx

    from agentscope_runtime.sandbox.calls import Call
    from agentscope_runtime.sandbox.settings import Origin

T = TypeVar("T")

MARGIN: Final = 2.0
"""Seconds on top of a call's time before the client gives up: box and manager answer within one."""

CONNECT_TIMEOUT: Final = 5.0
"""Seconds to reach the manager at all."""

CHUNK: Final = 1 << 20
"""Bytes that a file is streamed by."""


def client_options(origin: Origin) -> dict[str, Any]:
    """Return what httpx.Client and httpx.AsyncClient are made with."""
    import httpx

    options: dict[str, Any] = {
        # As many threads as a program has may call at once; the server is the one to limit.
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60.0),
        "trust_env": not all(each.loopback for each in origin.all),
    }
    if all(each.base_url.startswith("http://") for each in origin.all):
        # Loading certificate authorities takes 20 ms, and nothing here would ask them. An empty context trusts nobody.
        options["verify"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return options


def headers(origin: Origin) -> list[tuple[str, str]]:
    """Return what every request to this manager carries."""
    common = [("User-Agent", "agentscope-runtime"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]
    return common if origin.key is None else [*common, ("Authorization", f"Bearer {origin.key}")]


def build(origin: Origin, call: Call[T], timeout: float, content: Any = None) -> httpx.Request:
    """Make the request of a call: its body, or `content` streamed.

    Built by hand, it skips the merging of URLs, headers, cookies and parameters that `client.request` does each time.
    """
    import httpx

    sent = headers(origin)
    if call.content_type is not None:
        sent.append(("Content-Type", call.content_type))
    if call.key is not None:
        sent.append(("Idempotency-Key", call.key))
    limits = httpx.Timeout(timeout + MARGIN, connect=CONNECT_TIMEOUT)
    return httpx.Request(
        call.method,
        origin.base_url + call.path,
        headers=sent,
        content=call.body if content is None else content,
        extensions={"timeout": limits.as_dict()},
    )


def read(origin: Origin, call: Call[T], status: int, head: Any, body: bytes) -> T:
    """Make sense of a whole answer: its value, or the error that it is."""
    if status >= 300:
        raise refusal(origin, call, status, head, body)
    try:
        return call.read(body)
    except (ValueError, KeyError, TypeError) as error:
        raise InternalError(
            f"could not {call.what}: {origin.base_url} answered HTTP {status} with something that is no answer to it "
            f"({error}); is it a sandbox manager, and of this version?"
        ) from error


def refusal(origin: Origin, call: Call[T], status: int, head: Any, body: bytes) -> SandboxError:
    """Make the error that an answer with an error status is."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        # Not ours: a proxy in between, another server, another path.
        start = " ".join(body[:200].decode("utf-8", "replace").split())
        problem = {"detail": f"could not {call.what}: {origin.base_url} answered HTTP {status} {start}".rstrip()}
    if "retry_after" not in problem and (seconds := head.get("retry-after", "")).isdigit():
        problem["retry_after"] = int(seconds)
    error = from_problem(problem, status)
    if type(error) is NotAuthorized:  # not Forbidden: there the key is not what is wrong
        return NotAuthorized(f"{error.detail} (tried {origin.key_from}, at {origin.base_url})", **error.extras)
    return error


def translated(origin: Origin, call: Call[T], timeout: float, error: Exception) -> SandboxError:
    """Make our error of one of httpx's."""
    import httpx

    cause = str(error) or type(error).__name__
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)):
        return ManagerUnreachable(
            f"could not {call.what}: no sandbox manager answers at {origin.places} ({cause}); start one with "
            "runtime-sandbox-server, correct base_url, or leave base_url out to run one in this process"
        )
    if isinstance(error, httpx.TimeoutException):
        seconds = timeout + MARGIN
        return CallTimeout(f"could not {call.what}: no answer within {seconds:g} s; give it more with timeout=")
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
        return InvalidRequest(f"could not {call.what}: {cause}")
    return ManagerUnreachable(
        f"could not {call.what}: the connection to {origin.base_url} broke ({cause}); the manager may have stopped"
        + ("" if call.idempotent else ", and whether the call took effect is not known")
    )
