"""What keys are called, and which X keysym each is: for `key` and `hold_key`, and for text to type.

Names are those of xdotool (`Return`, `ctrl+shift+t`), and what people and models call the same keys; capitals do not
matter. A character that has no name stands for itself.
"""

from __future__ import annotations

import unicodedata

UNICODE = 0x0100_0000
"""Added to a code point above Latin-1, it is the keysym of that character."""

NAMES = {
    "backspace": 0xFF08, "tab": 0xFF09, "return": 0xFF0D, "enter": 0xFF0D, "pause": 0xFF13, "scroll_lock": 0xFF14,
    "escape": 0xFF1B, "esc": 0xFF1B, "home": 0xFF50, "left": 0xFF51, "arrowleft": 0xFF51, "up": 0xFF52,
    "arrowup": 0xFF52, "right": 0xFF53, "arrowright": 0xFF53, "down": 0xFF54, "arrowdown": 0xFF54, "page_up": 0xFF55,
    "pageup": 0xFF55, "prior": 0xFF55, "page_down": 0xFF56, "pagedown": 0xFF56, "next": 0xFF56, "end": 0xFF57,
    "begin": 0xFF58, "print": 0xFF61, "printscreen": 0xFF61, "insert": 0xFF63, "menu": 0xFF67, "num_lock": 0xFF7F,
    "numlock": 0xFF7F, "kp_enter": 0xFF8D, "delete": 0xFFFF, "del": 0xFFFF, "caps_lock": 0xFFE5, "capslock": 0xFFE5,
    "shift": 0xFFE1, "shift_l": 0xFFE1, "shift_r": 0xFFE2, "ctrl": 0xFFE3, "control": 0xFFE3, "control_l": 0xFFE3,
    "control_r": 0xFFE4, "meta": 0xFFE7, "meta_l": 0xFFE7, "meta_r": 0xFFE8, "alt": 0xFFE9, "alt_l": 0xFFE9,
    "option": 0xFFE9, "alt_r": 0xFFEA, "super": 0xFFEB, "super_l": 0xFFEB, "win": 0xFFEB, "windows": 0xFFEB,
    "cmd": 0xFFEB, "command": 0xFFEB, "super_r": 0xFFEC, "altgr": 0xFE03, "iso_level3_shift": 0xFE03,
    "space": 0x20, "plus": 0x2B, "minus": 0x2D, "comma": 0x2C, "period": 0x2E, "slash": 0x2F, "backslash": 0x5C,
    "equal": 0x3D, "semicolon": 0x3B, "apostrophe": 0x27, "grave": 0x60, "bracketleft": 0x5B, "bracketright": 0x5D,
    **{f"f{number}": 0xFFBD + number for number in range(1, 25)},
    **{f"kp_{digit}": 0xFFB0 + digit for digit in range(10)},
}  # fmt: skip

TYPED = {"\n": NAMES["return"], "\t": NAMES["tab"], "\b": NAMES["backspace"]}
"""Characters of a text that are keys."""


class UnknownKey(Exception):
    """No key is called so; the message says what is."""


def of_character(character: str) -> int:
    """Return the keysym that types a character.

    Raises:
        UnknownKey: it is a control character that no key stands for.
    """
    if character in TYPED:
        return TYPED[character]
    code = ord(character)
    if unicodedata.category(character) == "Cc":
        raise UnknownKey(f"the text has the control character U+{code:04X}, which cannot be typed; use action 'key'")
    return code if code < 0x100 else UNICODE + code


def of_name(name: str) -> int:
    """Return the keysym of a key such as `Return`, `F5`, `a` or `é`.

    Raises:
        UnknownKey: there is no such key.
    """
    if len(name) == 1:
        return of_character(name)
    try:
        return NAMES[name.lower()]
    except KeyError:
        raise UnknownKey(
            f"there is no key {name!r}; write a character, or a name such as Return, Tab, Escape, Page_Down, F5, ctrl"
        ) from None


def of_chord(chord: str) -> tuple[int, ...]:
    """Return the keysyms of keys to press together, such as `ctrl+shift+t`; a plus alone, or at the end, is the key +.

    Raises:
        UnknownKey: one of them is none.
    """
    names = chord.split("+")
    if chord.endswith("+"):
        names = [*chord[:-1].rstrip("+").split("+"), "+"] if len(chord) > 1 else ["+"]
    if not all(names):
        raise UnknownKey(f"{chord!r} has no key between two plus signs")
    keysyms = [of_name(name) for name in names]
    # With a modifier, a capital letter is that letter's key: `ctrl+C` is what everybody means by it.
    if len(names) > 1 and len(names[-1]) == 1 and names[-1].isascii():
        keysyms[-1] = of_character(names[-1].lower())
    return tuple(keysyms)


def of_chords(text: str) -> list[tuple[int, ...]]:
    """Return the chords of a text in which they stand one after the other, with spaces between them.

    Raises:
        UnknownKey: the text has none, or one that is no key.
    """
    if text == " ":
        return [(NAMES["space"],)]
    chords = text.split()
    if not chords:
        raise UnknownKey("the text names no key")
    return [of_chord(chord) for chord in chords]
