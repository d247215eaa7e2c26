"""The life of a box: starts the parts, listens, hears its assignment, and ends when nobody wants it any more."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal

from sandbox_server.composition import make_parts
from sandbox_server.config import EX_CONFIG, LINE_LIMIT, LINE_TIMEOUT_S, Assignment, BoxConfig, ConfigError, parse
from sandbox_server.land.namespaces import Land
from sandbox_server.land.userland import write_ca
from sandbox_server.watchdog import Watchdog

log = logging.getLogger(__name__)

STDIN = 0
EX_SILENCE = 75  # sysexits.h: a temporary failure; another box may do


async def live(sandbox_type: str, parts_of: str, land: Land) -> int:
    """Run the box until it has a reason to end; return the exit code."""
    loop = asyncio.get_running_loop()
    # Nothing is worth saving, and PID 1 ends with us: the kernel ends all the rest.
    loop.add_signal_handler(signal.SIGTERM, os._exit, 0)
    config = BoxConfig(sandbox_type, parts_of, loop.create_future())
    try:
        parts = make_parts(config, land)
    except ConfigError as e:
        log.error("%s", e)
        return EX_CONFIG
    for part in parts:
        await part.start()
    # The import that takes longest, beside the helpers that are on their way; in a thread, because they need the loop.
    listening = await asyncio.to_thread(importlib.import_module, "sandbox_server.listening")
    watchdog = Watchdog(loop.time)
    await listening.listen(config, parts, watchdog)
    try:
        assignment = await _assignment(config)
    except ConfigError as e:
        log.error("%s", e)
        return EX_CONFIG
    write_ca(assignment, config.home)
    config.assignment.set_result(assignment)
    await watchdog.run(assignment.watchdog_s)
    return EX_SILENCE


async def _assignment(config: BoxConfig) -> Assignment:
    assignment = parse(await _line())
    if assignment.sandbox_type != config.sandbox_type:
        raise ConfigError(f"this image is of type {config.sandbox_type!r}, not {assignment.sandbox_type!r}")
    if assignment.parts not in (None, config.parts):
        raise ConfigError(
            f"this image is laid on {config.parts!r}, not on {assignment.parts!r}: register it with "
            f"runtime_config={{'based_on': {config.parts!r}}}"
        )
    return assignment


async def _line() -> bytes:
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(STDIN, "rb", closefd=False)
        )
    except (OSError, ValueError) as e:
        raise ConfigError(f"stdin is not attached: {e}") from e
    try:
        async with asyncio.timeout(LINE_TIMEOUT_S):
            line = await reader.readline()
    except TimeoutError as e:
        raise ConfigError(f"no configuration came on stdin in {LINE_TIMEOUT_S:g} s") from e
    except ValueError as e:
        raise ConfigError(f"the line on stdin is too long: {e}") from e
    finally:
        transport.close()
    if not line:
        raise ConfigError("stdin was closed without a configuration")
    return line
