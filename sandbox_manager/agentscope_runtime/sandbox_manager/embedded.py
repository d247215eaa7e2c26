"""The manager inside another program: a thread of it, on 127.0.0.1 and a free port, with a key that only it knows.

The client loads this module by name when a sandbox is given no `base_url`, and counts who needs it. It is the same
manager over the same HTTP as the command, and leaves the program alone: no signal handlers, no exit hooks, no `.env`.

Starting is a race against the clock, since a script waits for it: the container of the kind that the script is going
to ask for is started first, and the HTTP side (FastAPI is half a second of imports) is loaded while it boots.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr, ValidationError

from agentscope_runtime.sandbox.errors import InvalidRequest, ManagerUnreachable
from agentscope_runtime.sandbox_manager.keys import installation_id
from agentscope_runtime.sandbox_manager.listening import listen
from agentscope_runtime.sandbox_manager.settings import Settings, SettingsError

if TYPE_CHECKING:
    from agentscope_runtime.sandbox_manager.pool import Pool
    from agentscope_runtime.sandbox_manager.serving import Server

GRACE = 1.0
"""Seconds that open calls are given at the end: whoever made them has left the sandbox."""
END_WITHIN = 40.0
"""Seconds to wait for the thread; the pool gives up removing containers well before."""

logger = logging.getLogger(__name__)

_listening: weakref.WeakSet[socket.socket] = weakref.WeakSet()


class EmbeddedManager:
    """A manager that runs in a thread of this process."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; `start` is the way to make one."""
        self._settings = settings
        self._listener = listen("127.0.0.1", 0)
        _listening.add(self._listener)
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.key = cast(SecretStr, settings.bearer_token).get_secret_value()
        self._pool: Future[Pool] = Future()
        self._server: Future[Server] = Future()
        self._serving: Future[None] = Future()
        self._thread: threading.Thread | None = None

    def run(self, sandbox_types: Sequence[str]) -> None:
        """Serve from a thread; return when calls are answered."""
        self._thread = threading.Thread(
            target=self._main, args=(tuple(sandbox_types),), name="sandbox-manager", daemon=True
        )
        self._thread.start()
        try:
            pool = self._pool.result()
            self._server.set_result(self._make_server(pool))
            self._serving.result()
        except BaseException as error:
            if not self._server.done():
                self._server.set_exception(error)
            self.stop()
            raise

    def stop(self) -> None:
        """Remove all its sandboxes and end; return when that is done. May be called again."""
        if self._server.done() and self._server.exception() is None:
            self._server.result().stop()
        if self._thread is not None:
            self._thread.join(END_WITHIN)
            if self._thread.is_alive():
                raise ManagerUnreachable(f"the manager in this process did not end within {END_WITHIN:g} s")
        self._listener.close()

    def _make_server(self, pool: Pool) -> Server:
        # In the caller's thread, which has nothing else to do, while the other one talks to the engine.
        from agentscope_runtime.sandbox_manager.api import create_app
        from agentscope_runtime.sandbox_manager.serving import Server, configure

        config = configure(create_app(self._settings, pool=pool), grace=GRACE)
        config.load()
        return Server(config, on_start=lambda: self._serving.set_result(None), on_stop=lambda: None)

    def _main(self, sandbox_types: tuple[str, ...]) -> None:
        try:
            asyncio.run(self._serve(sandbox_types))
        except BaseException as error:  # told to whoever waits for this thread, or logged
            waiting: list[Future[Any]] = [future for future in (self._pool, self._serving) if not future.done()]
            if not waiting:
                logger.exception("the sandbox manager in this process ended badly")
            elif isinstance(error, Exception):
                waiting[0].set_exception(error)
            else:  # uvicorn would end the process
                waiting[0].set_exception(ManagerUnreachable("the sandbox manager in this process did not start"))

    async def _serve(self, sandbox_types: tuple[str, ...]) -> None:
        from agentscope_runtime.sandbox_manager.lifespan import running

        async with running(self._settings) as pool:
            pool.refill.expect(sandbox_types)
            self._pool.set_result(pool)
            server = await asyncio.wrap_future(self._server)
            from agentscope_runtime.sandbox_manager.serving import quiet_thread  # loaded by now

            with quiet_thread():
                await server.serve(sockets=[self._listener])


def start(sandbox_types: Sequence[str] = ()) -> EmbeddedManager:
    """Run a manager in this process; return when calls are answered.

    Args:
        sandbox_types: What the caller is going to connect to. One of each is started at once.

    Raises:
        InvalidRequest: The environment has settings that make no sense.
    """
    try:
        settings = _settings()
        installation_id(settings.state_dir)
        manager = EmbeddedManager(settings)
        manager.run(sandbox_types)
    except (ValidationError, SettingsError) as error:
        raise InvalidRequest(f"the sandbox manager cannot start in this process: {error}") from error
    except OSError as error:
        raise ManagerUnreachable(f"the sandbox manager cannot start in this process: {error}") from error
    return manager


def _settings() -> Settings:
    # A script starts exactly what it asks for: without POOL_SIZE nothing is kept warm.
    overrides: dict[str, Any] = {} if os.environ.get("POOL_SIZE") else {"pool_size": 0}
    if not os.environ.get("IDLE_ACTION"):  # what it keeps ends with the script anyway
        overrides["idle_action"] = "release"
    # It is alone: what it starts ends with the script. A REDIS_URL in its environment is often for something else.
    overrides |= {"redis_url": None, "redis_enabled": False, "installation": None, "installation_secret": None}
    return Settings(host="127.0.0.1", port=0, bearer_token=SecretStr(secrets.token_urlsafe(32)), **overrides)


def _leave_parents_port() -> None:
    # A forked child has none of the threads that serve here; its copy of the socket would keep callers waiting.
    for listener in list(_listening):
        listener.close()


os.register_at_fork(after_in_child=_leave_parents_port)
