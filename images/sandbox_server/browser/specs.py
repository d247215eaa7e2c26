"""The browser tools as agents see them: names, descriptions and arguments.

What each does stands in `actions`, which is slow to import because it needs Playwright; this is not.

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


SNAPSHOT = (
    "What was done, the open tabs if there are several, the page's address and title, and its snapshot: a tree of its "
    "elements with a `[ref=…]` for each. Files that were downloaded meanwhile are named."
)
PAGE = "What was done, and the page's address and title."
NO_ANSWER = "The page or the browser does not answer in time, or the browser ended, which is started again."
BLOCKED = "A dialog or a file chooser is open: answer that first."
NO_PAGE = "No page is open."
NO_REF = "The ref is not in the last snapshot, or its element is gone."
CANNOT = "The element cannot be acted on: it is hidden, covered, disabled, or of another kind."
NOT_REACHED = "The address cannot be reached, or its server does not answer."


def _spec(  # noqa: PLR0913 - the columns of the table below
    name: str,
    description: str,
    required: dict[str, Schema] | None = None,
    optional: dict[str, Schema] | None = None,
    *,
    while_blocked: bool = False,
    returns: str = SNAPSHOT,
    fails: tuple[str, ...] = (),
) -> Spec:
    return Spec(
        name=f"browser_{name}",
        group="playwright",
        description=description,
        required=required or {},
        optional=optional or {},
        while_blocked=while_blocked,
        returns=returns,
        fails=(*fails, *(() if while_blocked else (BLOCKED,)), NO_ANSWER),
    )


TARGET = {"element": ELEMENT, "ref": REF}
TARGET_FAILS = (NO_REF, CANNOT)
CONFINED = "The file name leads out of the workspace, or cannot be written."
FILENAME = string("Where to save it in the workspace.")

SPECS = (
    _spec("navigate", "Open an address.", {"url": string("The address.")}, fails=(NOT_REACHED,)),
    _spec("navigate_back", "Go back to the previous page.", fails=("There is no page to go back to.", NOT_REACHED)),
    _spec("navigate_forward", "Go forward to the next page.", fails=("There is no page to go to.", NOT_REACHED)),
    _spec("close", "Close all pages.", while_blocked=True, returns="That no page is open."),
    _spec(
        "resize",
        "Resize the page.",
        {"width": number("number", "In pixels.", 1), "height": number("number", "In pixels.", 1)},
        returns=PAGE,
        fails=(NO_PAGE, "It would have more than 8192 pixels in one direction."),
    ),
    _spec(
        "snapshot",
        "Show the page as an accessibility tree with a ref for each element. Better than a screenshot to act on.",
    ),
    _spec("click", "Click an element.", TARGET, fails=TARGET_FAILS),
    _spec("hover", "Move the pointer over an element.", TARGET, fails=TARGET_FAILS),
    _spec(
        "drag",
        "Drag one element onto another.",
        {"startElement": ELEMENT, "startRef": REF, "endElement": ELEMENT, "endRef": REF},
        fails=TARGET_FAILS,
    ),
    _spec(
        "type",
        "Type text into a field.",
        {**TARGET, "text": string("What to type.")},
        {
            "submit": flag("Press Enter afterwards.", default=False),
            "slowly": flag("Press one key after the other, for pages that listen to keys.", default=False),
        },
        fails=TARGET_FAILS,
    ),
    _spec(
        "select_option",
        "Choose options of a list.",
        {**TARGET, "values": strings("Values or labels to choose.")},
        fails=(*TARGET_FAILS, "The list has no such option."),
    ),
    _spec(
        "press_key",
        "Press a key.",
        {"key": string("Such as ArrowLeft, a, or Control+A.")},
        fails=(NO_PAGE, "No key has this name."),
    ),
    _spec(
        "file_upload",
        "Hand files to the open file chooser.",
        {"paths": strings("Files in the workspace; none closes the chooser.")},
        while_blocked=True,
        fails=("No file chooser is open.", "A file does not exist, or is outside of the workspace and of /tmp."),
    ),
    _spec(
        "handle_dialog",
        "Answer the open dialog.",
        {"accept": flag("Accept it, or dismiss it.")},
        {"promptText": string("The answer to a prompt; its default where left out.")},
        while_blocked=True,
        fails=("No dialog is open.",),
    ),
    _spec(
        "take_screenshot",
        "Take a picture of the page. Use browser_snapshot for actions.",
        optional={
            "raw": flag("PNG instead of JPEG.", default=False),
            "filename": FILENAME,
            "element": string("What the element is, for a picture of one element only."),
            "ref": string("The ref of that element from the last page snapshot."),
        },
        returns="The picture as an image; then what was done, where it was saved if a name was given, and the page's "
        "address and title.",
        fails=(NO_PAGE, NO_REF, "Only one of `element` and `ref` is given.", CONFINED),
    ),
    _spec(
        "pdf_save",
        "Save the page as PDF.",
        optional={"filename": string("Where to save it in the workspace; by default `page-<time>.pdf`.")},
        returns="What was done, the path of the file, and the page's address and title.",
        fails=(NO_PAGE, CONFINED),
    ),
    _spec(
        "console_messages",
        "Show the console messages of the page since it was opened.",
        while_blocked=True,
        returns="A text with a line for each of the last 1 000: `[TYPE] message`; then a text with the page's address "
        "and title.",
        fails=(NO_PAGE,),
    ),
    _spec(
        "network_requests",
        "Show the network requests of the page since it was opened.",
        while_blocked=True,
        returns="A text with a line for each of the last 1 000: `[METHOD] address => [status] words`; then a text with "
        "the page's address and title.",
        fails=(NO_PAGE,),
    ),
    _spec("tab_list", "List the open tabs.", while_blocked=True, returns="A line for each tab, numbered from 1."),
    _spec(
        "tab_new",
        "Open a new tab.",
        optional={"url": string("What to open in it; by default it stays blank.")},
        fails=(NOT_REACHED,),
    ),
    _spec("tab_select", "Go to another tab.", {"index": INDEX}, fails=("No tab has this number.",)),
    _spec(
        "tab_close",
        "Close a tab.",
        optional={"index": number("integer", "The number of the tab, counted from 1; by default the current one.", 1)},
        while_blocked=True,
        fails=("No tab has this number.",),
    ),
    _spec(
        "wait_for",
        "Wait for a time to pass, for a text to appear, or for a text to disappear.",
        optional={
            "time": number("number", "Seconds.", 0),
            "text": string("The text that shall appear."),
            "textGone": string("The text that shall disappear."),
        },
        fails=(NO_PAGE, "The text is not there, or still there, when its time is over.", "None of the three is given."),
    ),
)
