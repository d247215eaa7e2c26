"""What sandboxes cost while nobody uses them: memory of warm boxes, and disk of their images."""

from __future__ import annotations

from typing import Any, cast

import docker
from bench.report import Series
from managers import Server

MIB = 2**20
TARGETS = {"base": (120.0, 450.0), "browser": (480.0, 1400.0), "filesystem": (120.0, 600.0), "gui": (300.0, 1600.0)}


def memory(server: Server, sandbox_type: str) -> Series:
    """Read the memory of every warm box of one type: what the cgroup uses, less its inactive file pages."""
    series = Series(f"idle memory of a warm {sandbox_type} box", unit="MiB", target=TARGETS[sandbox_type][0])
    for container in server.containers():
        if container.labels["agentscope_runtime.sandbox_type"] == sandbox_type:
            stats = cast(dict[str, Any], container.stats(stream=False))  # an iterator only when it streams
            used = stats["memory_stats"]
            cache = used["stats"].get("total_inactive_file", used["stats"].get("inactive_file", 0))  # cgroup v1, v2
            series.samples.append((used["usage"] - cache) / MIB)
    return series


def image(name: str, sandbox_type: str) -> Series:
    """Read the size of one image, all its layers."""
    series = Series(f"size of the {sandbox_type} image", unit="MB", state="-", target=TARGETS[sandbox_type][1])
    series.samples.append(docker.from_env().images.get(name).attrs["Size"] / 1e6)
    return series
