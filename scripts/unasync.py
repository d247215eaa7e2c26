"""Write the synchronous twin of each asynchronous module; `--check` only says what differs.

    python scripts/unasync.py            write
    python scripts/unasync.py --check    change nothing, exit 1 if a file is wrong, missing or left over

Each file is read as tokens. `async` and `await` go, names change by `NAMES` and `SUFFIXES`, and what only one of the
twins has stands in a marked block:

    # <async-only>                          # <sync-only>
    def only_in_the_async_twin(self): ...   # def only_in_the_sync_twin(self): ...
    # </async-only>                         # </sync-only>

Everything else, comments and layout included, stays as it is. The same renaming is done to the words of comments and
strings, so that docstrings and examples speak of the twin; a name that must differ between the twins therefore never
stands in a string that is data. A rule that changes nothing anywhere is an error: it is a mistake, or rubbish.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FOLDERS = {
    "client/agentscope_runtime/sandbox/_async": "client/agentscope_runtime/sandbox/_sync",
    "tests/client/_async": "tests/client/_sync",
}

NAMES = {
    "AsyncClient": "Client",  # httpx
    "AsyncExitStack": "ExitStack",
    "AsyncIterable": "Iterable",
    "AsyncIterator": "Iterator",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "_async": "_sync",
    "aclose": "close",
    "aiter_raw": "iter_raw",
    "anext": "next",
    "aread": "read",
    "enter_async_context": "enter_context",
}
SUFFIXES = {
    "Async": "",  # BaseSandboxAsync
    "_async": "",  # call_tool_async
}

HEADER = "# Made by scripts/unasync.py from {source}. Do not edit: change that one and run `make unasync`.\n"

_WORD = re.compile(r"\b(?:(async|await) +(?=\w)|(\w+))")
_ONLY = re.compile(r"^[ \t]*# <(async|sync)-only>\n(.*?)^[ \t]*# </\1-only>\n", re.DOTALL | re.MULTILINE)
_TEXT = {tokenize.STRING, tokenize.COMMENT} | {getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


class Unfit(Exception):
    """A module cannot be made synchronous; the message says where and why."""


def main(arguments: list[str] | None = None) -> int:
    """Write or check every folder; return the process status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if something would change")
    check: bool = parser.parse_args(arguments).check
    used: Counter[str] = Counter()
    try:
        wanted = {ROOT / to: twins(ROOT / origin, used) for origin, to in FOLDERS.items()}
    except Unfit as error:
        print(f"unasync: {error}")
        return 1
    problems = [f"the rule for {name!r} changes nothing: remove it" for name in unused(used)]
    for folder, files in wanted.items():
        problems += compare(folder, files) if check else write(folder, files)
    for problem in problems:
        print(f"unasync: {problem}")
    return 1 if problems else 0


def twins(folder: Path, used: Counter[str]) -> dict[str, str]:
    """Return the synchronous text of each module of a folder, by file name; count the rules used."""
    files = {}
    for path in sorted(folder.glob("*.py")):
        source = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        try:
            files[path.name] = HEADER.format(source=source) + synchronous(path.read_text(encoding="utf-8"), used)
        except (Unfit, SyntaxError, tokenize.TokenError) as error:
            raise Unfit(f"{source}: {error}") from error
    return files


def synchronous(text: str, used: Counter[str]) -> str:
    """Return a module's text without anything asynchronous."""
    text = _ONLY.sub(_only, text)
    if left := re.search(r"# </?(?:async|sync)-only>", text):
        raise Unfit(f"{left[0]} stands alone")
    lines = text.splitlines(keepends=True)
    # From the last token to the first, so that the positions of those still to come stay right.
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        if token.type == tokenize.NAME and token.string in ("async", "await"):
            row, begin = token.start
            rest = lines[row - 1][token.end[1] :]
            lines[row - 1] = lines[row - 1][:begin] + rest.lstrip(" ")
        elif token.type == tokenize.NAME:
            _replace(lines, token, renamed(token.string, used))
        elif token.type in _TEXT:
            _replace(lines, token, reworded(_between(lines, token), used))
    made = "".join(lines)
    for node in ast.walk(ast.parse(made)):
        if isinstance(node, (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)):
            raise Unfit(f"line {node.lineno} of the result is still asynchronous")
    return made


def renamed(name: str, used: Counter[str]) -> str:
    """Return what a name is called in the synchronous twin."""
    if name in NAMES:
        used[name] += 1
        return NAMES[name]
    for suffix, instead in SUFFIXES.items():
        if name.endswith(suffix) and name != suffix:
            used["…" + suffix] += 1
            return name.removesuffix(suffix) + instead
    return name


def reworded(text: str, used: Counter[str]) -> str:
    """Return a comment or string in which every word is renamed and `async` and `await` are gone."""
    return _WORD.sub(lambda match: "" if match[1] else renamed(match[2], used), text)


def unused(used: Counter[str]) -> list[str]:
    """Name the rules that changed nothing."""
    return [rule for rule in (*NAMES, *("…" + suffix for suffix in SUFFIXES)) if not used[rule]]


def compare(folder: Path, files: dict[str, str]) -> list[str]:
    """Say what is wrong with a folder that should hold exactly these files."""
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    problems = [f"{folder / name} is missing" for name in files.keys() - there.keys()]
    problems += [f"{folder / name} has no source any more" for name in there.keys() - files.keys()]
    problems += [
        f"{folder / name} is not what its source makes" for name in files if there.get(name, files[name]) != files[name]
    ]
    return sorted(problems)


def write(folder: Path, files: dict[str, str]) -> list[str]:
    """Make a folder hold exactly these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.py"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return []


def _only(block: re.Match[str]) -> str:
    """Drop a block for the async twin; bring one for the sync twin out of its comments."""
    if block[1] == "async":
        return ""
    return "".join(re.sub(r"^([ \t]*)# ?", r"\1", line) for line in block[2].splitlines(keepends=True))


def _between(lines: list[str], token: tokenize.TokenInfo) -> str:
    (first, begin), (last, end) = token.start, token.end
    if first == last:
        return lines[first - 1][begin:end]
    return "".join((lines[first - 1][begin:], *lines[first : last - 1], lines[last - 1][:end]))


def _replace(lines: list[str], token: tokenize.TokenInfo, text: str) -> None:
    (first, begin), (last, end) = token.start, token.end
    whole = lines[first - 1][:begin] + text + lines[last - 1][end:]
    # Keep one entry for each line of the original, so that rows above and below keep their numbers.
    parts = whole.splitlines(keepends=True)
    lines[first - 1 : last] = [*parts, *[""] * (last - first + 1 - len(parts))]


if __name__ == "__main__":
    sys.exit(main())
