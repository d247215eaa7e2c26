"""The manager that runs inside this process when a sandbox is given no `base_url`.

There is one for the whole process, started by the first who needs it and stopped by the last who leaves. It is found by
name (importlib): the client works without the manager's packages as long as nobody asks for this, and no import
statement points from the client to the manager.
"""

from __future__ import annotations

import importlib
import os
import threading
from typing import Final, Protocol, cast

from agentscope_runtime.sandbox.errors import InvalidRequest, ManagerUnreachable
from agentscope_runtime.sandbox.settings import Origin

MANAGER_MODULE: Final = "agentscope_runtime.sandbox_manager.embedded"


class RunningManager(Protocol):
    """What the manager's module returns once it serves."""

    base_url: str
    key: str

    def stop(self) -> None:
        """Destroy its sandboxes and end; return when that is done."""


class ManagerModule(Protocol):
    """What the manager's module offers."""

    def start(self, sandbox_types: tuple[str, ...]) -> RunningManager:
        """Serve on a free port of this machine, from a thread; return when calls are answered."""


class Share:
    """One holder's share in this process's manager; it runs while anybody has one."""

    def __init__(self, *sandbox_types: str) -> None:
        """Ask for nothing yet; the first share to start says which kinds the manager keeps warm, if any."""
        self._sandbox_types = sandbox_types
        self._left = False

    def start(self) -> Origin:
        """Return the manager, after starting it if this is the first share. Blocks for as long as that takes."""
        with _process.lock:
            if self._left:
                raise InvalidRequest("closed while it was starting")
            return _process.enter(self, self._sandbox_types)

    def stop(self) -> None:
        """Leave; the last one waits until the manager has removed its sandboxes and ended. May be called often."""
        with _process.lock:
            self._left = True
            _process.leave(self)


def is_running() -> bool:
    """Tell whether anybody in this process has a share in its manager now."""
    with _process.lock:
        return _process.is_running


class _Process:
    """The manager of this process, and who shares it. Call with the lock held."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._manager: RunningManager | None = None
        self._shares: set[Share] = set()

    @property
    def is_running(self) -> bool:
        return self._manager is not None

    def enter(self, share: Share, sandbox_types: tuple[str, ...]) -> Origin:
        if self._manager is None:
            self._manager = _load().start(sandbox_types)
        self._shares.add(share)
        return Origin(
            self._manager.base_url, self._manager.key, "the key of this process", loopback=True, in_process=True
        )

    def leave(self, share: Share) -> None:
        self._shares.discard(share)
        if not self._shares and self._manager is not None:
            manager, self._manager = self._manager, None
            manager.stop()


_process = _Process()


def _forget_parent() -> None:
    # A forked child has none of its parent's threads: what it inherits is neither running nor its own to stop.
    global _process
    _process = _Process()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_parent)


def _load() -> ManagerModule:
    try:
        return cast(ManagerModule, importlib.import_module(MANAGER_MODULE))
    except ModuleNotFoundError as error:
        raise ManagerUnreachable(
            f"there is no base_url, and the sandbox manager cannot be run in this process ({error}); "
            "install the whole distribution, or give base_url='http://…'"
        ) from error
