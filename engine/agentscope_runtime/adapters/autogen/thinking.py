"""What a model thinks, told apart from what it says, where both come in one text: `<think>…</think>` and the answer."""

from __future__ import annotations

from enum import Enum

_OPENING, _CLOSING = "<think>", "</think>"


class _Place(Enum):
    """Where in the text we are."""

    BEGINNING = "beginning"  #: it may begin with a thought
    THOUGHT = "thought"  #: inside one
    AFTER = "after"  #: a thought ended; the line breaks that follow are not the answer's
    ANSWER = "answer"  #: the rest


class Thinking:
    """Splits one text as it comes. Only a text that begins with `<think>` has a thought; later tags are just text."""

    def __init__(self) -> None:
        self._place = _Place.BEGINNING
        self._held = ""  # what may be the first letters of a tag
        self.thought = False

    def take(self, text: str) -> list[tuple[bool, str]]:
        """Return what a piece of the text adds: pairs of whether it is a thought, and the words."""
        if self._place is _Place.ANSWER:
            return [(False, text)] if text else []
        text, self._held = self._held + text, ""
        if self._place is _Place.BEGINNING:
            return self._begin(text)
        return self._think(text) if self._place is _Place.THOUGHT else self._answer(text)

    def end(self) -> list[tuple[bool, str]]:
        """Return what was held back: nothing follows that could make it a tag."""
        held, self._held = self._held, ""
        if not held or self._place is _Place.AFTER:
            return []
        return [(self._place is _Place.THOUGHT, held)]

    def _begin(self, text: str) -> list[tuple[bool, str]]:
        start = text.lstrip()
        if start.startswith(_OPENING):
            self._place, self.thought = _Place.THOUGHT, True
            return self._think(start.removeprefix(_OPENING))
        if _OPENING.startswith(start):
            self._held = text
            return []
        self._place = _Place.ANSWER
        return [(False, text)]

    def _think(self, text: str) -> list[tuple[bool, str]]:
        thought, closing, answer = text.partition(_CLOSING)
        if closing:
            self._place = _Place.AFTER
            return [*([(True, thought)] if thought else []), *self._answer(answer)]
        held = next((size for size in range(len(_CLOSING) - 1, 0, -1) if text.endswith(_CLOSING[:size])), 0)
        self._held = text[len(text) - held :]
        told = text[: len(text) - held]
        return [(True, told)] if told else []

    def _answer(self, text: str) -> list[tuple[bool, str]]:
        if not (answer := text.lstrip()):
            return []
        self._place = _Place.ANSWER
        return [(False, answer)]
