"""Names under which things are kept: from users and sessions, so that two of them never come out the same.

A part is quoted like a part of a URL: what stands between parts, and what Redis gives a meaning (`:`, `{}`, `*`),
cannot occur within one.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from agentscope_runtime.engine.errors import NotStorable

MOST_CHARACTERS = 1024
"""How long the id of a user or a session may be; they come from anywhere, and are part of every key."""


def quoted(name: str, what: str) -> str:
    """Return a name as it can stand in a key.

    Args:
        name: The name.
        what: What it is, for the message: `user_id`.

    Raises:
        NotStorable: it is no text, or longer than any that is meant.
    """
    if not isinstance(name, str):
        raise NotStorable(f"{what} is {name!r}; it must be a string")
    if len(name) > MOST_CHARACTERS:
        raise NotStorable(f"{what} is {len(name)} characters long; at most {MOST_CHARACTERS} are kept")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError as error:
        raise NotStorable(f"{what} {name!r} is not Unicode text") from error


def plain(name: str) -> str:
    """Return the name that was quoted."""
    return unquote(name, errors="strict")
