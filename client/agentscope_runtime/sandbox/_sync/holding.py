# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/holding.py. Do not edit: change that one and run `make unasync`.
"""What a started sandbox holds, and how it is given back: a manager, a connection to it, and often a lease."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Concatenate, ParamSpec, Protocol, Self, TypeVar

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._sync.connection import Connection
from agentscope_runtime.sandbox.described import Description
from agentscope_runtime.sandbox.embedded import Share
from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, SandboxError, Unavailable
from agentscope_runtime.sandbox.settings import find_origin
from agentscope_runtime.sandbox.waiting import lock, run_blocking, shielded
from agentscope_runtime.sandbox.wire import LeaseInfo, SandboxInfo

P = ParamSpec("P")
T = TypeVar("T")


class Source(Protocol):
    """Where a sandbox comes from when it is needed."""

    owned: bool
    """Whether whoever gets it has to give it back."""

    @property
    def given(self) -> tuple[Connection, SandboxInfo] | None:
        """What it is, where that is known already."""

    def get(self, opening: ExitStack) -> tuple[Connection, SandboxInfo]:
        """Get it; what has to be given back at the end goes onto the stack."""


class Holding:
    """A sandbox in hand, or at hand: one that is not opened yet is got at its first use.

    Closing gives back what was opened for it, in reverse order, and nothing else.
    """

    def __init__(self, source: Source) -> None:
        """Hold what a source gives; `opened` gets it at once."""
        self._source = source
        self._turn = lock()
        self._held: tuple[Connection, SandboxInfo] | None = None
        self._opened: ExitStack | None = None
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
    def connection(self) -> Connection:
        """The way to the manager; there is one once the sandbox was got."""
        return self._got()[0]

    @property
    def info(self) -> SandboxInfo:
        """What was known of the sandbox when it was got."""
        return self._got()[1]

    def opened(self) -> Self:
        """Get the sandbox, if that was not done yet; return this."""
        if self._peek() is None:
            with self._turn:
                self._open()
        return self

    def do(
        self, make: Callable[Concatenate[str, P], calls.Call[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Send the call that `make` makes for this sandbox, and return its answer."""
        connection, info = (self.opened())._got()
        return connection.send(make(info.sandbox_id, *args, **kwargs))

    def renew(self, seconds: float | None) -> LeaseInfo:
        """Let the lease that this sandbox is in end so many seconds from now."""
        connection, info = (self.opened())._got()
        if info.session_id is None:  # it was described before anybody held it
            info = connection.send(calls.sandbox(info.sandbox_id))
        if info.session_id is None:
            raise InvalidRequest(f"sandbox {info.sandbox_id} is {info.state}: nobody holds it")
        return connection.send(calls.renew(info.session_id, info.user_id or "", seconds))

    def close(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Give back; where an exception is on its way already, a failure to do so is noted on it, not raised."""
        self._closed = True
        with self._turn:  # a first use may be getting it just now
            if self._opened is not None:
                opened, self._opened = self._opened, None
                opened.__exit__(kind, error, trace)

    def _open(self) -> None:
        if self._closed:
            raise InvalidRequest("this sandbox was closed before it was used")
        if self._peek() is None:
            with ExitStack() as opening:
                self._held = self._source.get(opening)
                self._opened = opening.pop_all()

    def _peek(self) -> tuple[Connection, SandboxInfo] | None:
        if self._held is None and not self._closed:
            self._held = self._source.given
        return self._held

    def _got(self) -> tuple[Connection, SandboxInfo]:
        if (held := self._peek()) is None:
            raise InvalidRequest("this sandbox is connected at its first use, and was not used yet: run a tool first")
        return held


class Ordered:
    """A sandbox as it is described: one that exists, or a new one that a lease of its own holds."""

    owned = True
    given = None

    def __init__(self, wanted: Description) -> None:
        """Describe it; nothing happens yet."""
        self._wanted = wanted

    def get(self, opening: ExitStack) -> tuple[Connection, SandboxInfo]:
        """Reach the manager, starting one in this process if there is no `base_url`, and get the sandbox.

        One that exists stays when this closes.
        """
        connection = opening.enter_context(_Way(self._wanted))
        if self._wanted.sandbox_id is not None:
            return connection, connection.send(calls.sandbox(self._wanted.sandbox_id))
        lease = opening.enter_context(_Lease(connection, self._wanted))
        return connection, lease.sandboxes[0]


class Given:
    """A sandbox that was got already, for which somebody else cares."""

    owned = False

    def __init__(self, connection: Connection, info: SandboxInfo) -> None:
        """Take what was got."""
        self.given = (connection, info)

    def get(self, opening: ExitStack) -> tuple[Connection, SandboxInfo]:
        """See `Source.get`."""
        return self.given


class _Way:
    """A connection to a manager that is there, or that runs in this process from now on."""

    def __init__(self, wanted: Description) -> None:
        if wanted.base_url is None:
            begun = [] if wanted.options is not None and wanted.options.needs_own else [wanted.sandbox_type]
            self._share: Share | None = Share(*begun)
        else:
            self._share = None
            self._origin = find_origin(wanted.base_url, wanted.bearer_token)

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

    def __init__(self, connection: Connection, wanted: Description) -> None:
        self._connection = connection
        self._wanted = wanted
        self._session_id = uuid.uuid4().hex

    def __enter__(self) -> LeaseInfo:
        wanted = self._wanted
        call = calls.connect(self._session_id, "", [wanted.sandbox_type], wanted.options, wanted.wait_s)
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
