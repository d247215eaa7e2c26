"""Which words a text is about, and what shares them: the search of memories.

Chinese, Japanese and Korean have no spaces between words; there, every two characters that stand together are one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUNS = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+")


def words_in(text: str) -> set[str]:
    """Return the words of a text, without regard to case."""
    words: set[str] = set()
    for run in _RUNS.findall(text.casefold()):
        if len(run) > 1 and re.match(f"[{_CJK}]", run):
            words.update(run[at : at + 2] for at in range(len(run) - 1))
        else:
            words.add(run)
    return words


def best(scores: Sequence[int], most: int | None) -> list[int]:
    """Return the places of the highest scores above 0, in their order; of equal ones, later places are better."""
    found = [place for place, score in enumerate(scores) if score]
    if most is not None and len(found) > most:
        found = sorted(sorted(found, key=lambda place: (scores[place], place))[-most:])
    return found
