"""The bodies that travel, as somebody without our client may send them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.wire import ConnectRequest


def test_asynchronous_names_are_read_as_their_kinds() -> None:
    """`browser_async` names a class of a client; what is leased is a `browser`."""
    request = ConnectRequest.model_validate_json('{"session_id": "s", "sandbox_types": ["browser_async", "base"]}')
    assert request.sandbox_types == ["browser", "base"]
    assert ConnectRequest(session_id="s").sandbox_types == ["base"]


@pytest.mark.parametrize("name", ["", "_async", "Base", "-base", "b" * 64, "base/1"])
def test_what_is_no_name_of_a_kind_is_refused(name: str) -> None:
    """Names are checked before they are understood."""
    with pytest.raises(ValidationError, match="sandbox_types"):
        ConnectRequest(session_id="s", sandbox_types=[name])


def test_variables_of_a_lease_are_bounded_and_not_shown() -> None:
    """They travel on one line of a box, and may be secrets."""
    options = wire.LeaseOptions(environment={"API_KEY": "the-secret"})
    assert "the-secret" not in repr(options)
    assert options.needs_own
    many = {f"V{number}": "x" * 1000 for number in range(40)}
    for wrong in ({"A": "x" * 9000}, {"A B": "x"}, {"A": "nul\0"}, {"": "x"}, many):
        with pytest.raises(ValidationError):
            wire.LeaseOptions(environment=wrong)


def test_what_not_every_reader_of_json_takes_is_no_configuration() -> None:
    """It would be kept, and then nobody could read it again."""
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"x": deep}
    bad: list[dict[str, Any]] = [{"a": {"command": "\ud800"}}, {"\ud800": {}}, {"a": deep}]
    for servers in bad:
        with pytest.raises(ValidationError, match="not what every reader of JSON takes"):
            ConnectRequest.model_validate({"session_id": "s", "options": {"mcp_servers": servers}})
    smile = {"a": {"command": "\U0001f600"}}
    assert ConnectRequest.model_validate({"session_id": "s", "options": {"mcp_servers": smile}}).options.mcp_servers
