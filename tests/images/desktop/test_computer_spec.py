"""Which arguments the actions of `computer_use` take."""

from __future__ import annotations

import pytest

from sandbox_server.arguments import InvalidArgument, check
from sandbox_server.desktop.computer_spec import ACTIONS, SPEC, SYNONYMS, missing_or_idle


def test_the_contract_has_all_its_actions() -> None:
    """Those of the documents, and what other vocabularies call them."""
    documented = {"key", "type", "get_cursor_position", "mouse_move", "left_click", "left_click_drag", "right_click"}
    documented |= {"middle_click", "double_click", "get_screenshot", "scroll", "wait", "zoom"}
    assert documented <= set(ACTIONS)
    assert set(SPEC.required["action"]["enum"]) == set(ACTIONS) | set(SYNONYMS)


@pytest.mark.parametrize(
    ("action", "arguments", "wrong"),
    [
        ("left_click", {}, None),
        ("left_click", {"coordinate": [1, 2], "text": "ctrl"}, None),
        ("mouse_move", {}, "action 'mouse_move' needs the argument 'coordinate'"),
        ("type", {"text": "a", "coordinate": [1, 2]}, "has no use for 'coordinate'; it takes 'text'"),
        ("get_screenshot", {"text": "a"}, "it takes no other argument"),
        ("scroll", {"amount": 3}, "needs the argument 'direction'"),
        ("wait", {}, "needs the argument 'seconds'"),
        ("zoom", {}, "needs the argument 'region'"),
    ],
)
def test_each_action_takes_its_own_arguments(action: str, arguments: dict[str, object], wrong: str | None) -> None:
    """One that is missing, or would say nothing, is named."""
    said = missing_or_idle(action, {"action": action, **arguments})
    assert said is None if wrong is None else wrong in str(said)


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"action": "fly"}, "'action' must be one of"),
        ({}, "'action' is missing"),
        ({"action": "mouse_move", "coordinate": "1,2"}, "'coordinate' must be an array or null"),
        ({"action": "mouse_move", "coordinate": [1, "2"]}, "'coordinate', item 1, must be a number"),
        ({"action": "scroll", "direction": "sideways"}, "'direction' must be one of"),
        ({"action": "scroll", "direction": "up", "amount": 0}, "'amount' must be 1 or more"),
        ({"action": "wait", "seconds": 61}, "'seconds' must be 60 or less"),
        ({"action": "wait", "second": 1}, "'second' is unknown"),
    ],
)
def test_the_schema_refuses(arguments: dict[str, object], wrong: str) -> None:
    """What no action takes is refused by the schema, before anything is done."""
    with pytest.raises(InvalidArgument, match=wrong.replace(".", r"\.")):
        check(SPEC.schema(), arguments)
