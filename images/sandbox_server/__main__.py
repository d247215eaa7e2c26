"""Starts the box server: `python -I -m sandbox_server`. The order is for speed; its first step is for safety."""

from __future__ import annotations

import ctypes
import os
import sys

from sandbox_server.config import parts, sandbox_type
from sandbox_server.land.namespaces import Land

PR_SET_DUMPABLE = 4


def harden() -> None:
    """Keep other processes of our uid out of our memory, environment and file descriptors.

    From inside the user land they could not even name us; this also holds for what runs outside of it.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")
    os.chdir("/")  # nothing is imported from, or written to, a folder of the user
    os.umask(0o022)


def main() -> int:
    """Run the box; return the exit code."""
    harden()
    kind, parts_of = sandbox_type(), parts()
    land = Land.spawn(parts_of)  # stands when the imports below are done
    import asyncio
    import logging

    from sandbox_server.box import live

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    return asyncio.new_event_loop().run_until_complete(live(kind, parts_of, land))


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # threads that wait for a helper must not hold up the end
