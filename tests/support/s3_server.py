"""A server that speaks S3, for tests: moto's, as a process on a free port of loopback, which keeps nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from managers import eventually
from redis_server import free_port

BUCKET = "snapshots"
KEYS = {"AWS_ACCESS_KEY_ID": "a key", "AWS_SECRET_ACCESS_KEY": "its secret", "AWS_DEFAULT_REGION": "us-east-1"}
"""What programs of the test have to find in their environment; any will do."""


class S3Server:
    """A server with one empty bucket, for as long as the context is open."""

    def __init__(self, folder: Path) -> None:
        """Describe it; what it says goes into a file of this folder."""
        self._log = folder / "s3.log"
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        """Where it answers."""

    def client(self) -> Any:
        """Return a client of boto3, which the caller closes."""
        config = Config(s3={"addressing_style": "path"})
        names = {name.lower(): value for name, value in KEYS.items() if name != "AWS_DEFAULT_REGION"}
        return boto3.session.Session().client(
            "s3", endpoint_url=self.endpoint, config=config, region_name=KEYS["AWS_DEFAULT_REGION"], **names
        )

    def objects(self) -> list[str]:
        """Return the names of all that the bucket has."""
        client = self.client()
        try:
            return [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]
        finally:
            client.close()

    def unfinished(self) -> list[str]:
        """Return the names of what was begun to be uploaded."""
        client = self.client()
        try:
            return [each["Key"] for each in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())]
        finally:
            client.close()

    def pause(self) -> None:
        """Let it answer nobody."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        port = self.endpoint.rpartition(":")[2]
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **KEYS})
        eventually(self._answers, 60, "the S3 server answers", 0.1)
        client = self.client()
        try:
            client.create_bucket(Bucket=BUCKET)
        finally:
            client.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=5):
                return True
        except OSError:
            return False
