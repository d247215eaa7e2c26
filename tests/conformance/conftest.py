"""Every kind of sandbox, with its manager in this process and elsewhere, by its sync and its async class.

One sandbox for each combination, shared by all checks: they leave it as they found it, in folders of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from driving import Driven, Subject, driven
from managers import Server

KINDS = ("base", "filesystem", "browser", "gui")
COMBINATIONS = [
    pytest.param((kind, mode, twin), id=f"{kind}-{mode}-{twin}")
    for kind in KINDS
    for mode in ("embedded", "remote")
    for twin in ("sync", "async")
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the kinds that a module does not name in its `KINDS`; one without has checks for all."""
    others = [item for item in items if isinstance(item, pytest.Function) and _is_for_others(item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def _is_for_others(item: pytest.Function) -> bool:
    kinds: tuple[str, ...] | None = getattr(item.module, "KINDS", None)
    given: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    return kinds is not None and "subject" in given and given["subject"][0] not in kinds


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One manager beside this process for all that are remote; it starts what is asked for."""
    with Server.temporary(POOL_SIZE="0") as running:
        yield running


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder for the installation of the managers in this process."""
    return str(tmp_path_factory.mktemp("embedded"))


@pytest.fixture(scope="session", params=COMBINATIONS)
def subject(request: pytest.FixtureRequest, server: Server, state: str) -> Iterator[Subject]:
    """One sandbox of each combination."""
    kind, mode, twin = request.param
    where = {"base_url": server.url, "key": server.key} if mode == "remote" else {}
    with ExitStack() as stack:
        # Only while it starts: the last of these sandboxes lives until the end of the whole run.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AGENTSCOPE_RUNTIME_STATE_DIR", state)
            patch.setenv("POOL_SIZE", "0")
            box = stack.enter_context(driven(kind, asynchronous=twin == "async", **where))
        yield Subject(kind, mode, twin, box)


@pytest.fixture
def box(subject: Subject) -> Driven:
    """The sandbox alone."""
    return subject.box


@pytest.fixture
def folder(box: Driven, request: pytest.FixtureRequest) -> str:
    """A folder of the workspace for one check."""
    path = f"check-{os.urandom(4).hex()}"
    box.fs.mkdir(path)
    request.addfinalizer(lambda: box.fs.remove(path))
    return path
