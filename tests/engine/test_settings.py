"""What can be set about an application."""

from __future__ import annotations

from typing import Any

import pytest

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.settings import (
    DeploymentMode,
    Settings,
    listening_address,
    without_unbuilt,
)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"endpoint_path": "process"}, "must begin with a slash"),
        ({"endpoint_path": 5}, "endpoint_path=5 must be a text"),
        ({"stream": "no"}, "stream='no' must be True or False"),
        ({"keep_alive_s": "15"}, "keep_alive_s='15' must be a number of seconds"),
        ({"bearer_token": 5}, "bearer_token=5 must be a text"),
        ({"cors_origins": 5}, "cors_origins=5 must be a list of texts"),
        ({"response_type": "text"}, "response_type must be one of sse, json; 'text'"),
        ({"on_disconnect": "ignore"}, "on_disconnect must be one of cancel, continue"),
        ({"mode": "thread"}, "mode must be one of daemon_thread, detached_process, standalone"),
        ({"keep_alive_s": 0}, "above 0"),
        ({"keep_alive_s": float("nan")}, "above 0"),
        ({"bearer_token": " "}, "bearer_token is empty"),
        ({"cors_origins": "*"}, r"must be a list: \['\*'\]"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(option: dict[str, Any], message: str) -> None:
    """Each refusal names the option, what it was given, and what it takes."""
    with pytest.raises(InvalidOption, match=message):
        Settings(**option)


def test_an_answer_streams_unless_one_of_two_options_says_no() -> None:
    """`stream=False` and `response_type="json"` mean the same."""
    assert Settings().streams
    assert not Settings(stream=False).streams
    assert not Settings(response_type="json").streams


def test_a_mode_may_be_given_by_its_name() -> None:
    """Code that has only the text gets the same."""
    assert Settings(mode="standalone").mode == DeploymentMode.STANDALONE


def test_the_key_comes_from_the_option_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option wins; an empty variable is none."""
    monkeypatch.setenv("AGENT_BEARER_TOKEN", "")
    assert Settings().token() is None
    monkeypatch.setenv("AGENT_BEARER_TOKEN", "from the environment")
    assert Settings().token() == "from the environment"
    assert Settings(bearer_token="given").token() == "given"


def test_the_key_is_never_shown() -> None:
    """Settings end up in logs."""
    assert "hunter2" not in repr(Settings(bearer_token="hunter2"))


@pytest.mark.parametrize(
    "option",
    [
        {"broker_url": "redis://localhost:6379/0"},
        {"backend_url": "redis://localhost:6379/0"},
        {"enable_embedded_worker": True},
        {"enable_stream_task": True},
        {"stream_task_queue": "mine"},
        {"stream_task_timeout": 5},
        {"a2a_config": object()},
        {"agui_config": object()},
        {"protocol_adapters": [object()]},
        {"interrupt_redis_url": "redis://localhost"},
        {"web_ui": True},
    ],
    ids=lambda option: next(iter(option)),
)
def test_what_is_not_built_is_refused(option: dict[str, Any]) -> None:
    """An option that did nothing would be found out in production."""
    with pytest.raises(InvalidOption, match=f"{next(iter(option))}= asks for .* does not have: leave it out"):
        without_unbuilt(option)


def test_what_is_left_at_its_default_asks_for_nothing() -> None:
    """Code may pass on defaults that it knows; what is not ours to judge stays."""
    given = {"broker_url": None, "enable_stream_task": False, "stream_task_queue": "stream_query", "debug": True}
    assert without_unbuilt(given) == {"debug": True}


def test_the_address_is_what_is_said_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments win over HOST and PORT; without any it is all interfaces at 8080."""
    for name in ("HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    assert listening_address(None, None) == ("0.0.0.0", 8080)
    monkeypatch.setenv("HOST", "10.0.0.1")
    monkeypatch.setenv("PORT", "9000")
    assert listening_address(None, None) == ("10.0.0.1", 9000)
    assert listening_address("127.0.0.1", 0) == ("127.0.0.1", 0)


@pytest.mark.parametrize("port", [99999, -1, "80x", "", True, 8080.5, "٣"])
def test_an_argument_that_is_no_port_is_refused(port: Any) -> None:
    """As the variable is."""
    with pytest.raises(InvalidOption, match="is not a port: it must be a number up to 65535"):
        listening_address(None, port)


def test_an_address_may_be_text_but_nothing_else() -> None:
    """What somebody read from a file is as good as a number."""
    assert listening_address("127.0.0.1", "8090") == ("127.0.0.1", 8090)
    wrong: Any = 127
    with pytest.raises(InvalidOption, match="host=127 is not an address"):
        listening_address(wrong, 80)


@pytest.mark.parametrize("port", ["http", "-1", "65536", "٣"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    """Kubernetes sets PORT to addresses when a service is called `port`."""
    monkeypatch.setenv("PORT", port)
    with pytest.raises(InvalidOption, match="is not a port"):
        listening_address(None, None)
