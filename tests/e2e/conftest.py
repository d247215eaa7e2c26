"""Real managers for whole-system tests; what a manager process is stands in `tests/support/managers.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from managers import Server


@pytest.fixture(scope="module")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Make managers that do not know of each other; all are ended after the module's tests."""
    made: list[Server] = []

    def make(**environment: str) -> Server:
        folder = tmp_path_factory.mktemp("manager")
        server = Server(folder, folder / "server.log", **environment)
        made.append(server)
        return server.start()

    yield make
    for server in made:
        server.end()
