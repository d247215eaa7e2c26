"""Names of keys, and characters as keys."""

from __future__ import annotations

import pytest

from sandbox_server.desktop.keysyms import UnknownKey, of_character, of_chords

CTRL, ALT, SHIFT, RETURN, PLUS = 0xFFE3, 0xFFE9, 0xFFE1, 0xFF0D, 0x2B


@pytest.mark.parametrize(
    ("text", "chords"),
    [
        ("Return", [(RETURN,)]),
        ("enter", [(RETURN,)]),
        ("ctrl+s", [(CTRL, ord("s"))]),
        ("Control+Shift+T", [(CTRL, SHIFT, ord("t"))]),
        ("ctrl+a Delete", [(CTRL, ord("a")), (0xFFFF,)]),
        ("+", [(PLUS,)]),
        ("ctrl++", [(CTRL, PLUS)]),
        ("ctrl+plus", [(CTRL, PLUS)]),
        ("ctrl+", [(CTRL, PLUS)]),
        ("F11", [(0xFFC8,)]),
        ("é", [(0xE9,)]),
        ("A", [(ord("A"),)]),
        (" ", [(0x20,)]),
        ("alt+Tab", [(ALT, 0xFF09)]),
    ],
)
def test_chords(text: str, chords: list[tuple[int, ...]]) -> None:
    """Names of all vocabularies, in any case, together by plus signs and one after the other by spaces."""
    assert of_chords(text) == chords


@pytest.mark.parametrize("text", ["", "  ", "Retrun", "ctrl++s", "ctrl+hello", "\x07"])
def test_what_is_no_key(text: str) -> None:
    """Is an error."""
    with pytest.raises(UnknownKey):
        of_chords(text)


def test_characters() -> None:
    """Latin-1 is itself, the rest of Unicode has its own range; a new line is Return; other control characters none."""
    assert [of_character(character) for character in "aé€你😀\n\t"] == [
        0x61, 0xE9, 0x10020AC, 0x1004F60, 0x101F600, RETURN, 0xFF09
    ]  # fmt: skip
    with pytest.raises(UnknownKey, match=r"U\+001B"):
        of_character("\x1b")
