"""What a started sandbox holds, and how it is given back: a manager, a connection to it, and often a lease."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.connection import ConnectionAsync
from agentscope_runtime.sandbox.embedded import Share
from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, SandboxError, Unavailable
from agentscope_runtime.sandbox.settings import find_origin
from agentscope_runtime.sandbox.waiting import run_blocking_async, shielded_async
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


class HoldingAsync:
    """A sandbox in hand. Closing gives back what was opened for it, in reverse order, and nothing else."""

    def __init__(self, connection: ConnectionAsync, info: SandboxInfo, opened: AsyncExitStack | None = None) -> None:
        """Hold a sandbox; `opened` is what closing closes, nothing where somebody else cares for it."""
        self.connection = connection
        self.info = info
        self._opened = opened

    @property
    def owned(self) -> bool:
        """Whether there is something to give back."""
        return self._opened is not None

    @classmethod
    async def open_async(cls, order: Order) -> HoldingAsync:
        """Reach the manager, starting one in this process if there is no `base_url`, and get the sandbox.

        With a `sandbox_id` it is that one, which stays when this closes; else a new lease of a session of its own.
        """
        async with AsyncExitStack() as opening:
            connection = await opening.enter_async_context(_WayAsync(order))
            if order.sandbox_id is not None:
                info = await connection.send_async(calls.sandbox(order.sandbox_id))
            else:
                lease = await opening.enter_async_context(_LeaseAsync(connection, order))
                info = lease.sandboxes[0]
            return cls(connection, info, opening.pop_all())
        raise AssertionError("nothing above swallows an exception")

    async def do_async(
        self, make: Callable[Concatenate[str, P], calls.Call[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Send the call that `make` makes for this sandbox, and return its answer."""
        return await self.connection.send_async(make(self.info.sandbox_id, *args, **kwargs))

    async def close_async(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Give back; where an exception is on its way already, a failure to do so is noted on it, not raised."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            await opened.__aexit__(kind, error, trace)


class _WayAsync:
    """A connection to a manager that is there, or that runs in this process from now on."""

    def __init__(self, order: Order) -> None:
        if order.base_url is None:
            self._share: Share | None = Share(order.sandbox_type)
        else:
            self._share = None
            self._origin = find_origin(order.base_url, order.bearer_token)

    async def __aenter__(self) -> ConnectionAsync:
        try:
            if self._share is not None:
                self._origin = await run_blocking_async(self._share.start)
            self._connection = ConnectionAsync(self._origin)
        except BaseException:
            await self._leave_async()
            raise
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with shielded_async():
                await self._connection.aclose()
        finally:
            await self._leave_async()

    async def _leave_async(self) -> None:
        if self._share is not None:
            with shielded_async():
                await run_blocking_async(self._share.stop)


class _LeaseAsync:
    """A lease of one sandbox to a session that nobody else knows."""

    def __init__(self, connection: ConnectionAsync, order: Order) -> None:
        self._connection = connection
        self._order = order
        self._session_id = uuid.uuid4().hex

    async def __aenter__(self) -> LeaseInfo:
        call = calls.connect(self._session_id, "", [self._order.sandbox_type], self._order.options)
        try:
            return await self._connection.send_async(call)
        except (InvalidRequest, NotAuthorized, Unavailable):
            raise  # refused: there is nothing to give back
        except BaseException as error:
            # Cancelled, or out of time: the manager may grant it all the same, to a session that nobody will ask for.
            await self._give_back_async(error)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._give_back_async(error)

    async def _give_back_async(self, underway: BaseException | None) -> None:
        try:
            with shielded_async():
                await self._connection.send_async(calls.release(self._session_id))
        except SandboxError as failure:
            if underway is None:
                raise
            underway.add_note(f"and giving back the sandbox failed: {failure}")
