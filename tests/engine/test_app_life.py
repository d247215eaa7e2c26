"""The life of an AgentApp: what happens in which order at both ends, and when something fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asking import ask, started
from fastapi import APIRouter, FastAPI, Request

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.interrupts import LocalInterruptBackend
from agentscope_runtime.engine.services.agent_state import InMemoryStateService

pytestmark = pytest.mark.filterwarnings("ignore:@app:DeprecationWarning")

ORDER = ["services", "init", "before_start", "lifespan", "serving"]
END = ["/lifespan", "/before_start", "/init", "/services"]


class States(InMemoryStateService):
    """A state service that tells when it is started and stopped."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    async def start(self) -> None:
        """Start, and say so."""
        await super().start()
        self._lines.append("services")

    async def stop(self) -> None:
        """Stop, and say so."""
        self._lines.append("/services")
        await super().stop()


def make(lines: list[str], fails: str = "") -> AgentApp:
    """Make an application with everything that there is at both ends; one of them may fail."""

    def note(line: str) -> None:
        lines.append(line)
        if line == fails:
            raise OSError(f"{line} failed")

    async def before_start(app: FastAPI, **kwargs: Any) -> None:
        assert await app.state.state_service.health()
        assert await app.state.session_service.health()
        note("before_start")

    def after_finish(app: FastAPI, **kwargs: Any) -> None:
        note("/before_start")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, int]]:
        note("lifespan")
        yield {"answer": 42}
        note("/lifespan")

    app = AgentApp(before_start=before_start, after_finish=after_finish, lifespan=lifespan)
    app.state.state_service = States(lines)

    @app.init
    async def init_func(self: Any) -> None:
        note("init")

    @app.shutdown
    def shutdown_func(self: Any) -> None:
        note("/init")

    return app


async def test_both_ends_are_in_order() -> None:
    """Services, runner, before_start, the lifespan; serving; and back the same way, each once."""
    lines: list[str] = []
    async with started(make(lines)) as client:
        assert (await client.get("/readiness")).status_code == 200
        lines.append("serving")
    assert lines == ORDER + END


async def test_it_can_be_started_again() -> None:
    """Tests do, and so do notebooks: each life is complete."""
    lines: list[str] = []
    app = make(lines)
    for _ in range(2):
        async with started(app):
            lines.append("serving")
    assert lines == (ORDER + END) * 2


@pytest.mark.parametrize("fails", ["init", "before_start", "lifespan"])
async def test_what_fails_at_the_start_fails_it(fails: str) -> None:
    """Nothing after it happens; what was begun before it is ended in order, the shutdown hook at most once."""
    lines: list[str] = []
    app = make(lines, fails)
    with pytest.raises(OSError, match=f"{fails} failed"):
        async with started(app):
            raise AssertionError
    begun = ORDER[: ORDER.index(fails) + 1]
    assert lines == begun + [line for line in END if line[1:] in begun[:-1]]
    assert (app.phase, app.is_ready) == ("stopped", False)


@pytest.mark.parametrize("fails", ["/before_start", "/init"])
async def test_what_fails_at_the_end_is_logged(fails: str, caplog: pytest.LogCaptureFixture) -> None:
    """The rest happens all the same."""
    lines: list[str] = []
    with caplog.at_level(logging.ERROR):
        async with started(make(lines, fails)):
            lines.append("serving")
    assert lines == ORDER + END
    assert f"{fails} failed" in caplog.text


async def test_a_lifespan_that_fails_at_the_end_is_heard_of() -> None:
    """The server is to know; what is the engine's is ended before."""
    lines: list[str] = []
    with pytest.raises(OSError, match="/lifespan failed"):
        async with started(make(lines, "/lifespan")):
            lines.append("serving")
    assert lines == ORDER + END


@pytest.mark.filterwarnings("default:@app:DeprecationWarning")
@pytest.mark.parametrize("name", ["init", "shutdown"])
def test_deprecated_decorators_warn_where_they_stand(name: str) -> None:
    """The warning names the cure, and the line of the user's code."""
    with pytest.warns(DeprecationWarning, match=f"@app.{name} is deprecated: give AgentApp a lifespan") as warned:
        getattr(AgentApp(), name)(lambda self: None)
    assert warned[0].filename == __file__


@pytest.mark.parametrize(
    "hook",
    [lambda self: self.told.append(1), lambda *args: args[0].told.append(1), lambda **kwargs: None, lambda: None],
)
async def test_hooks_take_the_runner_if_they_take_anything(hook: Callable[..., Any]) -> None:
    """`self` is the Runner; a hook without parameters is called without."""
    app = AgentApp()
    app._runner.told = []  # type: ignore[attr-defined]
    app.init(hook)
    async with started(app):
        assert app._runner.told in ([1], [])  # type: ignore[attr-defined]


async def test_handlers_end_before_what_they_use() -> None:
    """A handler that is still at work is stopped, and done, when the lifespan's second half begins."""
    lines: list[str] = []
    begun = asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        lines.append("lifespan ends")

    app = AgentApp(lifespan=lifespan)

    @app.query(framework=None)
    async def wait(self: Any) -> AsyncIterator[str]:
        try:
            yield "waiting"
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            lines.append("handler ends")

    async with started(app) as client:
        reading = asyncio.create_task(ask(client))
        await asyncio.wait_for(begun.wait(), 20)
    assert lines == ["handler ends", "lifespan ends"]
    assert (await reading).response["status"] == "canceled"


async def test_the_backend_of_interrupts_is_closed_at_the_end() -> None:
    """One that the application was given, too: it holds connections."""
    closed: list[bool] = []

    class Backend(LocalInterruptBackend):
        async def aclose(self) -> None:
            closed.append(True)
            await super().aclose()

    async with started(AgentApp(interrupt_backend=Backend())):
        assert not closed
    assert closed


async def test_services_are_there_without_being_asked_for() -> None:
    """In memory by default; gone after the end, so that the next life has its own."""
    app = AgentApp()
    for _ in range(2):
        async with started(app):
            await app.state.state_service.save_state(user_id="u", session_id="s", state={"a": 1})
            assert await app.state.state_service.export_state(user_id="u", session_id="s") == {"a": 1}
            assert (await app.state.session_service.create_session("u", "s")).id == "s"
        assert not hasattr(app.state, "state_service")


async def test_what_a_lifespan_yields_is_on_each_request() -> None:
    """FastAPI's own way to hand things over, besides app.state."""
    lines: list[str] = []
    app = make(lines)

    @app.get("/answer")
    async def answer(request: Request) -> int:
        return int(request.state.answer)

    from fastapi.testclient import TestClient

    with TestClient(app) as client:
        assert client.get("/answer").json() == 42
    assert lines[-1] == "/services"


async def test_native_starts_and_ends_run_without_a_lifespan() -> None:
    """FastAPI's older way works as it does there: it is used when no lifespan is given."""
    lines: list[str] = []
    app = AgentApp(on_startup=[lambda: lines.append("start")], on_shutdown=[lambda: lines.append("end")])
    async with started(app):
        assert lines == ["start"]
    assert lines == ["start", "end"]


async def test_a_router_that_is_included_brings_its_lifespan() -> None:
    """It is entered when the application is ready, and left before that ends."""
    lines: list[str] = []

    @asynccontextmanager
    async def routers(app: FastAPI) -> AsyncIterator[None]:
        lines.append("router")
        yield
        lines.append("/router")

    app = make(lines)
    app.include_router(APIRouter(lifespan=routers))
    async with started(app):
        lines.append("serving")
    assert lines == [*ORDER[:-1], "router", "serving", "/router", *END]
