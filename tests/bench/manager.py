"""The manager under measurement, and the leanest client for it: one kept connection, no library between.

The raw client shows what the manager costs; what the SDK adds is measured beside it.
"""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from managers import Server


class Raw:
    """A kept HTTP connection to one manager."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        self._headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Make one call and return the parsed answer; every status of 400 and above is an error."""
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text) if text else None

    def connect(self, session: str, sandbox_type: str) -> str:
        """Lease one sandbox and return its id."""
        body = {"session_id": session, "sandbox_types": [sandbox_type]}
        return str(self.call("POST", "/v1/leases", body)["sandboxes"][0]["sandbox_id"])

    def tool(self, sandbox: str, name: str, **arguments: Any) -> dict[str, Any]:
        """Call one tool, which must succeed."""
        result = self.call("POST", f"/v1/sandboxes/{sandbox}/tools/{name}", {"arguments": arguments})
        if result["isError"]:
            raise RuntimeError(f"{name}: {result}")
        return dict(result)

    def release(self, session: str) -> None:
        """Give a session's sandboxes back."""
        self.call("DELETE", f"/v1/leases?session_id={session}")

    def wait_pool(self, sandbox_type: str) -> None:
        """Wait until the pool is full and nothing starts or stops: the machine is as quiet as it gets."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            status = self.call("GET", "/v1/pool")["types"][sandbox_type]
            if status["ready"] >= status["target"] and not status["starting"] and not status["stopping"]:
                return
            time.sleep(0.05)
        raise TimeoutError(f"the pool of {sandbox_type} did not fill in 120 s")
