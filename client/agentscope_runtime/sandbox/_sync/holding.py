# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/holding.py. Do not edit: change that one and run `make unasync`.
"""What a started sandbox holds, and how it is given back: a manager, a connection to it, and often a lease."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._sync.connection import Connection
from agentscope_runtime.sandbox.embedded import Share
from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, SandboxError, Unavailable
from agentscope_runtime.sandbox.settings import find_origin
from agentscope_runtime.sandbox.waiting import run_blocking, shielded
from agentscope_runtime.sandbox.wire import LeaseInfo, LeaseOptions, SandboxInfo

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    base_url: str | None
    """Where the manager is; None is one in this process."""
    bearer_token: str | None
    sandbox_type: str
    sandbox_id: str | None = None
    """One that exists, instead of a new one."""
    options: LeaseOptions | None = None


class Holding:
    """A sandbox in hand. Closing gives back what was opened for it, in reverse order, and nothing else."""

    def __init__(self, connection: Connection, info: SandboxInfo, opened: ExitStack | None = None) -> None:
        """Hold a sandbox; `opened` is what closing closes, nothing where somebody else cares for it."""
        self.connection = connection
        self.info = info
        self._opened = opened

    @property
    def owned(self) -> bool:
        """Whether there is something to give back."""
        return self._opened is not None

    @classmethod
    def open(cls, order: Order) -> Holding:
        """Reach the manager, starting one in this process if there is no `base_url`, and get the sandbox.

        With a `sandbox_id` it is that one, which stays when this closes; else a new lease of a session of its own.
        """
        with ExitStack() as opening:
            connection = opening.enter_context(_Way(order))
            if order.sandbox_id is not None:
                info = connection.send(calls.sandbox(order.sandbox_id))
            else:
                lease = opening.enter_context(_Lease(connection, order))
                info = lease.sandboxes[0]
            return cls(connection, info, opening.pop_all())
        raise AssertionError("nothing above swallows an exception")

    def do(
        self, make: Callable[Concatenate[str, P], calls.Call[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Send the call that `make` makes for this sandbox, and return its answer."""
        return self.connection.send(make(self.info.sandbox_id, *args, **kwargs))

    def close(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Give back; where an exception is on its way already, a failure to do so is noted on it, not raised."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            opened.__exit__(kind, error, trace)


class _Way:
    """A connection to a manager that is there, or that runs in this process from now on."""

    def __init__(self, order: Order) -> None:
        if order.base_url is None:
            self._share: Share | None = Share(order.sandbox_type)
        else:
            self._share = None
            self._origin = find_origin(order.base_url, order.bearer_token)

    def __enter__(self) -> Connection:
        try:
            if self._share is not None:
                self._origin = run_blocking(self._share.start)
            self._connection = Connection(self._origin)
        except BaseException:
            self._leave()
            raise
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with shielded():
                self._connection.close()
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._share is not None:
            with shielded():
                run_blocking(self._share.stop)


class _Lease:
    """A lease of one sandbox to a session that nobody else knows."""

    def __init__(self, connection: Connection, order: Order) -> None:
        self._connection = connection
        self._order = order
        self._session_id = uuid.uuid4().hex

    def __enter__(self) -> LeaseInfo:
        call = calls.connect(self._session_id, "", [self._order.sandbox_type], self._order.options)
        try:
            return self._connection.send(call)
        except (InvalidRequest, NotAuthorized, Unavailable):
            raise  # refused: there is nothing to give back
        except BaseException as error:
            # Cancelled, or out of time: the manager may grant it all the same, to a session that nobody will ask for.
            self._give_back(error)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back(error)

    def _give_back(self, underway: BaseException | None) -> None:
        try:
            with shielded():
                self._connection.send(calls.release(self._session_id))
        except SandboxError as failure:
            if underway is None:
                raise
            underway.add_note(f"and giving back the sandbox failed: {failure}")
