"""Lease a browser, give it a small web site, use it as an agent would, and let a person watch.

    python examples/demo.py                             embedded: starts its own manager, needs none
    python examples/demo.py --url http://127.0.0.1:8000     on a manager that runs (make run does this)

Every step is checked; the first that fails ends the demo with status 1 and says why.
"""

from __future__ import annotations

import argparse
import base64
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentscope_runtime.sandbox import BrowserSandbox
from agentscope_runtime.sandbox.errors import SandboxError

SITE = Path(__file__).parent / "site"
SERVE = "cd site && nohup python3 -m http.server 8080 >/tmp/site.log 2>&1 & "
ANSWERS = "until (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; do sleep 0.05; done"


class StepFailed(Exception):
    """A step of the demo did not do what it should."""


@contextmanager
def step(what: str) -> Iterator[list[str]]:
    """Print what is done, how it went and how long it took; the block may append words to the list."""
    print(f"  {what} ", end="", flush=True)
    began, words = time.perf_counter(), list[str]()
    try:
        yield words
    except BaseException:
        print("✗", flush=True)
        raise
    took = (time.perf_counter() - began) * 1000
    print(f"{'.' * max(2, 46 - len(what))} {took:6.0f} ms  {' '.join(words)}", flush=True)


def text(result: dict[str, Any]) -> str:
    """Return the text of a tool's result; a result that is an error ends the demo."""
    words = "\n".join(item["text"] for item in result["content"] if item["type"] == "text")
    if result["isError"]:
        raise StepFailed(words)
    return words


def expect(wanted: str, found: str) -> None:
    """End the demo unless `wanted` is in `found`."""
    if wanted not in found:
        raise StepFailed(f"expected {wanted!r} in:\n{found}")


def use(box: BrowserSandbox, screenshot: Path) -> None:
    """Do what an agent might do with a browser."""
    with step("put examples/site into its workspace") as words:
        entries = [box.fs.write_from_path(f"site/{file.name}", str(file)) for file in sorted(SITE.iterdir())]
        words.append(f"{len(entries)} files")
    with step("serve it inside the sandbox"):
        text(box.run_shell_command(SERVE))
        text(box.run_shell_command(ANSWERS))
    with step("browser_navigate to its first page"):
        text(box.browser_navigate("http://localhost:8080/index.html"))
        snapshot = text(box.browser_snapshot())
        expect("Gull Rock Light", snapshot)
    with step("browser_click on “meet the keepers”") as words:
        link = re.search(r'link "meet the keepers".*?\[ref=(\w+)\]', snapshot)
        if link is None:
            raise StepFailed(f"the snapshot shows no such link:\n{snapshot}")
        text(box.browser_click(element="meet the keepers", ref=link[1]))
        words.append(f"ref {link[1]}")
    with step("browser_snapshot of where that led"):
        expect('heading "Who is on watch"', text(box.browser_snapshot()))
    with step("browser_take_screenshot") as words:
        taken = box.browser_take_screenshot(raw=True)  # as PNG; else a smaller JPEG
        text(taken)
        pictures = [item for item in taken["content"] if item["type"] == "image"]
        if not pictures:
            raise StepFailed("the result holds no picture")
        screenshot.parent.mkdir(parents=True, exist_ok=True)
        screenshot.write_bytes(base64.b64decode(pictures[0]["data"]))
        words.append(f"{screenshot} ({screenshot.stat().st_size // 1000} kB)")


def linger(box: BrowserSandbox) -> None:
    """Keep the sandbox until Ctrl-C; on a terminal, Enter prints another watch link."""
    if not sys.stdin.isatty():
        signal.pause()
    while True:
        input("\n  Enter: another watch link · Ctrl-C: end\n")
        print(f"  {box.desktop_url}")


def main() -> int:
    """Run the demo; return the exit status."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--url", help="a running manager; without it the script starts its own")
    options.add_argument("--screenshot", type=Path, default=Path("build/demo.png"), help="where to write the picture")
    options.add_argument("--stay", action="store_true", help="keep the sandbox, to be watched, until Ctrl-C")
    chosen = options.parse_args()
    # `kill` ends it as Ctrl-C does, also where a shell in the background has switched Ctrl-C off.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        box = BrowserSandbox(base_url=chosen.url)
        with step("lease a browser") as words:
            box.start()
            words.append(f"{box.sandbox_id}, {'warm' if box.get_info()['warm'] else 'started for us'}")
        with box:
            use(box, chosen.screenshot)
            print(f"\n  Watch it here (opens once, view only): {box.desktop_url}", flush=True)
            if chosen.stay:
                linger(box)
    except (SandboxError, StepFailed) as error:
        print(f"\ndemo: failed: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        return 0 if chosen.stay else 130
    print("  released it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
