"""Real agents in real browsers: the model is scripted, everything else is what users run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asking import ask
from managers import ROOT, Server, eventually
from model_server import ModelServer
from real_agents import KINDS, Workshop, framework_of, turn, workshop
from served_app import served

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox import BrowserSandboxAsync

pytestmark = [pytest.mark.docker, pytest.mark.slow]

TOOLS = ("browser_navigate", "browser_snapshot", "browser_take_screenshot", "browser_click", "browser_type")
URL = "http://localhost:8080/index.html"
SERVE = "cd site && nohup python3 -m http.server 8080 >/dev/null 2>&1 &"
ANSWERS = "until (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; do sleep 0.05; done"


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    """Run a manager that keeps two browsers warm."""
    return make_server(POOL_SIZE="browser=2").wait_ready(120)


@pytest.fixture
async def shop() -> AsyncIterator[Workshop]:
    """Make agents whose model is a scripted one."""
    with ModelServer() as model:
        async with workshop(model) as opened:
            yield opened


@pytest.fixture
async def sandboxes(server: Server) -> AsyncIterator[SandboxService]:
    """Lease sandboxes as the application does, and give back what it leased."""
    async with SandboxService(base_url=server.url, bearer_token=server.key) as service:
        yield service


@asynccontextmanager
async def clients(app: AgentApp) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application on a real socket, and give a client of it."""
    async with (
        served(app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client,
    ):
        yield client


def browsing(kind: str, shop: Workshop, sandboxes: SandboxService, *, is_async: bool = True) -> AgentApp:
    """Make an application whose agent has the browser of its session."""
    app = AgentApp(app_name="Friday", app_description="Looks things up in a real browser")

    @app.query(framework=framework_of(kind))
    async def answer(self: Any, msgs: Any, request: AgentRequest, **kwargs: Any) -> AsyncIterator[Any]:
        assert request.session_id
        key = (request.session_id, request.user_id, ["browser"])
        (box,) = await sandboxes.connect_async(*key) if is_async else sandboxes.connect(*key)
        agent = shop.make(kind, [getattr(box, tool) for tool in TOOLS])
        async for item in turn(kind, agent, msgs):
            yield item

    return app


async def with_site(sandboxes: SandboxService, session: str, user: str, **pages: str) -> BrowserSandboxAsync:
    """Serve pages inside a session's sandbox: the example's, or others."""
    (box,) = await sandboxes.connect_async(session, user, ["browser"])
    assert isinstance(box, BrowserSandboxAsync)
    site = {file.name: file.read_text() for file in (ROOT / "examples" / "site").iterdir()}
    for name, page in (pages or site).items():
        await box.fs.write_async(f"site/{name}", page)
    for command in (SERVE, ANSWERS):
        assert not (await box.run_shell_command(command))["isError"]
    return box


async def shown(box: BrowserSandboxAsync) -> str:
    """Return what a browser shows, as its own tool tells."""
    return str((await box.browser_snapshot())["content"][0]["text"])


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
@pytest.mark.parametrize("kind", KINDS)
async def test_S71_S100_an_agent_uses_its_sessions_browser(
    shop: Workshop, sandboxes: SandboxService, kind: str, is_async: bool
) -> None:
    """It goes to a page, follows a link, looks at it, and says what it says; a person would see the same page."""
    box = await with_site(sandboxes, "s1", "alice")
    app = browsing(kind, shop, sandboxes, is_async=is_async)
    async with clients(app) as client:
        question = f'Open {URL}, click "meet the keepers", and tell me what the page says.'
        reading = await ask(client, question, session_id="s1", user_id="alice")
        assert "The page says: The keepers" in reading.text
        assert 'heading "Who is on watch"' in await shown(box)

        calls = [part["data"] for part in parts(reading.messages, "plugin_call")]
        outputs = [part["data"] for part in parts(reading.messages, "plugin_call_output") if part["type"] == "data"]
        names = ["browser_navigate", "browser_snapshot", "browser_click", "browser_snapshot", "browser_take_screenshot"]
        assert [call["name"] for call in calls] == names
        assert [output["call_id"] for output in outputs] == [call["call_id"] for call in calls]
        assert "Gull Rock Light" in outputs[1]["output"]
        pictures = [part for message in reading.messages for part in message["content"] if part["type"] == "image"]
        assert any(part["image_url"].startswith("data:image/") for part in pictures), "the screenshot is shown"

        again = await ask(client, "Look again: what does the page say?", session_id="s1", user_id="alice")
        assert "The page says: The keepers" in again.text
    await sandboxes.release_async("s1", "alice")


def parts(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the parts of the messages of one type."""
    return [part for message in messages if message["type"] == kind for part in message["content"]]


async def test_S67_S70_users_at_the_same_time_never_share(shop: Workshop, sandboxes: SandboxService) -> None:
    """Two users, sessions of the same name, the same address: each reads his own page, and stays on it."""
    users = ("alice", "bob")
    boxes = {
        user: await with_site(sandboxes, "s1", user, **{"index.html": f"<title>x</title><h1>For {user} only</h1>"})
        for user in users
    }
    assert len({box.sandbox_id for box in boxes.values()}) == 2
    async with clients(browsing("agentscope-openai", shop, sandboxes)) as client:
        for question in (f"Open {URL} and tell me what it says.", "Look again!"):
            answers = await asyncio.gather(*(ask(client, question, session_id="s1", user_id=user) for user in users))
            for user, answer in zip(users, answers, strict=True):
                assert f"The page says: For {user} only" in answer.text
    for user, box in boxes.items():
        assert f"For {user} only" in await shown(box)
        await sandboxes.release_async("s1", user)


async def test_S70_a_sandbox_is_kept_while_its_handler_runs_and_no_longer(
    make_server: Callable[..., Server],
) -> None:
    """It outlives one that is as idle but has no handler; when the handler is over, it is suspended as well."""
    server = make_server(POOL_SIZE="base=2", HEARTBEAT_TIMEOUT="2", WATCHER_SCAN_INTERVAL="0.2").wait_ready()
    thinking, through = asyncio.Event(), asyncio.Event()
    app = AgentApp()
    async with SandboxService(base_url=server.url, bearer_token=server.key) as sandboxes, clients(app) as client:

        @app.query(framework="text")
        async def answer(self: Any, request: AgentRequest) -> str:
            assert request.session_id
            (box,) = sandboxes.connect(request.session_id, request.user_id)
            thinking.set()
            await through.wait()
            return str(box.run_ipython_cell("6 * 7")["content"][0]["text"])

        running = asyncio.create_task(ask(client, session_id="busy"))
        await thinking.wait()
        await sandboxes.connect_async("idle")
        await asyncio.to_thread(eventually, lambda: sessions(server) == ["busy"], 20, "only the idle one is suspended")
        through.set()
        assert "42" in (await running).text
        await asyncio.to_thread(eventually, lambda: sessions(server) == [], 20, "the other one, too")


def sessions(server: Server) -> list[str]:
    """Return the sessions whose sandbox runs."""
    with server.http() as http:
        leases = http.get("/v1/leases").json()["leases"]
        return [lease["session_id"] for lease in leases if lease["sandboxes"][0]["state"] == "leased"]
