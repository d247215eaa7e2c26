"""From the settings to the storage of snapshots that they name."""

from __future__ import annotations

from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.snapshots import Bounds, Storage
from agentscope_runtime.sandbox_manager.snapshots.local import LocalSnapshots

FOLDER = "snapshots"
"""In the state directory."""


def storage_of(settings: Settings) -> Storage:
    """Return where snapshots are kept; the caller closes it. Nothing is opened before it is used."""
    bounds = Bounds(settings.snapshot_max_bytes, settings.snapshot_user_bytes, settings.snapshots_per_user)
    return LocalSnapshots(settings.state_dir / FOLDER, bounds)
