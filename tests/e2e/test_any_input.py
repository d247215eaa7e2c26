"""Input of every kind for every call of the OpenAPI document: no answer is a failure of ours, and each is announced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from managers import Server
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
EXAMPLES = 25
"""Of each call. More find more, and the first ones find most: raise it when a call is new."""
SLOW = {"/v1/sandboxes/{sandbox_id}/files/watch", "/v1/events"}
"""Streams without an end: they are asked with one."""


@dataclass
class Asked:
    """A manager with a leased sandbox."""

    url: str
    key: str
    known: dict[str, str]
    """Values of parameters that lead somewhere."""


@pytest.fixture(scope="module")
def real() -> Iterator[Asked]:
    """Run a manager with a real base sandbox."""
    with Server.temporary(POOL_SIZE="base=1") as server, server.http() as http:
        body = {"session_id": "asked", "sandbox_types": ["base"]}
        sandbox = http.post("/v1/leases", json=body).json()["sandboxes"][0]["sandbox_id"]
        here = f"/v1/sandboxes/{sandbox}"
        http.put(f"{here}/files/content", params={"path": "notes/today.txt"}, content=b"text").raise_for_status()
        command = http.post(f"{here}/commands", json={"command": "cat", "stdin": True, "background": True}).json()
        yield Asked(server.url, server.key, {"sandbox_id": sandbox, "command_id": command["command_id"]})


def ask_everything(asked: Asked, examples: int) -> list[str]:
    """Ask each call so often; return what is wrong."""
    key = {"Authorization": f"Bearer {asked.key}"}
    document = httpx.get(f"{asked.url}/openapi.json", trust_env=False).json()
    wrong: list[str] = []
    with httpx.Client(base_url=asked.url, headers=key, timeout=30, trust_env=False) as http:
        for result in schemathesis.openapi.from_dict(document).get_all_operations():
            operation = cast("Any", result).ok()
            try:
                _ask(http, operation, asked.known, examples)
            except Exception as e:  # noqa: BLE001 - all that is wrong is wanted, not the first
                wrong.append(f"{operation.label}: {e!r}")
    return wrong


def _ask(http: httpx.Client, operation: Any, known: dict[str, str], examples: int) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    def try_one(case: Any) -> None:
        for name, value in case.path_parameters.items():
            if name in known and len(value) % 3:  # the others lead nowhere
                case.path_parameters[name] = known[name]
        if operation.path.endswith("/tools/{name}") and len(case.path_parameters["name"]) % 2:
            case.path_parameters["name"] = "run_shell_command"
        if "path" in (case.query or {}) and len(case.query["path"]) % 2:
            case.query["path"] = "notes" if len(case.query["path"]) % 3 else "notes/today.txt"
        if operation.label == "DELETE /v1/sandboxes/{sandbox_id}":
            case.path_parameters["sandbox_id"] = "sbx-none"
        if case.operation.path in SLOW:
            case.query = {**(case.query or {}), "seconds": 0.05}
        response = case.call(base_url=str(http.base_url), headers=dict(http.headers), timeout=60)
        case.validate_response(response, checks=CHECKS)

    try_one()


@pytest.mark.docker
@pytest.mark.slow
def test_a_real_sandbox_announces_every_answer(real: Asked) -> None:
    """Whatever is asked; afterwards it still works."""
    assert ask_everything(real, EXAMPLES) == []
    with httpx.Client(headers={"Authorization": f"Bearer {real.key}"}, timeout=60, trust_env=False) as http:
        body = {"arguments": {"code": "print(6 * 7)"}}
        told = http.post(f"{real.url}/v1/sandboxes/{real.known['sandbox_id']}/tools/run_ipython_cell", json=body).json()
    assert told["isError"] is False and "42" in told["content"][0]["text"]
