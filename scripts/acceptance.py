"""Print which promises of the documents hold: runs the tests that carry their numbers, and shows a line for each.

    python scripts/acceptance.py [options of pytest]

A test named `test_S25_…`, or `test_S25_S27_…` for several, shows that S25 holds. The promises stand in
tests/documents/promises.toml. The exit code is 0 unless a promise that is due has no test, or one that fails.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROMISES = ROOT / "tests" / "documents" / "promises.toml"
NUMBERS = re.compile(r"test((?:_S\d+)+)(?:_|\b)")


def numbers(name: str) -> list[str]:
    """Return the promises that a test is about: `test_S25_S27_ends` → S25, S27."""
    found = NUMBERS.match(name)
    return found[1].strip("_").split("_") if found else []


class Tally:
    """A plugin of pytest: leaves only the tests that carry a number, and notes how they end."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.outcomes: dict[str, list[tuple[str, str]]] = defaultdict(list)
        """For each promise, the names and the outcomes of its tests."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what carries no number."""
        others = [item for item in items if not numbers(item.name)]
        items[:] = [item for item in items if numbers(item.name)]
        config.hook.pytest_deselected(items=others)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note an outcome: of the call, or of whatever came in its way."""
        if report.when == "call" or report.outcome != "passed":
            name = report.nodeid.rpartition("::")[2]
            for number in numbers(name):
                self.outcomes[number].append((name, report.outcome))


def state(outcomes: list[tuple[str, str]], later: str | None) -> tuple[str, str]:
    """Return in a word how it stands with a promise, and why."""
    bad = [f"{name} {outcome}" for name, outcome in outcomes if outcome != "passed"]
    if bad:
        return "FAILS", ", ".join(bad)
    if later:
        done = f"; {len(outcomes)} tests of it pass" if outcomes else ""
        return "not in scope yet", f"comes with {later}{done}"
    if outcomes:
        return "pass", f"{len(outcomes)} test{'s' if len(outcomes) > 1 else ''}"
    return "NOT YET", "no test"


def main(options: list[str]) -> int:
    """Run the tests and print the table."""
    promises = tomllib.loads(PROMISES.read_text(encoding="utf-8"))
    later = {number: why for why, several in promises.pop("later").items() for number in several}
    tally = Tally()
    # No -x by default: the table shall be whole.
    pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", str(ROOT / "tests"), *options], plugins=[tally])
    print()
    due = 0
    for number, promise in promises.items():
        word, why = state(tally.outcomes[number], later.get(number))
        due += word.isupper()
        print(f"{number:>4}  {word:<16}  {promise}  ({why})")
    unknown = sorted(set(tally.outcomes) - set(promises))
    if unknown:
        print(f"tests for promises that nobody made: {', '.join(unknown)}")
    print(f"\n{len(promises)} promises: {due} due and not held, {len(later)} not in scope yet")
    return 1 if due or unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
