"""Run every check that needs no container engine, one line each; show the output only of what failed.

All are run even when one fails, so that one call shows everything there is to mend.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: dict[str, list[str]] = {
    "ruff (lint)": [f"{BIN}/ruff", "check", "."],
    "ruff (format)": [f"{BIN}/ruff", "format", "--check", "."],
    "import arrows": [f"{BIN}/lint-imports", "--no-cache"],
    "generated _sync": [sys.executable, "scripts/unasync.py", "--check"],
    "docs/tools.md": [sys.executable, "scripts/tools_reference.py", "--check"],
    "layout": [f"{BIN}/pytest", "-q", "tests/test_layout.py"],
    "mypy --strict": [f"{BIN}/mypy"],
}
CURES = {
    "ruff (lint)": "make format mends much of it",
    "ruff (format)": "make format",
    "generated _sync": "make unasync, and commit what it wrote",
    "docs/tools.md": "make tools-reference, and commit what it wrote",
}


def run(name: str, command: list[str]) -> bool:
    """Run one check; print its line, and its output if it failed."""
    began = time.monotonic()
    # What is checked is this tree, whatever is installed; the in-box server is no package outside its image anyway.
    portions = ("client", "engine", "sandbox_manager", "images")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / portion) for portion in portions)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    passed = time.monotonic() - began
    print(f"{'ok' if done.returncode == 0 else 'FAILED':8} {name:18} {passed:5.1f} s", flush=True)
    if done.returncode:
        print((done.stdout + done.stderr).rstrip())
        if name in CURES:
            print(f"→ {CURES[name]}")
        print(flush=True)
    return done.returncode == 0


def main() -> int:
    """Run all checks and return the process status."""
    failed = [name for name, command in CHECKS.items() if not run(name, command)]
    if failed:
        print(f"check: {len(failed)} of {len(CHECKS)} failed: {', '.join(failed)}")
        return 1
    print(f"check: all {len(CHECKS)} passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
