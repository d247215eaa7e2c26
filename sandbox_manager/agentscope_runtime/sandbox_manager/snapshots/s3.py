"""Snapshots as objects of a bucket, for managers on several hosts; what speaks S3 will do.

boto3 blocks, so that its calls have threads of their own; it is imported with the first of them. Not here: credentials,
and the region, which boto3 finds where all of its programs do (`AWS_ACCESS_KEY_ID` and the like, files, the machine).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from agentscope_runtime.sandbox.errors import InternalError, Unavailable
from agentscope_runtime.sandbox_manager.snapshots import (
    PIECE,
    STALE_AFTER,
    SUFFIX,
    Bounds,
    SnapshotKey,
    Summary,
    place_of,
)
from agentscope_runtime.sandbox_manager.uninterrupted import uninterrupted

logger = logging.getLogger(__name__)

PART = 8 << 20
"""Bytes that are sent at a time, and held in memory by each snapshot that is on its way; stores want 5 MiB at least."""
PARTS_MAX = 10_000
THREADS = 8
CONNECT_WITHIN, ANSWER_WITHIN, ATTEMPTS = 5, 30, 3
RETRY_AFTER = 5.0
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class S3Place:
    """Which objects of which bucket."""

    bucket: str
    prefix: str = ""
    """Ends with a slash where there is one."""
    endpoint: str | None = None
    """Of another store than Amazon's: `https://minio.example.org:9000`."""

    @classmethod
    def of(cls, url: str, endpoint: str | None = None) -> S3Place:
        """Read `s3://bucket/prefix`.

        Raises:
            ValueError: It is none.
        """
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
            # Without what was written: it may have a key in it.
            raise ValueError("SNAPSHOT_URL is no bucket: write s3://bucket or s3://bucket/prefix, keys stand elsewhere")
        if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
            raise ValueError(f"{endpoint!r} is not an address such as https://minio.example.org:9000")
        prefix = parts.path.strip("/")
        return cls(parts.netloc, f"{prefix}/" if prefix else "", endpoint)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


class S3Snapshots:
    """The snapshots below one prefix, of each user below one of their own."""

    def __init__(self, place: S3Place, bounds: Bounds) -> None:
        """Keep them there; nothing is opened before it is used."""
        self._bucket = _Bucket(place)
        self._bounds = bounds
        self._part = max(PART, -(-bounds.size // PARTS_MAX))
        self._threads = ThreadPoolExecutor(THREADS, "s3")
        self._turn = asyncio.Lock()

    async def keep(self, key: SnapshotKey, stream: AsyncIterator[bytes]) -> Summary:
        """See `Storage.keep`; what other managers keep of the same user at the same moment is not counted."""
        self._bounds.check(key, await self.of(key.user_id), 0)
        upload, pending, size = _Upload(self._bucket, key), bytearray(), 0
        try:
            async for piece in self._bounds.measured(key, stream):
                size += len(piece)
                pending += piece
                while len(pending) > self._part:
                    with memoryview(pending) as view:  # a slice of what it shows would be a copy of its own
                        part = bytes(view[: self._part])
                    del pending[: self._part]
                    await uninterrupted(self._call(upload.add, part))
            async with self._turn:
                self._bounds.check(key, await self.of(key.user_id), size)
                await uninterrupted(self._call(upload.finish, bytes(pending)))
        except BaseException:
            await uninterrupted(self._call(upload.drop))
            raise
        return Summary(key.name, size, time.time())

    @asynccontextmanager
    async def opened(self, key: SnapshotKey) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `Storage.opened`."""
        body = await self._call(self._bucket.open, key)
        try:
            yield self._pieces(body)
        finally:
            body.close()

    async def of(self, user_id: str) -> list[Summary]:
        """See `Storage.of`."""
        return await self._call(self._bucket.list, user_id)

    async def forget(self, key: SnapshotKey) -> None:
        """See `Storage.forget`."""
        await self._call(self._bucket.forget, key)

    async def tidy(self) -> None:
        """See `Storage.tidy`."""
        await self._call(self._bucket.tidy)

    async def aclose(self) -> None:
        """See `Storage.aclose`."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._bucket.close()

    async def _pieces(self, body: Any) -> AsyncIterator[bytes]:
        while piece := await self._call(body.read, PIECE):
            yield piece

    async def _call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread of ours."""

        def run() -> T:
            with _failures():
                return work(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)


class _Bucket:
    """What is done with the objects; every method blocks, and raises errors of boto3."""

    def __init__(self, place: S3Place) -> None:
        self._place = place
        self._lock = Lock()
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The client of boto3, which any thread may use."""
        with self._lock:
            if self._client is None:
                import boto3
                from botocore.config import Config

                config = Config(
                    connect_timeout=CONNECT_WITHIN,
                    read_timeout=ANSWER_WITHIN,
                    retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                    max_pool_connections=THREADS,
                    s3={"addressing_style": "auto" if self._place.endpoint is None else "path"},
                    # Checksums beyond those of the protocol are Amazon's alone.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
                self._client = boto3.session.Session().client("s3", endpoint_url=self._place.endpoint, config=config)
            return self._client

    def named(self, key: SnapshotKey) -> dict[str, str]:
        """Return what names the object of a snapshot."""
        return {"Bucket": self._place.bucket, "Key": f"{self._below(key.user_id)}{key.name}{SUFFIX}"}

    def open(self, key: SnapshotKey) -> Any:
        """Return the body of an object, which says itself if it does not come to its end."""
        try:
            return self.client.get_object(**self.named(key))["Body"]
        except self.client.exceptions.NoSuchKey as e:
            raise key.missing() from e

    def list(self, user_id: str) -> list[Summary]:
        below, found = self._below(user_id), []
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self._place.bucket, Prefix=below)
        for each in (each for page in pages for each in page.get("Contents", ())):
            name = each["Key"].removeprefix(below)
            if name.endswith(SUFFIX):
                changed = each["LastModified"].timestamp()
                found.append(Summary(name.removesuffix(SUFFIX), each["Size"], changed))
        return sorted(found, key=lambda summary: summary.name)

    def forget(self, key: SnapshotKey) -> None:
        self.client.delete_object(**self.named(key))

    def tidy(self) -> None:
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._place.bucket, Prefix=self._place.prefix
        )
        for each in (each for page in pages for each in page.get("Uploads", ())):
            if time.time() - each["Initiated"].timestamp() > STALE_AFTER:
                self.client.abort_multipart_upload(
                    Bucket=self._place.bucket, Key=each["Key"], UploadId=each["UploadId"]
                )

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _below(self, user_id: str) -> str:
        return f"{self._place.prefix}{place_of(user_id)}/"


class _Upload:
    """One object on its way, which is there when it is finished; every method blocks."""

    def __init__(self, bucket: _Bucket, key: SnapshotKey) -> None:
        self._bucket = bucket
        self._named = bucket.named(key)
        self._begun: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []

    def add(self, part: bytes) -> None:
        if not self._begun:
            answer = self._bucket.client.create_multipart_upload(**self._named)
            self._begun = {**self._named, "UploadId": answer["UploadId"]}
        number = len(self._parts) + 1
        answer = self._bucket.client.upload_part(**self._begun, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def finish(self, part: bytes) -> None:
        if not self._begun:
            self._bucket.client.put_object(**self._named, Body=part, ContentType="application/x-tar")
            return
        self.add(part)
        self._bucket.client.complete_multipart_upload(**self._begun, MultipartUpload={"Parts": self._parts})
        self._begun = {}

    def drop(self) -> None:
        """Leave nothing of what was not finished."""
        if self._begun:
            self._bucket.client.abort_multipart_upload(**self._begun)
            self._begun = {}


@contextmanager
def _failures() -> Iterator[None]:
    """Translate; what boto3 says beyond the kind of failure is the operators', who find it in the log."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as e:
        said, status = e.response.get("Error", {}), e.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        logger.warning("the object store of the snapshots: %s", e)
        if status >= 500 or status == 429:
            raise _away(f"{said.get('Code')}") from e
        raise InternalError(f"the object store of the snapshots refuses {e.operation_name}: {said.get('Code')}") from e
    except BotoCoreError as e:
        logger.warning("the object store of the snapshots: %s", e)
        raise _away(type(e).__name__) from e


def _away(why: str) -> Unavailable:
    return Unavailable(f"the object store of the snapshots does not answer ({why}); try again", retry_after=RETRY_AFTER)
