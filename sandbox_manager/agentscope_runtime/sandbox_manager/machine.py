"""How much memory the machine has on which the manager runs: by default the one that runs the sandboxes, too."""

from __future__ import annotations

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


def total_memory() -> int | None:
    """Return the bytes of memory that the machine has; None where it does not say."""
    return _read("MemTotal")


def available_memory() -> int | None:
    """Return the bytes that programs may still take without swapping; None where the machine does not say."""
    return _read("MemAvailable")


def _read(name: str) -> int | None:
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:  # not a Linux
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return None
