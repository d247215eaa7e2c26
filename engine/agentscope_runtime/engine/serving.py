"""Running an application under uvicorn, in this process, until a signal ends it, or in a notebook an interrupt."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.settings import listening_address, without_unbuilt
from agentscope_runtime.sandbox.places import is_loopback

if TYPE_CHECKING:
    from uvicorn import Server

logger = logging.getLogger(__name__)

GRACE_S = 4
"""Seconds that answers under way may take when the server stops; then they are cancelled. With what handlers may take
after that (`runs.LAST_PATIENCE_S`), all is over before Docker, which waits for 10 s, kills the process."""

NOT_STARTED = 3
"""Exit status of what did not start, as uvicorn has it."""

KEEP_ALIVE_S = 75
"""Seconds that an idle connection is kept. Longer than clients keep theirs (httpx: 5, as uvicorn would), so that none
writes into a closing one."""

_OF_THE_APPLICATION = frozenset({"custom_endpoints", "endpoint_path", "mode", "runner", "stream"})
"""Options that code for this API may give to `run`."""


def serve(
    app: FastAPI,
    host: str | None,
    port: int | str | None,
    options: dict[str, Any],
    *,
    is_open: bool,
    stop_runs: Callable[[], object],
) -> None:
    """Serve until a signal comes.

    Args:
        app: What to serve.
        host: Address to listen on; else `HOST`, else all.
        port: TCP port; else `PORT`, else 8080.
        options: What else uvicorn is told.
        is_open: Whether everybody may call its agents.
        stop_runs: Called when the signal came: streams then say their last words while there is time.

    Raises:
        InvalidOption: an option belongs to the constructor, or asks for what does not exist yet; or nobody can listen
            on this address.
        SystemExit: it did not start; the log says why.
    """
    # Named, since older uvicorns would choose an interface of websockets that warns of its end.
    options = {
        "timeout_graceful_shutdown": GRACE_S,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "ws": "websockets-sansio",
        **without_unbuilt(options),
    }
    for name in _OF_THE_APPLICATION.intersection(options):
        raise InvalidOption(f"run({name}=…) comes too late: give it to AgentApp({name}=…)")
    if options.get("reload") or (options.get("workers") or 1) > 1:
        raise InvalidOption("run() serves in this process: for reload= and workers= run `uvicorn module:app`")
    host, port = listening_address(host, port)
    if options.get("uds") is None and options.get("fd") is None:
        check_free(host, port)
    if is_open and not is_loopback(host):
        logger.warning(
            "%s listens on %s, and whoever reaches that may call its agents: set AGENT_BEARER_TOKEN, or listen on "
            "127.0.0.1",
            app.title,
            host,
        )
    _serve(app, stop_runs, host=host, port=port, **options)


def _serve(app: FastAPI, stop_runs: Callable[[], object], **options: Any) -> None:
    import uvicorn  # whoever serves the application himself may do without

    class _Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            stop_runs()
            await super().shutdown(sockets)

    server = _Server(uvicorn.Config(app, **options))
    try:
        if _loop_runs_here():
            _run_beside(server)
        else:
            server.run()
    except KeyboardInterrupt:
        pass  # it has ended by then, and raises the signal again for whoever started it
    finally:
        if (path := options.get("uds")) and os.path.exists(path):
            os.remove(path)
    if not server.started:
        sys.exit(NOT_STARTED)


def check_free(host: str, port: int) -> None:
    """Try to take an address, and let go of it: uvicorn does so only when all services have been started.

    Raises:
        InvalidOption: it cannot be had; the message says why, and what to do.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        absent = [error for family, _, _, _, address in found if (error := _absent(family, address))]
        if len(absent) == len(found):  # localhost may have an address of a family that this machine does without
            raise absent[0]
    except OSError as error:
        cure = _CURES.get(error.errno or 0)
        if isinstance(error, socket.gaierror) or cure is None:
            cure = f"{error.strerror or error}: choose another with run(host=…, port=…), or HOST and PORT"
        raise InvalidOption(f"cannot listen on {host}:{port}: {cure}") from error


def _absent(family: int, address: Any) -> OSError | None:
    """Take an address and let go of it; return why, if this machine has no such address."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            if os.name == "posix":  # elsewhere this would let two programs take one port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:  # as servers do: the other family has an address of its own
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        return error
    return None


_CURES = {
    errno.EADDRINUSE: "something listens there already: stop it, or choose another port with run(port=…) or PORT",
    errno.EACCES: "ports below 1024 are for root: choose another with run(port=…) or PORT",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose another with run(host=…) or HOST",
}


def _loop_runs_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_beside(server: Server) -> None:
    """Serve in a thread with a loop of its own, for this one has one that runs, as in a notebook; and wait for it."""
    with ThreadPoolExecutor(1, thread_name_prefix="server") as thread:
        serving = thread.submit(server.run)
        try:
            serving.result()
        except KeyboardInterrupt:  # the cell was interrupted: that is how a notebook ends it
            server.should_exit = True
            serving.result()
