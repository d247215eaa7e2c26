# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/connection.py. Do not edit: change that one and run `make unasync`.
"""A kept-alive way to a manager, or to several that share a pool: sends calls, gives answers or raises errors.

What a call is stands in `calls`, what travels how in `transport`, when it is sent again in `retrying`; who opens and
closes it is the caller's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from agentscope_runtime.sandbox import transport
from agentscope_runtime.sandbox.calls import Call
from agentscope_runtime.sandbox.errors import Draining, InvalidRequest
from agentscope_runtime.sandbox.retrying import Trial
from agentscope_runtime.sandbox.settings import Origin, default_timeout
from agentscope_runtime.sandbox.waiting import sleep

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class Connection:
    """One HTTP client, shared by all that talk to the manager."""

    def __init__(self, origin: Origin) -> None:
        """Prepare to talk to a manager; the first call connects."""
        import httpx

        self.origin = origin
        self._at = 0  # which of the managers answered last
        self._timeout = default_timeout()
        self._client = httpx.Client(**transport.client_options(origin))

    def send(self, call: Call[T], content: Iterable[bytes] | None = None) -> T:
        """Send a call and return what it answers.

        Args:
            call: What to send.
            content: The body, streamed; else the call has its own.

        Raises:
            SandboxError: the manager refused, or did not answer; the class says which.
        """
        response = self._exchange(call, content)
        try:
            body = response.read()
        except self._errors() as error:
            raise transport.translated(self.origin, call, self._seconds(call), error) from error
        finally:
            response.close()
        return transport.read(self.origin, call, response.status_code, response.headers, body)

    def download(self, call: Call[bytes], chunk_size: int | None) -> Download:
        """Send a call and return its answer as a stream; an error is raised here, before the first chunk.

        Args:
            call: What to send.
            chunk_size: The most bytes of one chunk, which are waited for; None for what comes, as it comes.
        """
        response = self._exchange(call, None)
        if response.status_code >= 300:
            try:
                body = response.read()
            finally:
                response.close()
            raise transport.refusal(self.origin, call, response.status_code, response.headers, body)
        return Download(self.origin, call, response, chunk_size, self._seconds(call))

    def close(self) -> None:
        """Close all sockets."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, call: Call[T], content: Iterable[bytes] | None) -> httpx.Response:
        """Send a call, again where that is safe, and return the answer with its body unread."""
        seconds = self._seconds(call)
        trial = Trial(call, self.origin, self._at, replayable=content is None)
        while True:
            if self._client.is_closed:
                raise InvalidRequest(f"could not {call.what}: what it was called on is closed")
            try:
                request = transport.build(trial.origin, call, seconds, content)
                response = self._client.send(request, stream=True)
                refused = self._refused(trial.origin, call, response)
                if refused is None:
                    self._at = trial.at
                    return response
                pause = trial.pause_after(refused)
                if pause is None:
                    raise refused
            except self._errors() as error:
                pause = trial.pause_after(error)
                if pause is None:
                    raise transport.translated(self.origin, call, seconds, error) from error
            sleep(pause)

    def _refused(self, origin: Origin, call: Call[T], response: httpx.Response) -> Draining | None:
        """Return that the manager did nothing because it is about to end, if that is its answer."""
        if response.status_code != Draining.status:
            return None
        try:
            body = response.read()  # kept, for whoever reads the answer after us
        finally:
            response.close()
        error = transport.refusal(origin, call, response.status_code, response.headers, body)
        return error if isinstance(error, Draining) else None

    def _seconds(self, call: Call[T]) -> float:
        return (call.timeout or self._timeout) + call.allowance

    @staticmethod
    def _errors() -> tuple[type[Exception], ...]:
        import httpx

        return (httpx.HTTPError, httpx.InvalidURL)


class Download(Iterator[bytes]):
    """A file on its way here, chunk by chunk.

    Read it to its end, or leave it by `with`: until then it keeps a connection to the manager.
    """

    def __init__(
        self, origin: Origin, call: Call[bytes], response: httpx.Response, chunk_size: int | None, seconds: float
    ) -> None:
        """Take over an answer whose body is unread."""
        self._origin = origin
        self._call = call
        self._response = response
        self._chunks = response.iter_raw(chunk_size)
        self._seconds = seconds

    @property
    def size(self) -> int | None:
        """The file's length in bytes, if the manager said it."""
        length = self._response.headers.get("content-length", "")
        return int(length) if length.isdigit() else None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        import httpx

        try:
            return next(self._chunks)
        except httpx.HTTPError as error:
            self.close()
            raise transport.translated(self._origin, self._call, self._seconds, error) from error

    def close(self) -> None:
        """Stop, and let the connection go."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
