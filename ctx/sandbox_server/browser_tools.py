"""The browser tools as agents see them: names, descriptions and arguments.

What each does stands in browser_actions, which is slow to import because it needs Playwright; this is not.

Names and arguments are those of Playwright's MCP server (camelCase); the spelling of Python (`start_ref`) is taken
too, and null or an empty string for what may be left out means just that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """One browser tool."""

    name: str
    description: str
    required: dict[str, Schema]
    optional: dict[str, Schema]
    while_blocked: bool
    """Whether it works while a dialog or a file chooser is open."""

    def schema(self) -> Schema:
        """Return the JSON schema of its arguments."""
        optional = {name: {**schema, "type": [schema["type"], "null"]} for name, schema in self.optional.items()}
        return {
            "type": "object",
            "properties": {**self.required, **optional},
            "required": list(self.required),
            "additionalProperties": False,
        }

    def aliases(self) -> dict[str, str]:
        """Return the arguments' names by how Python spells them, where that differs."""
        spelled = {re.sub(r"[A-Z]", lambda c: f"_{c[0].lower()}", name): name for name in self.schema()["properties"]}
        return {spelling: name for spelling, name in spelled.items() if spelling != name}


def _string(description: str) -> Schema:
    return {"type": "string", "description": description}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _list(description: str) -> Schema:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _number(kind: str, description: str, minimum: int) -> Schema:
    return {"type": kind, "minimum": minimum, "description": description}


ELEMENT = _string("What the element is, in words for people.")
REF = _string("The ref of the element from the last page snapshot.")
INDEX = _number("integer", "The number of the tab, counted from 1.", 1)


def _spec(
    name: str,
    description: str,
    required: dict[str, Schema] | None = None,
    optional: dict[str, Schema] | None = None,
    *,
    while_blocked: bool = False,
) -> Spec:
    return Spec(f"browser_{name}", description, required or {}, optional or {}, while_blocked)


TARGET = {"element": ELEMENT, "ref": REF}
FILENAME = _string("Where to save it in the workspace.")

SPECS = (
    _spec("navigate", "Open an address.", {"url": _string("The address.")}),
    _spec("navigate_back", "Go back to the previous page."),
    _spec("navigate_forward", "Go forward to the next page."),
    _spec("close", "Close all pages.", while_blocked=True),
    _spec(
        "resize",
        "Resize the page.",
        {"width": _number("number", "In pixels.", 1), "height": _number("number", "In pixels.", 1)},
    ),
    _spec(
        "snapshot",
        "Show the page as an accessibility tree with a ref for each element. Better than a screenshot to act on.",
    ),
    _spec("click", "Click an element.", TARGET),
    _spec("hover", "Move the pointer over an element.", TARGET),
    _spec(
        "drag",
        "Drag one element onto another.",
        {"startElement": ELEMENT, "startRef": REF, "endElement": ELEMENT, "endRef": REF},
    ),
    _spec(
        "type",
        "Type text into a field.",
        {**TARGET, "text": _string("What to type.")},
        {
            "submit": _flag("Press Enter afterwards."),
            "slowly": _flag("Press one key after the other, for pages that listen to keys."),
        },
    ),
    _spec(
        "select_option",
        "Choose options of a list.",
        {**TARGET, "values": _list("Values or labels to choose.")},
    ),
    _spec(
        "press_key",
        "Press a key.",
        {"key": _string("Such as ArrowLeft, a, or Control+A.")},
    ),
    _spec(
        "file_upload",
        "Hand files to the open file chooser.",
        {"paths": _list("Files in the workspace; none closes the chooser.")},
        while_blocked=True,
    ),
    _spec(
        "handle_dialog",
        "Answer the open dialog.",
        {"accept": _flag("Accept it, or dismiss it.")},
        {"promptText": _string("The answer to a prompt; its default where left out.")},
        while_blocked=True,
    ),
    _spec(
        "take_screenshot",
        "Take a picture of the page. Use browser_snapshot for actions.",
        optional={
            "raw": _flag("PNG instead of JPEG."),
            "filename": FILENAME,
            "element": _string("What the element is, for a picture of one element only."),
            "ref": _string("The ref of that element from the last page snapshot."),
        },
    ),
    _spec("pdf_save", "Save the page as PDF.", optional={"filename": FILENAME}),
    _spec(
        "console_messages",
        "Show the console messages of the page since it was opened.",
        while_blocked=True,
    ),
    _spec(
        "network_requests",
        "Show the network requests of the page since it was opened.",
        while_blocked=True,
    ),
    _spec("tab_list", "List the open tabs.", while_blocked=True),
    _spec("tab_new", "Open a new tab.", optional={"url": _string("What to open in it.")}),
    _spec("tab_select", "Go to another tab.", {"index": INDEX}),
    _spec("tab_close", "Close a tab.", optional={"index": INDEX}, while_blocked=True),
    _spec(
        "wait_for",
        "Wait for a time to pass, for a text to appear, or for a text to disappear.",
        optional={
            "time": _number("number", "Seconds.", 0),
            "text": _string("The text that shall appear."),
            "textGone": _string("The text that shall disappear."),
        },
    ),
)
