"""Calls of a served manager are spans."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
from opentelemetry.trace import StatusCode
from pydantic import SecretStr
from served_manager import KEY, served
from spans import Spans

from agentscope_runtime.sandbox_manager.api import create_app
from agentscope_runtime.sandbox_manager.backends import Owner
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend
from agentscope_runtime.sandbox_manager.settings import Settings

CALL = "POST /v1/sandboxes/{sandbox_id}/tools/{name}"


async def test_calls_are_named_by_their_route_and_connects_are_within_theirs(tmp_path: Path) -> None:
    """A tool call says which tool, of which sandbox; a failure of ours is an error."""
    spans, backend = Spans(), FakeBackend(Owner("installation", "manager"))
    settings = Settings(state_dir=tmp_path, port=0, bearer_token=SecretStr(KEY), pool_size=0)
    app = create_app(settings, backend=backend, tracing=spans.tracing)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with served(app) as url, httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
        body = {"session_id": "s1", "user_id": "alice", "sandbox_types": ["base"]}
        (box,) = (await http.post("/v1/leases", json=body)).json()["sandboxes"]
        name = box["sandbox_id"]
        arguments = {"arguments": {"command": "true"}}
        assert (await http.post(f"/v1/sandboxes/{name}/tools/run_shell_command", json=arguments)).status_code == 200
        await backend.die(name)
        assert (await http.get(f"/v1/sandboxes/{name}/tools")).status_code >= 400
    await backend.aclose()
    found = spans.by_name()
    connect, lease, tool = found["connect"], found["POST /v1/leases"], found[CALL]
    assert lease.context is not None
    assert connect.parent is not None
    assert connect.parent.span_id == lease.context.span_id
    assert {"start", "container", "ready"} <= found.keys()
    assert tool.attributes is not None
    assert tool.attributes["sandbox.id"] == name
    assert tool.attributes["gen_ai.tool.name"] == "run_shell_command"
    assert tool.attributes["http.response.status_code"] == 200
    assert tool.status.status_code is StatusCode.UNSET


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    """It costs nothing where nobody wants it."""
    program = (
        "import sys; import agentscope_runtime.sandbox_manager.api, agentscope_runtime.sandbox_manager.__main__ as m; "
        "assert m._tracing() is None; print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
