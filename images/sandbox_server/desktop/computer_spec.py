"""The tool `computer_use` as agents see it: its actions, which arguments each takes, and how it answers.

Data only. Names are those of the tool that agents know as `computer`, too; what other vocabularies have for the same
(`screenshot`, `scroll_direction`) is taken as well. What the actions do: `computer_actions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox_server.tool_spec import TIMED_OUT, Schema, ToolSpec, number, string

OTHER_NAMES = ("computer",)
ALIASES = {"scroll_direction": "direction", "scroll_amount": "amount", "duration": "seconds"}
SYNONYMS = {"screenshot": "get_screenshot", "cursor_position": "get_cursor_position"}
WAIT_MAX_S = 60
SCROLL_MAX = 100
DIRECTIONS = ("up", "down", "left", "right")


@dataclass(frozen=True, slots=True)
class Takes:
    """What one action needs, and what it may have besides."""

    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


CLICK = Takes(may=("coordinate", "text"))
ACTIONS = {
    "key": Takes(("text",)),
    "type": Takes(("text",)),
    "hold_key": Takes(("text", "seconds")),
    "mouse_move": Takes(("coordinate",)),
    "left_click": CLICK,
    "right_click": CLICK,
    "middle_click": CLICK,
    "double_click": CLICK,
    "triple_click": CLICK,
    "left_click_drag": Takes(("coordinate",), ("startCoordinate",)),
    "left_mouse_down": Takes(may=("coordinate",)),
    "left_mouse_up": Takes(may=("coordinate",)),
    "scroll": Takes(("direction",), ("amount", "coordinate", "text")),
    "wait": Takes(("seconds",)),
    "get_cursor_position": Takes(),
    "get_screenshot": Takes(),
    "zoom": Takes(("region",)),
}


def missing_or_idle(action: str, arguments: dict[str, Any]) -> str | None:
    """Return what is wrong with the arguments of an action: one that it needs, or one that would say nothing to it."""
    takes = ACTIONS[action]
    for name in takes.needs:
        if name not in arguments:
            return f"action {action!r} needs the argument {name!r}"
    idle = set(arguments) - {"action", *takes.needs, *takes.may}
    if idle:
        wanted = ", ".join(map(repr, (*takes.needs, *takes.may))) or "no other argument"
        return f"action {action!r} has no use for {', '.join(map(repr, sorted(idle)))}; it takes {wanted}"
    return None


def _pair(description: str) -> Schema:
    return {"type": "array", "items": {"type": "number"}, "description": description}


SPEC = ToolSpec(
    name="computer_use",
    group="computer-use",
    description=(
        "See the screen of the sandbox, and use its mouse and keyboard. Coordinates are pixels of the screenshot, "
        "[0, 0] is top left. Actions: get_screenshot; zoom: a part of the screen, enlarged; get_cursor_position; "
        "mouse_move; left_click, right_click, middle_click, double_click, triple_click: at the coordinate, or where "
        "the pointer is, with `text` naming keys to hold (ctrl); left_click_drag: from startCoordinate, or where the "
        "pointer is, to coordinate; left_mouse_down, left_mouse_up; scroll; key: press keys (Return, ctrl+s, several "
        "with spaces between); hold_key: for some seconds; type: any text; wait: some seconds. Take a screenshot after "
        "what should have changed something."
    ),
    required={
        "action": string("What to do.", enum=[*ACTIONS, *SYNONYMS]),
    },
    optional={
        "coordinate": _pair("[x, y] on the screen: where to act; for left_click_drag, where to drag to."),
        "text": string("What to type, which keys to press or hold, or which keys to hold down during a click."),
        "startCoordinate": _pair("[x, y] where left_click_drag begins; by default where the pointer is."),
        "direction": string("Of scroll.", enum=[*DIRECTIONS, None]),
        "amount": number("integer", "Of scroll: clicks of the wheel.", 1, maximum=SCROLL_MAX, default=3),
        "seconds": number("number", "Of wait and hold_key.", 0, maximum=WAIT_MAX_S),
        "region": _pair("[left, top, right, bottom] on the screen: what zoom shows."),
    },
    returns=(
        '`{"ok": true}` as text; get_cursor_position: `{"x": …, "y": …}`; get_screenshot: '
        '`{"image_width": …, "image_height": …}` and the picture as PNG, the pointer drawn in; zoom: the same.'
    ),
    fails=("The screen does not answer.", TIMED_OUT),
)
