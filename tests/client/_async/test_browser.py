"""The browser's methods: what each sends, and what agent frameworks read off them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel, create_model
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandboxAsync, BrowserSandboxAsync
from agentscope_runtime.sandbox.errors import InvalidRequest

Sent = tuple[dict[str, Any], dict[str, Any]]

CALLS: dict[str, list[Sent]] = {
    "browser_navigate": [({"url": "http://x"}, {"url": "http://x"})],
    "browser_navigate_back": [({}, {})],
    "browser_navigate_forward": [({}, {})],
    "browser_close": [({}, {})],
    "browser_resize": [({"width": 5, "height": 6}, {"width": 5, "height": 6})],
    "browser_snapshot": [({}, {})],
    "browser_click": [({"element": "Go", "ref": "e1"}, {"element": "Go", "ref": "e1"})],
    "browser_hover": [({"element": "Go", "ref": "e1"}, {"element": "Go", "ref": "e1"})],
    "browser_drag": [
        (
            {"start_element": "A", "start_ref": "e1", "end_element": "B", "end_ref": "e2"},
            {"startElement": "A", "startRef": "e1", "endElement": "B", "endRef": "e2"},
        )
    ],
    "browser_type": [
        (
            {"element": "Name", "ref": "e1", "text": ""},
            {"element": "Name", "ref": "e1", "text": "", "submit": False, "slowly": False},
        )
    ],
    "browser_select_option": [
        ({"element": "List", "ref": "e1", "values": ["a"]}, {"element": "List", "ref": "e1", "values": ["a"]})
    ],
    "browser_press_key": [({"key": "Enter"}, {"key": "Enter"})],
    "browser_file_upload": [({"paths": ["a.txt"]}, {"paths": ["a.txt"]})],
    "browser_handle_dialog": [
        ({"accept": False}, {"accept": False}),
        ({"accept": True, "prompt_text": "yes"}, {"accept": True, "promptText": "yes"}),
    ],
    "browser_take_screenshot": [
        ({}, {"raw": False}),
        (
            {"raw": True, "filename": "a.png", "element": "Go", "ref": "e1"},
            {"raw": True, "filename": "a.png", "element": "Go", "ref": "e1"},
        ),
    ],
    "browser_pdf_save": [({}, {}), ({"filename": "a.pdf"}, {"filename": "a.pdf"})],
    "browser_console_messages": [({}, {})],
    "browser_network_requests": [({}, {})],
    "browser_tab_list": [({}, {})],
    "browser_tab_new": [({}, {}), ({"url": "http://x"}, {"url": "http://x"})],
    "browser_tab_select": [({"index": 2}, {"index": 2})],
    "browser_tab_close": [({}, {}), ({"index": 1}, {"index": 1})],
    "browser_wait_for": [
        ({"time": 0.5}, {"time": 0.5}),
        ({"text": "Done"}, {"text": "Done"}),
        ({"text_gone": "Busy"}, {"textGone": "Busy"}),
    ],
    "run_ipython_cell": [({"code": "1"}, {"code": "1"})],
    "run_shell_command": [({"command": "ls"}, {"command": "ls"})],
}


def browser(manager: ScriptedManager) -> BrowserSandboxAsync:
    """Make a browser sandbox of this manager."""
    return BrowserSandboxAsync(base_url=manager.url, bearer_token=KEY)


def tool_methods() -> list[Callable[..., Any]]:
    """Return the methods that are tools."""
    named = inspect.getmembers(BrowserSandboxAsync, inspect.isfunction)
    return [method for name, method in named if name.startswith(("browser_", "run_"))]


async def test_every_tool_sends_its_name_and_only_what_is_said(manager: ScriptedManager) -> None:
    """Arguments travel under the tool's own names; what was left out is left out, so that defaults work."""
    async with browser(manager) as box:
        for name, sendings in CALLS.items():
            for arguments, expected in sendings:
                result = await getattr(box, name)(**arguments)
                said = json.loads(result["content"][0]["text"])
                assert (said["name"], said["arguments"]) == (name, expected)


def test_every_tool_is_tested() -> None:
    """The table above knows all tools."""
    assert {method.__name__ for method in tool_methods()} == set(CALLS)


@pytest.mark.parametrize("method", tool_methods(), ids=lambda method: str(method.__name__))
def test_a_tool_can_become_a_schema(method: Callable[..., Any]) -> None:
    """Frameworks find a type for each parameter, build a model of it, and read what it means in Google style."""
    signature = inspect.signature(method)
    hints = get_type_hints(method)
    fields: dict[str, Any] = {}
    for name, parameter in list(signature.parameters.items())[1:]:
        assert hints[name] is not Any
        assert f"\n    {name}: " in inspect.cleandoc(method.__doc__ or "")
        # As they do: the annotation as it stands, unresolved.
        fields[name] = (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
    model: type[BaseModel] = create_model("Arguments", **fields)
    described = model.model_json_schema()
    assert set(described.get("properties", {})) == set(fields)


async def test_only_a_named_time_is_sent_with_a_tool(manager: ScriptedManager) -> None:
    """The tools have their own time-outs; waiting for a time is given that, and as much as the tool has besides."""
    async with browser(manager) as box:
        await box.browser_click("Go", "e1")
        await box.browser_wait_for(text="Done")
        await box.browser_wait_for(time=45)
    assert [seen.body.get("timeout") for seen in manager.seen if "/tools/" in seen.path] == [None, None, 75]


async def test_the_desktop_is_watched_by_a_new_link_each_time(manager: ScriptedManager) -> None:
    """Links only watch unless control is asked for, and lead to the manager."""
    async with browser(manager) as box:
        first = await box.get_desktop_url_async()
        second = await box.get_desktop_url_async(control=True)
        third = box.desktop_url
    assert len({first, second, third}) == 3
    assert first.startswith(f"{manager.url}/desktop/{box.sandbox_id or ''}")
    assert [seen.body["control"] for seen in manager.seen if seen.path.endswith("/desktop")] == [False, True, False]


async def test_a_link_is_what_the_manager_says(manager: ScriptedManager) -> None:
    """A manager may be watched at another address than it is called at."""
    async with browser(manager) as box:
        manager.then_say(b'{"url": "https://watch.example.com/x", "expires_in": 60, "control": false}')
        assert await box.get_desktop_url_async() == "https://watch.example.com/x"


async def test_programs_get_the_address_that_the_manager_says(manager: ScriptedManager) -> None:
    """A new one each time, since each opens once."""
    said = [b'{"url": "ws://box.example.com/cdp/x/%d", "expires_in": 60}' % number for number in (1, 2)]
    async with browser(manager) as box:
        manager.then_say(said[0])
        assert await box.get_cdp_url_async() == "ws://box.example.com/cdp/x/1"
        manager.then_say(said[1])
        assert box.cdp_url == "ws://box.example.com/cdp/x/2"
    assert [seen.method for seen in manager.seen if seen.path.endswith("/cdp")] == ["POST", "POST"]


def test_only_a_desktop_has_a_link() -> None:
    """A base sandbox has no screen, and so no method for it."""
    assert not hasattr(BaseSandboxAsync, "get_desktop_url_async")
    assert issubclass(BrowserSandboxAsync, BaseSandboxAsync)


async def test_arguments_that_are_no_json_are_refused(manager: ScriptedManager) -> None:
    """What cannot travel is an error here, not a mystery there."""
    async with browser(manager) as box:
        with pytest.raises(InvalidRequest, match="not JSON"):
            await box.call_tool_async("browser_navigate", {"url": object()})
        with pytest.raises(InvalidRequest, match="not JSON"):
            await box.call_tool_async("browser_wait_for", {"time": float("nan")})
        with pytest.raises(InvalidRequest, match="timeout is -1"):
            await box.call_tool_async("browser_snapshot", timeout=-1)
        with pytest.raises(InvalidRequest, match="name is empty"):
            await box.call_tool_async("")
