"""The settings decide where snapshots are kept; what makes no sense is refused with the cure."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agentscope_runtime.sandbox_manager.api import create_app
from agentscope_runtime.sandbox_manager.settings import Settings, SettingsError
from agentscope_runtime.sandbox_manager.snapshot_place import storage_of
from agentscope_runtime.sandbox_manager.snapshots.local import LocalSnapshots
from agentscope_runtime.sandbox_manager.snapshots.s3 import S3Place, S3Snapshots


def test_files_are_the_default(tmp_path: Path) -> None:
    """And asking where makes nothing."""
    assert isinstance(storage_of(Settings(state_dir=tmp_path)), LocalSnapshots)
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_needs_what_talks_to_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the manager does not start, and says what to install."""
    settings = Settings(state_dir=tmp_path, snapshot_url="s3://bucket/prefix")
    assert isinstance(storage_of(settings), S3Snapshots)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"needs boto3: install agentscope-runtime-sandboxed\[s3\]"):
        create_app(settings)


def test_where_the_objects_are() -> None:
    """With a slash at the end of the prefix, if there is one."""
    assert S3Place.of("s3://b") == S3Place.of("s3://b/") == S3Place("b")
    assert S3Place.of("s3://b/c/d/", "http://h:9000") == S3Place("b", "c/d/", "http://h:9000")
    assert str(S3Place.of("s3://b/c")) == "s3://b/c/"


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ({"snapshot_url": "bucket"}, "write s3://bucket or s3://bucket/prefix"),
        ({"snapshot_url": "s3://key:secret@bucket"}, "write s3://bucket or s3://bucket/prefix"),
        ({"snapshot_url": "s3:///prefix"}, "write s3://bucket or s3://bucket/prefix"),
        ({"snapshot_url": "s3://b", "snapshot_endpoint": "minio:9000"}, "is not an address such as https://"),
        ({"snapshot_endpoint": "http://minio:9000"}, "name it with SNAPSHOT_URL=s3://bucket/prefix"),
        ({"snapshot_max_bytes": "lots"}, "'lots' is not a size; write bytes, or a number with k, m, g or t"),
        ({"snapshot_max_bytes": -1}, "greater than or equal to 0"),
    ],
)
def test_what_makes_no_sense(said: dict[str, Any], cure: str) -> None:
    """Each is refused at the start."""
    with pytest.raises(ValidationError, match=cure):
        Settings(**said)


def test_sizes_are_written_as_elsewhere() -> None:
    """With units."""
    settings = Settings.model_validate({"snapshot_max_bytes": "2g", "snapshot_user_bytes": "1.5GiB"})
    assert (settings.snapshot_max_bytes, settings.snapshot_user_bytes) == (2 << 30, 3 << 29)
