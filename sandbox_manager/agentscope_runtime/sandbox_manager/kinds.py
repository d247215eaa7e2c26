"""From a kind of sandbox to what has to be started for it; the registry knows the kinds, the settings the rest.

Four members of a registration's `runtime_config` count here: `based_on`, the built-in kind whose parts the box has
(`sandbox_server.composition`), base where a kind of one's own says nothing; `kernel`, "eager" where a box is ready only
with a kernel that runs, "lazy" where the first cell may have to wait for one; `desktop`, whether the box has a screen
to watch; and `mcp_servers`, which start with the box. What is not said is as with the kind that it is based on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.types import SandboxType
from agentscope_runtime.sandbox_manager.backends import Blueprint

Kinds = Callable[[str], Blueprint]
"""Returns what to start for a kind; raises UnknownSandboxType."""

WITH_DESKTOP = frozenset({SandboxType.BROWSER, SandboxType.FILESYSTEM, SandboxType.GUI})
LAZY_KERNEL = frozenset({SandboxType.BROWSER, SandboxType.GUI})
LAZY_WHERE_AWAITED = frozenset({SandboxType.FILESYSTEM})
"""Kinds whose first call is seldom a cell: a session that waits for the box does not wait for the kernel, too, which
comes up beside it. Those of the pool have theirs; nobody waits for these."""

WITH_BROWSER = frozenset({SandboxType.BROWSER})
"""Kinds whose browser can have a user's profile; this and the above goes for kinds that are based on them, too."""


def registered_kinds(*, watchdog_seconds: float, ca_bundle: Path | None = None) -> Kinds:
    """Return the kinds of the registry.

    Args:
        watchdog_seconds: Silence of the manager after which a box ends itself.
        ca_bundle: PEM file of further certificate authorities for the boxes.
    """
    common: Mapping[str, object] = {
        "watchdog_s": watchdog_seconds,
        "ca_bundle": None if ca_bundle is None else ca_bundle.read_text(encoding="ascii", errors="ignore"),
    }

    def blueprint(sandbox_type: str) -> Blueprint:
        config = SandboxRegistry.get_config_by_type(sandbox_type)
        limits, based_on = config.limits, config.based_on
        # A kernel idles at tens of megabytes: where cells are not the point, the first cell starts it.
        said = config.runtime_config.get("kernel")
        kernel = said or ("lazy" if based_on in LAZY_KERNEL else "eager")
        has_desktop = bool(config.runtime_config.get("desktop", based_on in WITH_DESKTOP))
        return Blueprint(
            sandbox_type=sandbox_type,
            image=config.image_name,
            memory=limits.memory,
            nano_cpus=limits.nano_cpus,
            shm=limits.shm,
            has_desktop=has_desktop,
            has_browser=based_on in WITH_BROWSER,
            environment=config.environment,
            mcp_servers=config.runtime_config.get("mcp_servers") or {},
            box_config={**common, "kernel": kernel, "parts": based_on},
            awaited_config={"kernel": "lazy"} if not said and based_on in LAZY_WHERE_AWAITED else {},
        )

    return blueprint
