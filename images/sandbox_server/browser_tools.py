"""The browser tools as agents see them: names, descriptions and arguments.

What each does stands in browser_actions, which is slow to import because it needs Playwright; this is not.

Names and arguments are those of Playwright's MCP server (camelCase); the spelling of Python (`start_ref`) is taken
too, and null or an empty string for what may be left out means just that.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox_server.tool_spec import Schema, ToolSpec, flag, number, string, strings


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(ToolSpec):
    """One browser tool."""

    while_blocked: bool
    """Whether it works while a dialog or a file chooser is open."""


ELEMENT = string("What the element is, in words for people.")
REF = string("The ref of the element from the last page snapshot.")
INDEX = number("integer", "The number of the tab, counted from 1.", 1)


def _spec(
    name: str,
    description: str,
    required: dict[str, Schema] | None = None,
    optional: dict[str, Schema] | None = None,
    *,
    while_blocked: bool = False,
) -> Spec:
    return Spec(
        name=f"browser_{name}",
        group="playwright",
        description=description,
        required=required or {},
        optional=optional or {},
        while_blocked=while_blocked,
    )


TARGET = {"element": ELEMENT, "ref": REF}
FILENAME = string("Where to save it in the workspace.")

SPECS = (
    _spec("navigate", "Open an address.", {"url": string("The address.")}),
    _spec("navigate_back", "Go back to the previous page."),
    _spec("navigate_forward", "Go forward to the next page."),
    _spec("close", "Close all pages.", while_blocked=True),
    _spec(
        "resize",
        "Resize the page.",
        {"width": number("number", "In pixels.", 1), "height": number("number", "In pixels.", 1)},
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
        {**TARGET, "text": string("What to type.")},
        {
            "submit": flag("Press Enter afterwards."),
            "slowly": flag("Press one key after the other, for pages that listen to keys."),
        },
    ),
    _spec(
        "select_option",
        "Choose options of a list.",
        {**TARGET, "values": strings("Values or labels to choose.")},
    ),
    _spec(
        "press_key",
        "Press a key.",
        {"key": string("Such as ArrowLeft, a, or Control+A.")},
    ),
    _spec(
        "file_upload",
        "Hand files to the open file chooser.",
        {"paths": strings("Files in the workspace; none closes the chooser.")},
        while_blocked=True,
    ),
    _spec(
        "handle_dialog",
        "Answer the open dialog.",
        {"accept": flag("Accept it, or dismiss it.")},
        {"promptText": string("The answer to a prompt; its default where left out.")},
        while_blocked=True,
    ),
    _spec(
        "take_screenshot",
        "Take a picture of the page. Use browser_snapshot for actions.",
        optional={
            "raw": flag("PNG instead of JPEG."),
            "filename": FILENAME,
            "element": string("What the element is, for a picture of one element only."),
            "ref": string("The ref of that element from the last page snapshot."),
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
    _spec("tab_new", "Open a new tab.", optional={"url": string("What to open in it.")}),
    _spec("tab_select", "Go to another tab.", {"index": INDEX}),
    _spec("tab_close", "Close a tab.", optional={"index": INDEX}, while_blocked=True),
    _spec(
        "wait_for",
        "Wait for a time to pass, for a text to appear, or for a text to disappear.",
        optional={
            "time": number("number", "Seconds.", 0),
            "text": string("The text that shall appear."),
            "textGone": string("The text that shall disappear."),
        },
    ),
)
