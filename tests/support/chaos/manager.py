"""A whole manager as a process that a test kills: the product's own application, with wires around store and backend.

Times that the product counts in tens of seconds are tenths here; nothing else is different.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from chaos.processes import redirect
from chaos.remote import remote_backend
from chaos.tripwires import Kill, lay, wired
from pydantic import SecretStr

from agentscope_runtime.sandbox_manager.api import create_app
from agentscope_runtime.sandbox_manager.backends import Backend, Owner
from agentscope_runtime.sandbox_manager.listening import listen
from agentscope_runtime.sandbox_manager.serving import Server, configure, spare_the_collector
from agentscope_runtime.sandbox_manager.settings import Settings

KEY = "the key of these tests"
PACKAGE = "agentscope_runtime.sandbox_manager"
SHORTER: Mapping[str, float] = {
    "reconcile:EVERY": 0.5,
    "reconcile:AGE_GUARD": 1.5,
    "removal:FIRST_RETRY": 0.1,
    "refill:FIRST_PAUSE": 0.1,
    "refill:LAST_PAUSE": 1.0,
    "background:RESTART_AFTER": 0.1,
    "succession:EVERY": 0.5,
    "succession:PROMISED_WITHIN": 0.5,
    "membership:BEAT_EVERY": 0.3,
    "membership:RETRY_EVERY": 0.1,
    "membership:LEADS_FOR": 1.0,
    "membership:MARGIN": 0.1,
    "membership:DEAD_AFTER": 1.5,
}
"""Constants of the product's modules, in seconds."""


LAG_STEP, LAG_NOTED = 0.002, 0.005
"""Seconds between two looks at the event loop, and of the standstills that are written down."""


@dataclass(frozen=True)
class Plan:
    """What a manager process is to be."""

    state_dir: Path
    port: int
    engine: str = ""
    """The engine process's socket; "" is the real Docker Engine."""
    kill: Kill | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    shorter: Mapping[str, float] = field(default_factory=lambda: SHORTER)
    level: str = "DEBUG"
    """Of the log."""
    lag: Path | None = None
    """Where to write for how long the event loop stood still, in seconds, a line each time."""


class JumpingClock:
    """Time of day that a signal sets: SIGUSR1 an hour ahead, SIGUSR2 an hour back."""

    def __init__(self) -> None:
        self._offset = 0.0
        signal.signal(signal.SIGUSR1, partial(self._jump, 3600.0))
        signal.signal(signal.SIGUSR2, partial(self._jump, -3600.0))

    def __call__(self) -> float:
        """Return the time."""
        return time.time() + self._offset

    def _jump(self, by: float, *_: object) -> None:
        self._offset += by


def main(plan: Plan) -> None:
    """Be a manager until killed, or ended by SIGINT or SIGTERM."""
    redirect(plan.state_dir / f"manager-{plan.port}.log")
    logging.basicConfig(level=plan.level, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    for name in ("asyncio", "aiodocker", "uvicorn"):
        logging.getLogger(name).setLevel("WARNING")
    for place, value in plan.shorter.items():
        _set(place, value)
    _lay_wires(plan)
    values = {"bearer_token": SecretStr(KEY), "host": "127.0.0.1", "port": plan.port, **plan.settings}
    if plan.engine:
        values["container_deployment"] = "fake"
    listener = listen("127.0.0.1", plan.port)
    app = create_app(Settings(state_dir=plan.state_dir, **values))
    server = Server(configure(app, grace=0.5), on_start=partial(_started, plan), on_stop=lambda: None)
    server.run(sockets=[listener])


def _started(plan: Plan) -> None:
    spare_the_collector()  # as the server command does
    asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, _tell_tasks)
    if plan.lag is not None:
        watching = asyncio.create_task(_watch_lag(plan.lag))
        watching.add_done_callback(lambda _: None)  # which also keeps it


def _tell_tasks() -> None:
    """Write into the log what each task waits for."""
    for task in asyncio.all_tasks():
        print(task.get_name(), "is being cancelled" if task.cancelling() else "", file=sys.stderr)
        waiting: Any = task.get_coro()
        while (frame := getattr(waiting, "cr_frame", None)) is not None:
            print(f"  {frame.f_code.co_qualname} {frame.f_code.co_filename}:{frame.f_lineno}", file=sys.stderr)
            waiting = waiting.cr_await


async def _watch_lag(path: Path) -> None:
    """Write down each time when this task was woken late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_STEP
        await asyncio.sleep(LAG_STEP)
        if (late := loop.time() - due) > LAG_NOTED:
            with path.open("a") as file:
                file.write(f"{late}\n")


def _lay_wires(plan: Plan) -> None:
    lay(plan.kill)
    make_backend = _get("lifespan:_make_backend")

    def backend(settings: Settings, owner: Owner) -> Backend:
        made = remote_backend(plan.engine, owner) if plan.engine else make_backend(settings, owner)
        return wired(made, plan.kill)

    _set("lifespan:_make_backend", backend)
    _set("lifespan:Means", partial(_get("lifespan:Means"), clock=JumpingClock()))


def _set(place: str, value: object) -> None:
    """Replace something of the product's in this process; what is not there any more is an error."""
    _get(place)
    module, _, name = place.partition(":")
    setattr(importlib.import_module(f"{PACKAGE}.{module}"), name, value)


def _get(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)
