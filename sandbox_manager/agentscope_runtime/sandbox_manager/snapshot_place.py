"""From the settings to the storage of snapshots that they name."""

from __future__ import annotations

import importlib.util

from agentscope_runtime.sandbox_manager.settings import Settings, SettingsError
from agentscope_runtime.sandbox_manager.snapshots import Bounds, Storage
from agentscope_runtime.sandbox_manager.snapshots.local import LocalSnapshots
from agentscope_runtime.sandbox_manager.snapshots.s3 import S3Place, S3Snapshots

FOLDER = "snapshots"
"""In the state directory."""


def storage_of(settings: Settings) -> Storage:
    """Return where snapshots are kept; the caller closes it. Nothing is opened before it is used.

    Raises:
        SettingsError: It is a bucket, and what talks to buckets is not installed.
    """
    bounds = Bounds(settings.snapshot_max_bytes, settings.snapshot_user_bytes, settings.snapshots_per_user)
    if settings.snapshot_url is None:
        return LocalSnapshots(settings.state_dir / FOLDER, bounds)
    if importlib.util.find_spec("boto3") is None:
        raise SettingsError(
            f"SNAPSHOT_URL={settings.snapshot_url} needs boto3: install agentscope-runtime-sandboxed[s3]"
        )
    return S3Snapshots(S3Place.of(settings.snapshot_url, settings.snapshot_endpoint), bounds)
