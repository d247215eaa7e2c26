"""A kept-alive way to a manager, or to several that share a pool: sends calls, gives answers or raises errors.

What a call is stands in `calls`, what travels how in `transport`, when it is sent again in `retrying`; who opens and
closes it is the caller's business.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from agentscope_runtime.sandbox import transport
from agentscope_runtime.sandbox.calls import Call
from agentscope_runtime.sandbox.errors import Draining, InvalidRequest
from agentscope_runtime.sandbox.retrying import Trial
from agentscope_runtime.sandbox.settings import Origin, default_timeout
from agentscope_runtime.sandbox.waiting import sleep_async

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class ConnectionAsync:
    """One HTTP client, shared by all that talk to the manager."""

    def __init__(self, origin: Origin) -> None:
        """Prepare to talk to a manager; the first call connects."""
        import httpx

        self.origin = origin
        self._at = 0  # which of the managers answered last
        self._timeout = default_timeout()
        self._client = httpx.AsyncClient(**transport.client_options(origin))

    async def send_async(self, call: Call[T], content: AsyncIterable[bytes] | None = None) -> T:
        """Send a call and return what it answers.

        Args:
            call: What to send.
            content: The body, streamed; else the call has its own.

        Raises:
            SandboxError: the manager refused, or did not answer; the class says which.
        """
        response = await self._exchange_async(call, content)
        try:
            body = await response.aread()
        except self._errors() as error:
            raise transport.translated(self.origin, call, self._seconds(call), error) from error
        finally:
            await response.aclose()
        return transport.read(self.origin, call, response.status_code, response.headers, body)

    async def download_async(self, call: Call[bytes], chunk_size: int | None) -> DownloadAsync:
        """Send a call and return its answer as a stream; an error is raised here, before the first chunk.

        Args:
            call: What to send.
            chunk_size: The most bytes of one chunk, which are waited for; None for what comes, as it comes.
        """
        response = await self._exchange_async(call, None)
        if response.status_code >= 300:
            try:
                body = await response.aread()
            finally:
                await response.aclose()
            raise transport.refusal(self.origin, call, response.status_code, response.headers, body)
        return DownloadAsync(self.origin, call, response, chunk_size, self._seconds(call))

    async def aclose(self) -> None:
        """Close all sockets."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _exchange_async(self, call: Call[T], content: AsyncIterable[bytes] | None) -> httpx.Response:
        """Send a call, again where that is safe, and return the answer with its body unread."""
        seconds = self._seconds(call)
        trial = Trial(call, self.origin, self._at, replayable=content is None)
        while True:
            if self._client.is_closed:
                raise InvalidRequest(f"could not {call.what}: what it was called on is closed")
            try:
                request = transport.build(trial.origin, call, seconds, content)
                response = await self._client.send(request, stream=True)
                refused = await self._refused_async(trial.origin, call, response)
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
            await sleep_async(pause)

    async def _refused_async(self, origin: Origin, call: Call[T], response: httpx.Response) -> Draining | None:
        """Return that the manager did nothing because it is about to end, if that is its answer."""
        if response.status_code != Draining.status:
            return None
        try:
            body = await response.aread()  # kept, for whoever reads the answer after us
        finally:
            await response.aclose()
        error = transport.refusal(origin, call, response.status_code, response.headers, body)
        return error if isinstance(error, Draining) else None

    def _seconds(self, call: Call[T]) -> float:
        return (call.timeout or self._timeout) + call.allowance

    @staticmethod
    def _errors() -> tuple[type[Exception], ...]:
        import httpx

        return (httpx.HTTPError, httpx.InvalidURL)


class DownloadAsync(AsyncIterator[bytes]):
    """A file on its way here, chunk by chunk.

    Read it to its end, or leave it by `async with`: until then it keeps a connection to the manager.
    """

    def __init__(
        self, origin: Origin, call: Call[bytes], response: httpx.Response, chunk_size: int | None, seconds: float
    ) -> None:
        """Take over an answer whose body is unread."""
        self._origin = origin
        self._call = call
        self._response = response
        self._chunks = response.aiter_raw(chunk_size)
        self._seconds = seconds

    @property
    def size(self) -> int | None:
        """The file's length in bytes, if the manager said it."""
        length = self._response.headers.get("content-length", "")
        return int(length) if length.isdigit() else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        import httpx

        try:
            return await anext(self._chunks)
        except httpx.HTTPError as error:
            await self.aclose()
            raise transport.translated(self._origin, self._call, self._seconds, error) from error

    async def aclose(self) -> None:
        """Stop, and let the connection go."""
        await self._response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
