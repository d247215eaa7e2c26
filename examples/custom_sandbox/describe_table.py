"""The tool `describe_table`, as it runs inside the sandbox: arguments come as JSON, what it prints is the result."""

from __future__ import annotations

import csv
import json
import sys
from itertools import islice


def main() -> int:
    """Describe one table; return the exit status."""
    arguments = json.load(sys.stdin)
    try:
        with open(arguments["path"], newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            rows = list(table)
            columns = table.fieldnames or []
    except OSError as error:
        print(f"{arguments['path']} cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    except (UnicodeDecodeError, csv.Error) as error:
        print(f"{arguments['path']} is no table: {error}", file=sys.stderr)
        return 1
    print(f"rows: {len(rows)}, columns: {len(columns)}")
    for column in columns:
        print(f"- {column}: {kind_of([row[column] for row in rows])}")
    for row in islice(rows, arguments["rows"]):
        print(json.dumps(row, ensure_ascii=False))
    return 0


def kind_of(values: list[str | None]) -> str:
    """Return what all values of a column are."""
    for name, read in (("integer", int), ("number", float)):
        try:
            for value in values:
                read(value or "")
        except ValueError:
            continue
        return name
    return "text"


if __name__ == "__main__":
    sys.exit(main())
