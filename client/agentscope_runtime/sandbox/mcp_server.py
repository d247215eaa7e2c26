"""`runtime-sandbox-mcp`: a sandbox as an MCP server on stdin and stdout, for clients that start their servers.

    runtime-sandbox-mcp --type browser

The sandbox is started with the command, kept while the client is there, and given back when it leaves. Messages pass
between the client and the manager's own MCP route as they are; what they mean stands there. To stdout goes nothing but
messages, and a key goes nowhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, BinaryIO

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.holding import HoldingAsync
from agentscope_runtime.sandbox._async.sandbox import SandboxAsync
from agentscope_runtime.sandbox.errors import InvalidRequest, SandboxDied, SandboxError, SandboxNotFound
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.utils import dynamic_import

logger = logging.getLogger("runtime-sandbox-mcp")

LINE_LIMIT = 32 << 20
"""Bytes of one message, as the manager takes them."""
AT_ONCE = 64
"""Requests under way; while there are as many, no further message is read."""
KEEPALIVE_S = 60.0
"""Seconds between two renewals of the lease: people think for longer than sandboxes stay idle."""
TOKEN_VARIABLE = "RUNTIME_SANDBOX_BEARER_TOKEN"  # noqa: S105 - the name of one, not a token
DISCOVER = b'{"jsonrpc": "2.0", "id": 0, "method": "server/discover"}'
SERVER_ERROR = -32000
REFUSED = b'"error"'
GONE = frozenset({SandboxDied.code, SandboxNotFound.code})
PARSE_ERROR = -32700

Send = Callable[[bytes], Awaitable[bytes]]
"""Passes a message to the sandbox and returns its answer, which is empty for a notification."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the process status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    logger.setLevel(logging.INFO)
    try:
        for extension in options.extension:
            dynamic_import(extension)
        return asyncio.run(_run(options.type, options.base_url, options.bearer_token))
    except SandboxError as error:
        logger.error("%s", error)
        return 1


def _parser() -> argparse.ArgumentParser:
    kinds = ", ".join(sorted(SandboxRegistry.list_all_sandboxes()))
    parser = argparse.ArgumentParser(
        prog="runtime-sandbox-mcp",
        description="Be an MCP server whose tools are those of a sandbox, which lives as long as its client.",
    )
    parser.add_argument("--type", default="base", help=f"kind of sandbox: {kinds}, or one of the manager's own")
    parser.add_argument(
        "--base_url", "--base-url", help="where the sandbox manager is; without it, one runs in this process"
    )
    parser.add_argument(
        "--bearer_token",
        "--bearer-token",
        default=os.environ.get(TOKEN_VARIABLE),
        help=f"its key; or set {TOKEN_VARIABLE}, which other users of this machine cannot see in the list of processes",
    )
    parser.add_argument(
        "--extension", action="append", default=[], metavar="MODULE", help="a module or file.py that registers kinds"
    )
    return parser


async def _run(kind: str, base_url: str | None, bearer_token: str | None) -> int:
    """Serve until the client closes stdin, or a signal asks for the end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    serving = asyncio.create_task(_serve(kind, base_url, bearer_token))
    asked = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        return 0
    finally:
        for task in (serving, asked):
            task.cancel()
        await asyncio.gather(serving, asked, return_exceptions=True)


async def _serve(kind: str, base_url: str | None, bearer_token: str | None) -> None:
    async with SandboxAsync(base_url=base_url, bearer_token=bearer_token, sandbox_type=kind) as box:
        logger.info("serving the %s sandbox %s", box.sandbox_type, box.sandbox_id)
        supply = Supply(box)
        keeping = asyncio.create_task(_keep(supply))
        try:
            await Pump(supply.send, sys.stdout.buffer).run(await _stdin())
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


async def _keep(supply: Supply) -> None:
    """Use the sandbox now and then, so that its lease does not end for idleness while its client is there."""
    while True:
        await asyncio.sleep(KEEPALIVE_S)
        try:
            await supply.touch()
        except SandboxError as error:
            logger.warning("%s", error)


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    try:
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    except ValueError as error:
        raise InvalidRequest("stdin is a file: this command is for MCP clients, which talk through a pipe") from error
    return reader


class Supply:
    """Passes messages to a sandbox; when that is gone, to another one, whoever sends having been told."""

    def __init__(self, box: SandboxAsync) -> None:
        """Begin with this one, which is started."""
        self._box = box
        self._turn = asyncio.Lock()

    async def send(self, message: bytes) -> bytes:
        """Pass a message on and return its answer.

        Raises:
            SandboxError: It could not be passed on, or there is no other sandbox to be had.
        """
        held = await self._held()
        answer = await held.do_async(calls.mcp_message, message)
        if (refused := _refused(answer)) is None or refused["data"]["code"] not in GONE:
            return answer
        async with self._turn:
            if self._box.sandbox_id == held.info.sandbox_id:
                logger.warning("%s", refused["message"])
                await self._box.close_async()
                await self._box.start_async()
                logger.info("serving the %s sandbox %s instead", self._box.sandbox_type, self._box.sandbox_id)
        told = f"{refused['message']}; another sandbox is in its place now, without its files and variables: call again"
        return _refusal(json.loads(message).get("id"), SERVER_ERROR, told, refused["data"])

    async def touch(self) -> None:
        """Use the sandbox; a dead one is found so by the next message, whose sender is told."""
        await (await self._held()).do_async(calls.mcp_message, DISCOVER)

    async def _held(self) -> HoldingAsync:
        async with self._turn:  # while another one is on its way, it is waited for
            return self._box._in_hand()


class Pump:
    """Passes lines to the sandbox, several at a time, and its answers back in the order in which they come."""

    def __init__(self, send: Send, out: BinaryIO) -> None:
        """Answer on `out`."""
        self._send = send
        self._out = out
        self._room = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[str | int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, lines: asyncio.StreamReader) -> None:
        """Pass on what comes until there is no more; what is under way then is cancelled."""
        try:
            while line := await lines.readline():
                if line.strip():
                    await self._take(line)
        except ValueError as error:  # longer than the reader's limit
            logger.error("a message is too long: %s", error)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, line: bytes) -> None:
        message = _read(line)
        if message is None:
            self._write(_refusal(None, PARSE_ERROR, "the line is no JSON object"))
            return
        if message.get("method") == "notifications/cancelled":
            self._cancel(message)
            return
        await self._room.acquire()
        identity = message.get("id")
        task = asyncio.create_task(self._exchange(line, identity))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        if isinstance(identity, str | int):
            self._under_way[identity] = task
            task.add_done_callback(lambda _: self._under_way.pop(identity, None))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()

    def _cancel(self, message: dict[str, Any]) -> None:
        params = message.get("params")
        identity = params.get("requestId") if isinstance(params, dict) else None
        if isinstance(identity, str | int) and (task := self._under_way.get(identity)) is not None:
            task.cancel()  # the manager takes a request that is dropped for cancelled; it is owed no answer

    async def _exchange(self, line: bytes, identity: Any) -> None:
        try:
            answer = await self._send(line)
        except SandboxError as error:
            answer = b"" if identity is None else _refusal(identity, SERVER_ERROR, error.detail, error.to_problem())
        self._write(answer)

    def _write(self, message: bytes) -> None:
        """Write one message; a client that does not read holds up this process, and nobody else."""
        if message:
            self._out.write(message + b"\n")
            self._out.flush()


def _refused(answer: bytes) -> dict[str, Any] | None:
    """Return the error of an answer that says that the sandbox could not be used; results are not looked into."""
    if REFUSED not in answer[:200]:
        return None
    error = json.loads(answer).get("error")
    is_ours = isinstance(error, dict) and error.get("code") == SERVER_ERROR and "code" in (error.get("data") or {})
    return error if is_ours else None


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _refusal(identity: Any, code: int, text: str, data: Any = None) -> bytes:
    error = {"code": code, "message": text} | ({} if data is None else {"data": data})
    return json.dumps({"jsonrpc": "2.0", "id": identity, "error": error}).encode()


if __name__ == "__main__":
    sys.exit(main())
