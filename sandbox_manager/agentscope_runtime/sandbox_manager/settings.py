"""What can be set about a manager, by environment variable or by argument; read once, then frozen.

Reading `Settings()` looks at the environment only. A `.env` file is the server command's business (`__main__`):
importing or embedding the manager never changes the environment of a program that merely uses sandboxes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# Passed on under their own names: whoever asks what can be set asks for these here.
from agentscope_runtime.sandbox.places import default_state_dir as default_state_dir
from agentscope_runtime.sandbox.places import is_loopback as is_loopback
from agentscope_runtime.sandbox.types import plain_type
from agentscope_runtime.sandbox_manager.setting_values import bytes_of, listed, memory_of, sized, split_domain
from agentscope_runtime.sandbox_manager.sizing import DEEPEST
from agentscope_runtime.sandbox_manager.snapshots.s3 import S3Place
from agentscope_runtime.sandbox_manager.states import Limits
from agentscope_runtime.sandbox_manager.stores.redis.address import client_for, composed


class SettingsError(Exception):
    """The settings do not make sense together; the message says what to change."""


class Settings(BaseSettings):
    """Everything that can be set. The variable is the field's name in capitals, unless said otherwise."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True)

    host: str = "127.0.0.1"
    """Address to listen on. Only this machine can reach the default; another one needs `BEARER_TOKEN`."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """TCP port; 0 takes a free one."""
    bearer_token: SecretStr | None = None
    """The key that callers must show. Without one, a manager on loopback makes one and keeps it in `state_dir`."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Further names (`box.example.org`, `box.example.org:8443`, `*` for any) that the Host header may have, e.g. behind
    a proxy. Other names are refused: a web page could point a name of its own at this machine (DNS rebinding)."""

    preview_domain: str | None = None
    """Domain below which each port of a sandbox is visited under a host of its own: `*.preview.example.org`, or
    `https://*.preview.example.org:8443` where a proxy ends TLS. Its names must lead here. Take a domain that nothing
    else is on: what runs in a sandbox can set cookies for all of it. Without one, `*.localhost` serves this machine."""

    default_sandbox_type: Annotated[tuple[str, ...], NoDecode] = ("base",)
    """Kinds that are kept warm: `base`, `base,browser` or a JSON list."""
    pool_size: Annotated[int | dict[str, int], NoDecode] = 1
    """Warm sandboxes to keep: one number for each default kind, or by kind (`base=2,browser=1`). One hides the start
    of the next session; each costs its idle memory (about 100 MiB base, 450 MiB browser)."""
    pool_hit_ratio: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of sessions that shall find a sandbox ready: `0.99`. With one, each pool has the size that this takes, by
    how sessions come and how long starts take, from `POOL_SIZE` to `POOL_MAX`, as far as memory goes."""
    pool_max: Annotated[int | dict[str, int], NoDecode] = 20
    """Most warm sandboxes to keep for the hit ratio: one number for each kind that is kept warm, or by kind."""
    pool_member_max_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Seconds after which a warm sandbox that nobody took is replaced by a new one, one at a time; 0 is never. What
    runs an image that has been rebuilt is replaced in any case."""
    max_sandbox_instances: Annotated[int, Field(ge=0)] = 0
    """Most sandboxes at once, over all kinds, warm ones included; 0 is no limit."""
    max_sandboxes_per_user: Annotated[int, Field(ge=0)] = 0
    """Most sandboxes that the sessions of one user hold, all together; 0 is no limit."""
    max_sandboxes_by_type: Annotated[dict[str, Annotated[int, Field(ge=0)]], NoDecode] = Field(default_factory=dict)
    """Most sandboxes at once by kind, warm ones included: `browser=4,gui=2`. A kind that is not named has no limit."""
    max_sandbox_memory: Annotated[int, Field(ge=0)] = 0
    """Bytes that all sandboxes together may use, each counted with its memory limit: `16g`, or `80%` of the memory of
    the machine that the manager runs on; 0 is no limit."""
    queue_length: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Calls that may wait in this manager for room at the same time (`wait_s`); 0 lets nobody wait."""
    refill_parallel: Annotated[int, Field(ge=1)] = Field(default_factory=lambda: os.cpu_count() or 2)
    """Sandboxes that the refill starts at the same time. More than the CPUs only makes each of them slower."""
    start_timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds that a container may take to become ready; then it counts as failed."""
    heartbeat_timeout: Annotated[float, Field(gt=0)] = 300.0
    """Seconds without a call, a transfer or an open desktop after which a lease is idle."""
    idle_action: Literal["suspend", "release"] = "suspend"
    """What happens to an idle lease. `suspend`: its containers go, its workspaces stay, and the next use starts them
    again under the same ids. `release`: it ends. A manager inside a script releases, unless it is told otherwise."""
    suspended_kept_seconds: Annotated[float, Field(gt=0)] = 86400.0
    """Seconds after which a suspended lease ends, and its workspaces with it."""
    lease_max_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Seconds after which a lease ends, however busy, unless it is renewed; 0 is never."""
    pause_after_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Seconds without use after which a leased sandbox is frozen: it keeps its memory, takes no CPU, and goes on within
    milliseconds when it is used; 0 is never. What runs in it on its own stands still, too."""
    watcher_scan_interval: Annotated[float, Field(gt=0)] = 1.0
    """Seconds between two looks for idle leases."""
    watchdog_seconds: Annotated[float, Field(ge=5)] = 60.0
    """Seconds without a word from a manager after which a container ends itself."""
    drain_seconds: Annotated[float, Field(ge=0)] = 30.0
    """Seconds that running calls are given to finish when the server is asked to end; new ones are refused at once."""
    auto_cleanup: bool = True
    """Whether the manager removes its sandboxes when it stops; else their own watchdog does. Leases of a shared pool
    stay in any case, for the other managers."""
    keep_warm: bool = True
    """Whether free sandboxes of a shared pool stay, too, when a manager stops. Those that no manager comes for within
    `WATCHDOG_SECONDS` end by themselves."""

    redis_url: SecretStr | None = None
    """Redis in which managers share one pool: `redis://user:password@host:6379/0`, `rediss://…` (TLS), `unix:///path`,
    or `redis+sentinel://host,host/service/0`. Without one, this manager is alone and its records end with it."""
    redis_enabled: bool = False
    """Whether to use the Redis that these six say, instead of `REDIS_URL`."""
    redis_server: str = "localhost"
    redis_port: Annotated[int, Field(ge=1, le=65535)] = 6379
    redis_db: Annotated[int, Field(ge=0)] = 0
    redis_user: str | None = None
    redis_password: SecretStr | None = None
    installation: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")] | None = None
    """Name of the pool that managers with the same Redis share, and of all that it makes on the engine. Without one,
    the first of them makes one up and keeps it in Redis."""
    installation_secret: Annotated[SecretStr, Field(min_length=32)] | None = None
    """What the boxes of the pool are known by: at least 32 characters, the same for all managers. Without one, it is
    made up and kept in Redis; set it, and `INSTALLATION`, if Redis may lose its data: nothing is rebuilt without."""

    snapshot_url: str | None = None
    """Bucket for snapshots of workspaces: `s3://bucket/prefix`; without one they are files in `state_dir`. Managers of
    several hosts need one to have the same. Credentials and region are found as by all programs that use boto3."""
    snapshot_endpoint: str | None = None
    """Where the bucket is if not at Amazon's: `https://minio.example.org:9000`."""
    snapshot_max_bytes: Annotated[int, Field(ge=0)] = 2 << 30
    """Bytes that one snapshot may have: `2g`, or a number; 0 is no bound."""
    snapshot_user_bytes: Annotated[int, Field(ge=0)] = 10 << 30
    """Bytes that all snapshots of one user may have; 0 is no bound."""
    snapshots_per_user: Annotated[int, Field(ge=0)] = 100
    """Snapshots that one user may have; 0 is no bound."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Least severity that the server logs. `DEBUG` adds each start and removal, and uvicorn's own words."""
    log_format: Literal["text", "json"] = "text"
    """How: lines for people, or one JSON object a line, with user, session and sandbox as members."""

    container_deployment: Literal["docker", "fake"] = "docker"
    """What runs the sandboxes. `fake` runs none: it answers from memory, for tests."""
    box_ca_bundle: Path | None = None
    """PEM file of further certificate authorities that sandboxes shall trust (networks that intercept TLS)."""
    state_dir: Annotated[Path, Field(validation_alias="AGENTSCOPE_RUNTIME_STATE_DIR")] = Field(
        default_factory=default_state_dir
    )
    """Folder of the key, the installation id and locks: `AGENTSCOPE_RUNTIME_STATE_DIR`, else below
    `XDG_STATE_HOME`, else `~/.local/state`."""

    _lists = field_validator("allowed_hosts", "default_sandbox_type", mode="before")(listed)
    _sizes = field_validator("pool_size", "pool_max", "max_sandboxes_by_type", mode="before")(sized)
    _memory = field_validator("max_sandbox_memory", mode="before")(memory_of)
    _bytes = field_validator("snapshot_max_bytes", "snapshot_user_bytes", mode="before")(bytes_of)

    @field_validator("max_sandboxes_by_type")
    @classmethod
    def _plain_types(cls, value: dict[str, int]) -> dict[str, int]:
        return {plain_type(kind): limit for kind, limit in value.items()}

    @field_validator("log_level", mode="before")
    @classmethod
    def _loud(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("preview_domain")
    @classmethod
    def _domain(cls, value: str | None) -> str | None:
        if value is not None:
            split_domain(value)
        return value

    @field_validator("box_ca_bundle")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {value}")
        return value

    @model_validator(mode="after")
    def _one_bucket(self) -> Settings:
        if self.snapshot_url is not None:
            S3Place.of(self.snapshot_url, self.snapshot_endpoint)
        elif self.snapshot_endpoint is not None:
            raise ValueError("SNAPSHOT_ENDPOINT is where a bucket is: name it with SNAPSHOT_URL=s3://bucket/prefix")
        return self

    @model_validator(mode="after")
    def _one_redis(self) -> Settings:
        if self.redis_url is not None and self.redis_enabled:
            raise ValueError("REDIS_URL and REDIS_ENABLED both name a Redis: set one of them")
        if (url := self.redis_address()) is not None:
            client_for(url)
        elif self.installation_secret is not None or self.installation is not None:
            raise ValueError("INSTALLATION and INSTALLATION_SECRET are for managers that share a Redis: set REDIS_URL")
        return self

    @model_validator(mode="after")
    def _sizes_make_sense(self) -> Settings:
        given = self.pool_size.values() if isinstance(self.pool_size, dict) else (self.pool_size,)
        if any(size < 0 for size in given):
            raise ValueError("POOL_SIZE cannot be negative")
        targets, most = self.pool_targets(), self.pool_most()
        if any(not 0 <= size <= DEEPEST for size in most.values()):
            raise ValueError(f"POOL_MAX is from 0 to {DEEPEST}")
        for kind, size in most.items():
            if targets.get(kind, 0) > size:
                raise ValueError(f"POOL_SIZE asks for {targets[kind]} warm {kind} sandboxes, POOL_MAX allows {size}")
        total = sum(targets.values())
        for kind, limit in self.max_sandboxes_by_type.items():
            if targets.get(kind, 0) > limit > 0:
                raise ValueError(
                    f"POOL_SIZE asks for {targets[kind]} warm {kind} sandboxes, MAX_SANDBOXES_BY_TYPE allows {limit}"
                )
        if self.max_sandbox_instances and total > self.max_sandbox_instances:
            raise ValueError(
                f"POOL_SIZE asks for {total} warm sandboxes, MAX_SANDBOX_INSTANCES allows {self.max_sandbox_instances}"
            )
        return self

    def limits(self) -> Limits:
        """Return how much there may be at once."""
        return Limits(
            total=self.max_sandbox_instances,
            per_user=self.max_sandboxes_per_user,
            types=self.max_sandboxes_by_type,
            memory=self.max_sandbox_memory,
        )

    def redis_address(self) -> str | None:
        """Return the URL of the Redis in which managers share a pool, with its password; None for a manager alone."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        if not self.redis_enabled:
            return None
        password = None if self.redis_password is None else self.redis_password.get_secret_value()
        return composed(
            host=self.redis_server, port=self.redis_port, db=self.redis_db, user=self.redis_user, password=password
        )

    @model_validator(mode="after")
    def _pauses_make_sense(self) -> Settings:
        after, least = self.pause_after_seconds, 2 * self.watcher_scan_interval
        if after and not least < after < self.heartbeat_timeout:
            raise ValueError(
                f"PAUSE_AFTER_SECONDS is {after:g}: take more than {least:g}, twice WATCHER_SCAN_INTERVAL, and less "
                f"than {self.heartbeat_timeout:g}, the HEARTBEAT_TIMEOUT after which a lease is idle"
            )
        return self

    def pool_targets(self) -> dict[str, int]:
        """Return how many warm sandboxes of each kind to keep; `base_async` is the kind `base`, and adds to it."""
        return self._by_kind(self.pool_size)

    def pool_most(self) -> dict[str, int]:
        """Return how many warm sandboxes of each kind to keep at most, for the hit ratio; nothing without one."""
        if self.pool_hit_ratio is None:
            return {}
        if isinstance(self.pool_max, dict):
            return self._by_kind(self.pool_max)
        return dict.fromkeys(self.pool_targets(), self.pool_max)

    def _by_kind(self, sizes: int | dict[str, int]) -> dict[str, int]:
        if not isinstance(sizes, dict):
            return dict.fromkeys(map(plain_type, self.default_sandbox_type), sizes)
        summed: Counter[str] = Counter()
        for name, size in sizes.items():
            summed[plain_type(name)] += size
        return dict(summed)

    def redacted(self) -> dict[str, str]:
        """Return the settings by variable name, as text, without secrets."""
        values: Mapping[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        return {_variable(name): _shown(value) for name, value in values.items()}


def _variable(field: str) -> str:
    return "AGENTSCOPE_RUNTIME_STATE_DIR" if field == "state_dir" else field.upper()


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case SecretStr():
            return "set (not shown)"
        case tuple():
            return ",".join(value) or "-"
        case dict():
            return ",".join(f"{kind}={size}" for kind, size in value.items()) or "-"
        case _:
            return str(value)
