"""Snapshots in an object store, and leases that begin with them and rest, on real containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from managers import Server, eventually
from s3_server import BUCKET, KEYS, S3Server

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BaseSandbox
from agentscope_runtime.sandbox.errors import SnapshotNotFound, SnapshotRefused

pytestmark = pytest.mark.docker

LARGE = 20 << 20


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server with a bucket."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server], bucket: S3Server) -> Server:
    """A manager that keeps snapshots there, and suspends what nobody uses after some seconds."""
    where = {"SNAPSHOT_URL": f"s3://{BUCKET}/of/us", "SNAPSHOT_ENDPOINT": bucket.endpoint, **KEYS}
    return make_server(
        POOL_SIZE="0", HEARTBEAT_TIMEOUT="4", WATCHER_SCAN_INTERVAL="0.2", SNAPSHOT_MAX_BYTES="64m", **where
    ).wait_ready()


def test_there_and_back(server: Server, bucket: S3Server) -> None:
    """In several parts; what is refused leaves nothing begun there."""
    with BaseSandbox(base_url=server.url, bearer_token=server.key) as box:
        made = box.run_shell_command(f"head -c {LARGE} /dev/urandom > large; sha256sum large")["content"][0]["text"]
        assert box.snapshot("x")["size"] > LARGE
        (name,) = bucket.objects()
        assert name.startswith("of/us/") and name.endswith("/x.tar")
        box.run_shell_command("truncate -s 65M larger")
        with pytest.raises(SnapshotRefused):
            box.snapshot("y")
    assert bucket.unfinished() == []
    with BaseSandbox(base_url=server.url, bearer_token=server.key, from_snapshot="x") as box:
        assert box.run_shell_command("sha256sum large")["content"][0]["text"] == made
        box.delete_snapshot("x")
    assert bucket.objects() == []
    with pytest.raises(SnapshotNotFound), BaseSandbox(base_url=server.url, bearer_token=server.key, from_snapshot="x"):
        raise AssertionError("it must not start")
    assert not (server.state_dir / "snapshots").exists()


def test_what_rested_is_not_filled_again(server: Server) -> None:
    """A suspended sandbox has what its session made of the files; a snapshot of it wakes it."""
    with SandboxService(server.url, server.key) as service:
        (maker,) = service.connect("maker", "ann")
        maker.fs.write("note.txt", "kept")
        maker.snapshot("x")
        (box,) = service.connect("other", "ann", from_snapshot="x")
        assert box.fs.read("note.txt") == "kept"
        box.fs.write("note.txt", "changed")
        eventually(lambda: not server.containers(), 60, "all is suspended")
        (again,) = service.connect("other", "ann", from_snapshot="x")
        assert again.fs.read("note.txt") == "changed"
        assert again.get_info()["restored"]
        eventually(lambda: not server.containers(), 60, "all is suspended")
        assert again.snapshot("y")["name"] == "y"
        (third,) = service.connect("third", "ann", from_snapshot="y")
        assert third.fs.read("note.txt") == "changed"
