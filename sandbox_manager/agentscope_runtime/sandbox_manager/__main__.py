"""The command `runtime-sandbox-server`: a manager of its own, until Ctrl-C.

What can go wrong before it serves ends in one line that names the cure, and exit status 2.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values
from pydantic import ValidationError

from agentscope_runtime.sandbox.errors import BackendUnavailable, StoreUnavailable, UnknownSandboxType
from agentscope_runtime.sandbox.places import is_loopback
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.utils import dynamic_import
from agentscope_runtime.sandbox_manager import logs
from agentscope_runtime.sandbox_manager.keys import installation_id, load_key
from agentscope_runtime.sandbox_manager.settings import Settings, SettingsError
from agentscope_runtime.sandbox_manager.simulation.command import main as simulate

if TYPE_CHECKING:
    from agentscope_runtime.sandbox_manager.api.auth import Access
    from agentscope_runtime.sandbox_manager.api.draining import Drain
    from agentscope_runtime.sandbox_manager.tracing import Tracing

GRACE = 3.0
"""Seconds that open calls are given when the server ends."""
CHECK_WITHIN = 10.0
"""Seconds that Docker may take to answer at the start."""
FILES = 65536
"""Open files, where the machine allows them."""
GIVEN = ("host", "port", "log_level")
"""Settings that the command takes as options, too."""
OTLP = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables of OpenTelemetry; one that is set says where spans go."""
logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> None:
    """Run the server, or `simulate`; ends the process with its status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["simulate"]:
        return simulate(arguments[1:])
    options = _options(arguments)
    try:
        _load_environment(options.config)
        for extension in options.extension:
            _load_extension(extension)
        settings = _settings(options)
        logs.set_up(settings.log_level, settings.log_format)
        _check_kinds(settings)
        load_key(settings)
        installation_id(settings.state_dir)
        allow_open_files()
        serve(settings)
    except (SettingsError, BackendUnavailable, StoreUnavailable) as error:
        print(f"runtime-sandbox-server: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # before there was anything to clean up
        sys.exit(130)


def allow_open_files() -> None:
    """Let this process have as many open files as it may: each connection is one, and 1024 are soon used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises:
        SettingsError: The address cannot be had.
        BackendUnavailable: Docker does not answer.
        StoreUnavailable: Redis does not.
    """
    from agentscope_runtime.sandbox_manager.api import create_app
    from agentscope_runtime.sandbox_manager.listening import listen
    from agentscope_runtime.sandbox_manager.serving import Server, configure

    listener = listen(settings.host, settings.port)
    tracing = None
    try:
        _check_engine(settings)
        _check_redis(settings)
        tracing = _tracing()
        app = create_app(settings, tracing=tracing)
        address = _address(settings, listener.getsockname()[1])
        server = Server(
            configure(app, grace=GRACE),
            on_start=lambda: _serving(settings, address, app.state.access),
            on_stop=lambda: print(_farewell(settings), flush=True),
            drain=lambda: _drain(app.state.drain, settings.drain_seconds),
        )
        server.run(sockets=[listener])
    finally:
        listener.close()
        if tracing is not None:
            tracing.close()


def _tracing() -> Tracing | None:
    """Return what makes spans; None if nobody has said where they shall go.

    Raises:
        SettingsError: Somebody has, and what sends them is not installed.
    """
    wanted = next((name for name in OTLP if os.environ.get(name)), None)
    if wanted is None or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from agentscope_runtime.sandbox_manager.tracing import exporting

        return exporting()
    except ImportError as error:
        raise SettingsError(f"{wanted} is set, and {error.name} is not installed: install the extra `otel`") from error


async def _drain(drain: Drain, within: float) -> None:
    left = await drain.finish(within)
    if left:
        logger.warning("%d calls did not finish within %g s; they are cut off", left, within)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="runtime-sandbox-server",
        description="Keep sandboxes warm, lease them to sessions, and show them. Settings come from the environment; "
        "the ones in force are printed at start. `%(prog)s simulate --help`: plan the pools without running anything.",
    )
    parser.add_argument("--host", help="address to listen on (HOST; 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (PORT; 8000; 0 takes a free one)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="file of settings (.env of this folder, if any)")
    parser.add_argument("--log-level", metavar="LEVEL", help="least severity that is logged (LOG_LEVEL; INFO)")
    parser.add_argument(
        "--extension",
        action="append",
        default=[],
        metavar="FILE|MODULE",
        help="Python code to run before the start, e.g. to register sandbox types; may be repeated",
    )
    return parser.parse_args(arguments)


def _load_environment(config: Path | None) -> None:
    """Take variables from the file, where the environment does not have them: this process is ours to set up."""
    if config is not None and not config.is_file():
        raise SettingsError(f"--config {config}: there is no such file")
    for name, value in dotenv_values(config or Path(".env")).items():
        if value is not None:
            os.environ.setdefault(name, value)


def _load_extension(name: str) -> None:
    try:
        dynamic_import(name)
    except Exception as error:
        raise SettingsError(f"--extension {name} failed: {type(error).__name__}: {error}") from error


def _settings(options: argparse.Namespace) -> Settings:
    given: dict[str, Any] = {name: value for name in GIVEN if (value := getattr(options, name)) is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        parts = []
        for item in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in item["loc"]).upper()
            words = item["msg"].removeprefix("Value error, ")
            parts.append(f"{name}: {words}" if name else words)
        raise SettingsError("; ".join(parts)) from error


def _check_kinds(settings: Settings) -> None:
    """Look up the kinds that the settings name, now that the extensions have registered theirs.

    Raises:
        SettingsError: Nobody registered one of them: a typing error, or an extension is missing.
    """
    warm = "POOL_SIZE" if isinstance(settings.pool_size, dict) else "DEFAULT_SANDBOX_TYPE"
    for variable, kinds in (
        (warm, settings.pool_targets()),
        ("POOL_MAX", settings.pool_most()),
        ("MAX_SANDBOXES_BY_TYPE", settings.max_sandboxes_by_type),
    ):
        try:
            for kind in kinds:
                SandboxRegistry.get_image_by_type(kind)
        except UnknownSandboxType as error:
            raise SettingsError(f"{variable}: {error.detail}") from error


def _images(settings: Settings) -> dict[str, str]:
    return {kind: SandboxRegistry.get_image_by_type(kind) for kind in settings.pool_targets()}


def _check_engine(settings: Settings) -> None:
    """Ask Docker something, so that its absence is told now and not by each pool.

    Raises:
        BackendUnavailable: It does not answer.
    """
    if settings.container_deployment != "docker":
        return
    from agentscope_runtime.sandbox_manager.backends import Owner
    from agentscope_runtime.sandbox_manager.backends.docker import DockerBackend

    async def ask() -> None:
        backend = DockerBackend(Owner(installation_id(settings.state_dir), "start"))
        try:
            async with asyncio.timeout(CHECK_WITHIN):
                await backend.containers()
        except TimeoutError as error:
            raise BackendUnavailable(f"Docker does not answer within {CHECK_WITHIN:g} s: restart it") from error
        finally:
            await backend.aclose()

    asyncio.run(ask())


def _check_redis(settings: Settings) -> None:
    """Ask the Redis of a shared pool something, for the same reason.

    Raises:
        StoreUnavailable: It does not answer.
    """
    url = settings.redis_address()
    if url is None:
        return
    from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink

    async def ask() -> None:
        link = RedisLink(url)
        try:
            await link.ping()
        finally:
            await link.aclose()

    asyncio.run(ask())


def _farewell(settings: Settings) -> str:
    if settings.redis_address() is not None:
        return "stopping; the pool's sandboxes go on"
    return "stopping; removing this manager's sandboxes"


def _address(settings: Settings, port: int) -> str:
    host = settings.host.strip("[]")
    if host in ("0.0.0.0", "::") or is_loopback(host):
        host = "127.0.0.1" if ":" not in host else "[::1]"
    elif ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}"


def _serving(settings: Settings, address: str, access: Access) -> None:
    from agentscope_runtime.sandbox_manager.serving import spare_the_collector

    _greet(settings, address, access)
    spare_the_collector()


def _greet(settings: Settings, address: str, access: Access) -> None:
    # The images' names are made of several variables: the result is what one wants to see.
    images = {f"image of {kind}": image for kind, image in _images(settings).items()}
    shown = settings.redacted() | images
    width = max(map(len, shown))
    print("settings:", *(f"  {name:<{width}}  {value}" for name, value in shown.items()), sep="\n")
    removes = "" if settings.redis_address() is not None else " and removes its sandboxes"
    print(f"\nserving on {address}; Ctrl-C stops it{removes}")
    print(f"status page, one sign-in within 10 minutes: {address}/#ticket={access.sign_in_ticket()}\n", flush=True)


if __name__ == "__main__":
    main()
