"""What a started sandbox holds, and how it is given back: a manager, a connection to it, and often a lease."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Concatenate, ParamSpec, Protocol, Self, TypeVar

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.connection import ConnectionAsync
from agentscope_runtime.sandbox.described import Description
from agentscope_runtime.sandbox.embedded import Share
from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, SandboxError, Unavailable
from agentscope_runtime.sandbox.settings import find_origin
from agentscope_runtime.sandbox.waiting import lock_async, run_blocking_async, shielded_async
from agentscope_runtime.sandbox.wire import LeaseInfo, SandboxInfo

P = ParamSpec("P")
T = TypeVar("T")


class SourceAsync(Protocol):
    """Where a sandbox comes from when it is needed."""

    owned: bool
    """Whether whoever gets it has to give it back."""

    @property
    def given(self) -> tuple[ConnectionAsync, SandboxInfo] | None:
        """What it is, where that is known already."""

    async def get_async(self, opening: AsyncExitStack) -> tuple[ConnectionAsync, SandboxInfo]:
        """Get it; what has to be given back at the end goes onto the stack."""


class HoldingAsync:
    """A sandbox in hand, or at hand: one that is not opened yet is got at its first use.

    Closing gives back what was opened for it, in reverse order, and nothing else.
    """

    def __init__(self, source: SourceAsync) -> None:
        """Hold what a source gives; `opened_async` gets it at once."""
        self._source = source
        self._turn = lock_async()
        self._held: tuple[ConnectionAsync, SandboxInfo] | None = None
        self._opened: AsyncExitStack | None = None
        self._closed = False

    @property
    def owned(self) -> bool:
        """Whether there is something to give back."""
        return self._opened is not None and self._source.owned

    @property
    def is_open(self) -> bool:
        """Whether the sandbox was got."""
        return self._peek() is not None

    @property
    def connection(self) -> ConnectionAsync:
        """The way to the manager; there is one once the sandbox was got."""
        return self._got()[0]

    @property
    def info(self) -> SandboxInfo:
        """What was known of the sandbox when it was got."""
        return self._got()[1]

    async def opened_async(self) -> Self:
        """Get the sandbox, if that was not done yet; return this."""
        if self._peek() is None:
            async with self._turn:
                await self._open_async()
        return self

    async def do_async(
        self, make: Callable[Concatenate[str, P], calls.Call[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Send the call that `make` makes for this sandbox, and return its answer."""
        connection, info = (await self.opened_async())._got()
        return await connection.send_async(make(info.sandbox_id, *args, **kwargs))

    async def renew_async(self, seconds: float | None) -> LeaseInfo:
        """Let the lease that this sandbox is in end so many seconds from now."""
        connection, info = (await self.opened_async())._got()
        if info.session_id is None:  # it was described before anybody held it
            info = await connection.send_async(calls.sandbox(info.sandbox_id))
        if info.session_id is None:
            raise InvalidRequest(f"sandbox {info.sandbox_id} is {info.state}: nobody holds it")
        return await connection.send_async(calls.renew(info.session_id, info.user_id or "", seconds))

    async def close_async(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Give back; where an exception is on its way already, a failure to do so is noted on it, not raised."""
        self._closed = True
        async with self._turn:  # a first use may be getting it just now
            if self._opened is not None:
                opened, self._opened = self._opened, None
                await opened.__aexit__(kind, error, trace)

    async def _open_async(self) -> None:
        if self._closed:
            raise InvalidRequest("this sandbox was closed before it was used")
        if self._peek() is None:
            async with AsyncExitStack() as opening:
                self._held = await self._source.get_async(opening)
                self._opened = opening.pop_all()

    def _peek(self) -> tuple[ConnectionAsync, SandboxInfo] | None:
        if self._held is None and not self._closed:
            self._held = self._source.given
        return self._held

    def _got(self) -> tuple[ConnectionAsync, SandboxInfo]:
        if (held := self._peek()) is None:
            raise InvalidRequest("this sandbox is connected at its first use, and was not used yet: run a tool first")
        return held


class OrderedAsync:
    """A sandbox as it is described: one that exists, or a new one that a lease of its own holds."""

    owned = True
    given = None

    def __init__(self, wanted: Description) -> None:
        """Describe it; nothing happens yet."""
        self._wanted = wanted

    async def get_async(self, opening: AsyncExitStack) -> tuple[ConnectionAsync, SandboxInfo]:
        """Reach the manager, starting one in this process if there is no `base_url`, and get the sandbox.

        One that exists stays when this closes.
        """
        connection = await opening.enter_async_context(_WayAsync(self._wanted))
        if self._wanted.sandbox_id is not None:
            return connection, await connection.send_async(calls.sandbox(self._wanted.sandbox_id))
        lease = await opening.enter_async_context(_LeaseAsync(connection, self._wanted))
        return connection, lease.sandboxes[0]


class GivenAsync:
    """A sandbox that was got already, for which somebody else cares."""

    owned = False

    def __init__(self, connection: ConnectionAsync, info: SandboxInfo) -> None:
        """Take what was got."""
        self.given = (connection, info)

    async def get_async(self, opening: AsyncExitStack) -> tuple[ConnectionAsync, SandboxInfo]:
        """See `SourceAsync.get_async`."""
        return self.given


class _WayAsync:
    """A connection to a manager that is there, or that runs in this process from now on."""

    def __init__(self, wanted: Description) -> None:
        if wanted.base_url is None:
            begun = [] if wanted.options is not None and wanted.options.needs_own else [wanted.sandbox_type]
            self._share: Share | None = Share(*begun)
        else:
            self._share = None
            self._origin = find_origin(wanted.base_url, wanted.bearer_token)

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

    def __init__(self, connection: ConnectionAsync, wanted: Description) -> None:
        self._connection = connection
        self._wanted = wanted
        self._session_id = uuid.uuid4().hex

    async def __aenter__(self) -> LeaseInfo:
        wanted = self._wanted
        call = calls.connect(self._session_id, "", [wanted.sandbox_type], wanted.options, wanted.wait_s)
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
