"""The box server's own manners, in a real box: who may call, when it is ready, when it ends."""

from __future__ import annotations

import json
import time

import httpx
import pytest
import requests
from real_box import RealBox, real_box, stdout, told_box

from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox_manager.backends import Order
from agentscope_runtime.sandbox_manager.kinds import registered_kinds

pytestmark = pytest.mark.docker


def test_health_needs_no_token(shared_box: RealBox) -> None:
    """Whether it lives is no secret."""
    answer = httpx.get(f"{shared_box.base_url}/health", trust_env=False)
    assert answer.status_code == 200 and answer.json() == {"status": "ok"}


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x"])
def test_everything_else_needs_the_token(shared_box: RealBox, header: str | None) -> None:
    """A missing, wrong or misspelt token is refused, on every kind of route, known or not."""
    headers = {} if header is None else {"Authorization": header.format(token=shared_box.token)}
    for method, path in (
        ("GET", "/ready"),
        ("GET", "/tools"),
        ("POST", "/tools/run_shell_command"),
        ("POST", "/heartbeat"),
        ("GET", "/files/content?path=x"),
        ("PUT", "/files/content?path=x"),
        ("DELETE", "/files?path=x"),
        ("GET", "/nowhere"),
    ):
        answer = httpx.request(method, shared_box.base_url + path, headers=headers, trust_env=False)
        assert answer.status_code == 401, f"{method} {path}: {answer.text}"
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert (
            problem["code"] == "not_authorized" and problem["status"] == 401 and problem["title"] and problem["detail"]
        )
        assert shared_box.token not in answer.text


def test_ready_names_the_type(shared_box: RealBox) -> None:
    """A ready box says what it is."""
    assert shared_box.http.get("/ready").json() == {"ready": True, "sandbox_type": "base"}


def test_ready_refuses_a_senseless_wait(shared_box: RealBox) -> None:
    """`wait` is a number of seconds."""
    for wait in ("soon", "-1", "nan", "1e9"):
        answer = shared_box.http.get("/ready", params={"wait": wait})
        assert answer.status_code == 422 and "wait" in answer.json()["detail"]


def test_tools_are_listed_with_schemas(shared_box: RealBox) -> None:
    """Each tool says what it takes."""
    tools = {tool["name"]: tool for tool in shared_box.http.get("/tools").json()["tools"]}
    assert set(tools) == {"run_ipython_cell", "run_shell_command"}
    for name, argument in (("run_ipython_cell", "code"), ("run_shell_command", "command")):
        assert tools[name]["group"] == "generic" and tools[name]["description"]
        assert tools[name]["input_schema"]["required"] == [argument]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "'command' is missing"),
        ({"arguments": {"command": 5}}, "'command' must be a string, not an integer"),
        ({"arguments": {"command": None}}, "'command' must be a string, not null"),
        ({"arguments": {"command": "true", "cmd": "x"}}, "'cmd' is unknown; there are: 'command'"),
        ({"arguments": []}, "arguments must be an object"),
        ({"arguments": {"command": "true"}, "timeout": 0}, "timeout"),
        ({"arguments": {"command": "true"}, "timeout": "5"}, "timeout"),
        ({"arguments": {"command": "true"}, "timeout": True}, "timeout"),
        ([], "not a JSON object"),
    ],
)
def test_wrong_arguments_are_named(shared_box: RealBox, body: object, named: str) -> None:
    """A call that cannot fit is refused before anything runs, and the answer names what is wrong."""
    answer = shared_box.http.post("/tools/run_shell_command", json=body)
    assert answer.status_code == 422 and answer.json()["code"] == "invalid_request"
    assert named in answer.json()["detail"]


def test_bodies_that_are_no_json(shared_box: RealBox) -> None:
    """Neither bytes nor a torn object end in an internal error."""
    for content in (b"\xff\xfe", b'{"arguments": ', b"NaN", b"[" * 100_000):
        answer = shared_box.http.post("/tools/run_shell_command", content=content)
        assert answer.status_code == 422, answer.text


def test_text_that_is_no_unicode(shared_box: RealBox) -> None:
    """JSON can spell half of a surrogate pair: refused at once, by name."""
    for name, argument in (("run_ipython_cell", "code"), ("run_shell_command", "command")):
        body = b'{"arguments": {"%s": "\\ud800"}}' % argument.encode()
        answer = shared_box.http.post(f"/tools/{name}", content=body)
        assert answer.status_code == 422 and f"{argument!r} is not Unicode text" in answer.json()["detail"]


def test_unknown_tool_and_route(shared_box: RealBox) -> None:
    """Both are 404, with codes that tell them apart; the answer names the tools that there are."""
    answer = shared_box.http.post("/tools/browser_navigate", json={"arguments": {}})
    assert answer.status_code == 404 and answer.json()["code"] == "unknown_tool"
    assert "run_ipython_cell" in answer.json()["detail"]
    answer = shared_box.http.get("/nowhere")
    assert answer.status_code == 404 and answer.json()["code"] == "not_found"


def test_large_code_is_no_problem(shared_box: RealBox) -> None:
    """A cell may carry megabytes."""
    result = shared_box.cell(f"data = '{'x' * (2 << 20)}'\nprint(len(data))")
    assert stdout(result) == f"{2 << 20}\n"


def test_generations() -> None:
    """A call of an older lease is refused; a newer one takes the box over; none at all is let through."""
    with real_box(ready=False) as box:

        def call(generation: str | None) -> httpx.Response:
            headers = {} if generation is None else {"X-Sandbox-Generation": generation}
            return box.http.post("/heartbeat", headers=headers)

        assert call("5").status_code == 204
        assert call("4").status_code == 409 and call("4").json()["code"] == "stale_generation"
        assert call("7").status_code == 204
        assert call("6").json()["code"] == "stale_generation"
        assert call(None).status_code == 204
        for wrong in ("x", "-1", "7.0", "", "9" * 30):
            assert call(wrong).status_code == 422 and "X-Sandbox-Generation" in call(wrong).json()["detail"]
        assert call("7").status_code == 204


def test_watchdog_ends_a_forgotten_box() -> None:
    """Heartbeats keep it alive beyond its time; silence ends it within that time."""
    with real_box(watchdog_s=1.5) as box:
        for _ in range(6):
            assert box.http.post("/heartbeat").status_code == 204
            with pytest.raises(requests.exceptions.ConnectionError, match="timed out"):
                box.wait_gone(0.5)  # twice the silence in all, never as long in one piece
        began = time.monotonic()
        assert (
            httpx.get(f"{box.base_url}/health", trust_env=False).status_code == 200
        )  # not authorised: no sign of a manager
        assert box.wait_gone(10) == 75
        assert 0.9 < time.monotonic() - began < 3
        assert "no manager has spoken for 1.5 s" in box.container.logs().decode()


def test_stop_ends_it_at_once(fresh_box: RealBox) -> None:
    """SIGTERM is enough, whatever runs inside."""
    fresh_box.shell("trap '' TERM; nohup sleep 1000 >/dev/null 2>&1 &")
    began = time.monotonic()
    fresh_box.container.stop(timeout=10)
    assert time.monotonic() - began < 3
    assert fresh_box.wait_gone(5) == 0


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"", "stdin was closed without a configuration"),
        (b"nonsense\n", "the configuration is not JSON"),
        (b"{}\n", "is missing or of the wrong type"),
        (b'{"token": "short", "generation": 1, "sandbox_id": "x", "sandbox_type": "base"}\n', "token is shorter"),
    ],
)
def test_bad_configuration_ends_it(line: bytes, cause: str) -> None:
    """A box that is told nothing, or nonsense, ends with EX_CONFIG and says why; no default token ever serves."""
    with told_box(line) as container:
        assert container.wait(timeout=10)["StatusCode"] == 78
        assert cause in container.logs().decode()


def test_ca_bundle_reaches_what_users_run() -> None:
    """With a bundle, programs of the user trust the system's certificates and the given ones."""
    given = "-----BEGIN CERTIFICATE-----\nMIIBgiven\n-----END CERTIFICATE-----\n"
    asked = 'test -r "$SSL_CERT_FILE" && grep -c BEGIN "$SSL_CERT_FILE" && grep -q MIIBgiven "$PIP_CERT"'
    with real_box(ca_bundle=given) as box:
        result = box.shell(asked)
        assert result["isError"] is False and int(stdout(result)) > 100
        assert stdout(box.cell("import os; print('SSL_CERT_FILE' in os.environ)")) == "True\n"


@pytest.fixture
def robot(monkeypatch: pytest.MonkeyPatch) -> str:
    """Register a kind of one's own for one test."""
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    image = SandboxRegistry.get_image_by_type("base")
    variables = {"GREETING": "it's \n$HOME", "PYTHONPATH": "/workspace/lib", "LD_LIBRARY_PATH": "/workspace/lib"}
    SandboxRegistry.register(image, "robot", environment=variables)
    return "robot"


def test_a_kind_of_ones_own(robot: str) -> None:
    """Made like base; what users run has the environment of the registration, from the first process on."""
    asked = "import os, sys; print(os.environ['GREETING'], '/workspace/lib' in sys.path, os.environ['SANDBOX_TYPE'])"
    with real_box(robot, environment={"SANDBOX_TYPE": robot}) as box:
        assert box.http.get("/ready").json()["sandbox_type"] == robot
        for result in (box.cell(asked), box.shell(f'python -c "{asked}"')):
            assert stdout(result) == "it's \n$HOME True robot\n", result
        assert stdout(box.shell('echo "$LD_LIBRARY_PATH:$HOME:${BOX_EXPORT-}"')) == "/workspace/lib:/home/agent:\n"


def test_an_image_of_another_kind_is_refused(robot: str) -> None:
    """A box never takes an assignment that it was not built for."""
    order = Order("test-robot", registered_kinds(watchdog_seconds=60.0)(robot), time.time(), "t" * 32)
    with told_box(json.dumps(order.start_line()).encode() + b"\n", order) as container:
        assert container.wait(timeout=10)["StatusCode"] == 78
        assert "this image is of type 'base', not 'robot'" in container.logs().decode()


def test_no_ca_bundle_sets_nothing(shared_box: RealBox) -> None:
    """By default programs find their own certificates."""
    assert stdout(shared_box.shell("env | grep -c -E 'CERT|CA_BUNDLE|CAINFO' || true")) == "0\n"


def test_lazy_kernel_starts_with_the_first_cell() -> None:
    """A box with a lazy kernel is ready, and runs cells all the same."""
    with real_box(kernel="lazy") as box:
        assert stdout(box.cell("print(1)")) == "1\n"


def test_json_survives_what_users_print(shared_box: RealBox) -> None:
    """Any text comes back as it was."""
    text = 'quotes " and \\ and \u2028 and \x00 and 💡'
    assert stdout(shared_box.cell(f"print({text!r}, end='')")) == text
    assert json.loads(stdout(shared_box.cell("import json; print(json.dumps({'a': [1, None]}))"))) == {"a": [1, None]}


def test_a_host_that_refuses_namespaces() -> None:
    """Where the user land cannot be made, readiness fails at once and says why; nothing of the user runs without it."""
    with real_box(ready=False, security=["no-new-privileges"]) as box:  # the engine's own profile: no namespaces
        began = time.monotonic()
        answer = box.http.get("/ready", params={"wait": 30}, timeout=35)
        assert answer.status_code == 503 and answer.json()["code"] == "start_failed"
        assert "the user land cannot be made" in answer.json()["detail"] and time.monotonic() - began < 5
        for result in (box.cell("print(1)"), box.shell("echo 1")):
            assert result["isError"] is True and stdout(result) == "" and "the user land cannot be made" in str(result)


def test_a_call_is_made_once_by_its_key(shared_box: RealBox) -> None:
    """The answer of the first is given to whoever asks again, also when the first's connection broke in the middle."""
    call = {"arguments": {"command": "echo once >>counted; sleep 1; cat counted"}}
    key = {"Idempotency-Key": "key-of-a-call"}
    with pytest.raises(httpx.ReadTimeout):
        shared_box.http.post("/tools/run_shell_command", json=call, headers=key, timeout=0.3)
    for _ in range(2):
        answer = shared_box.http.post("/tools/run_shell_command", json=call, headers=key)
        assert stdout(answer.json()) == "once\n"
    other = shared_box.http.post("/tools/run_shell_command", json={"arguments": {"command": "true"}}, headers=key)
    assert other.status_code == 422 and "came with another call" in other.json()["detail"]
