"""What all tests share: those marked `docker` are skipped, and say why, where no container engine answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import docker
import docker.errors
import pytest
from redis_server import RedisServer


@cache
def no_engine() -> str:
    """Return why no container engine can be used, nothing if one can."""
    try:
        engine = docker.from_env(timeout=10)
    except (docker.errors.DockerException, OSError) as error:
        return " ".join(str(error).split())[:200]
    try:
        engine.ping()
    except (docker.errors.DockerException, OSError) as error:
        return " ".join(str(error).split())[:200]
    finally:
        engine.close()
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs an engine where there is none; in CI, where there must be one, fail instead."""
    if item.get_closest_marker("docker") and (reason := no_engine()):
        message = f"no container engine answers (make docker starts one): {reason}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real Redis for all tests that keep to keys of their own; who stops it brings another."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server
