"""What tells people and orchestrators about an application."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from agentscope_runtime.engine.probes import add_probes


@dataclass
class Told:
    """What an application says of itself."""

    phase: str = "ready"
    is_ready: bool = True
    deployment_mode: str = "daemon_thread"
    paths: dict[str, str] = field(default_factory=lambda: {"process": "/process"})

    def agent_paths(self) -> dict[str, str]:
        """Return them."""
        return self.paths


@pytest.fixture
def told() -> Told:
    """An application that is ready."""
    return Told()


@pytest.fixture
def app(told: Told) -> FastAPI:
    """Its web side."""
    app = FastAPI(title="Friday", description="A helpful assistant")
    add_probes(app, told)
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Somebody who asks."""
    with TestClient(app) as client:
        yield client


def test_the_welcome_page_names_only_what_is_there(client: TestClient, told: Told) -> None:
    """Every route that it names answers; one that does not exist yet is not named."""
    page = client.get("/").json()
    assert (page["service"], page["name"], page["mode"]) == ("AgentScope Runtime", "Friday", "daemon_thread")
    assert page["endpoints"].pop("process") == "/process"
    for path in page["endpoints"].values():
        assert client.get(path).status_code == 200
    told.paths = {}
    assert list(client.get("/").json()["endpoints"]) == ["health", "readiness", "liveness", "docs"]


def test_documents_that_are_switched_off_are_not_named(told: Told) -> None:
    """Applications may hide them."""
    app = FastAPI(openapi_url=None)
    add_probes(app, told)
    assert "docs" not in TestClient(app).get("/").json()["endpoints"]


def test_health_tells_status_and_time(client: TestClient, told: Told) -> None:
    """The status is true, and the time is now, in UTC."""
    health = client.get("/health").json()
    assert (health["status"], health["runner"], health["mode"]) == ("healthy", "ready", "daemon_thread")
    assert datetime.now(UTC) - datetime.fromisoformat(health["timestamp"]) < timedelta(seconds=30)
    told.is_ready, told.phase = False, "starting"
    asked = client.get("/health")
    assert (asked.status_code, asked.json()["status"], asked.json()["runner"]) == (200, "starting", "not_ready")


def test_readiness_is_503_until_it_is_ready(client: TestClient, told: Told) -> None:
    """Orchestrators look at the status, people at the phase."""
    assert client.get("/readiness").status_code == 200
    told.is_ready, told.phase = False, "stopping"
    asked = client.get("/readiness")
    assert (asked.status_code, asked.json()) == (503, {"status": "not_ready", "phase": "stopping"})


def test_liveness_asks_for_nothing_but_an_answer(client: TestClient, told: Told) -> None:
    """A process that only starts slowly is not to be killed."""
    told.is_ready, told.phase = False, "starting"
    assert client.get("/liveness").status_code == 200


def test_a_native_route_takes_the_place(app: FastAPI, client: TestClient) -> None:
    """An application's own page is shown, whether it is registered on the application or included with a router."""
    router = APIRouter()
    router.get("/health")(lambda: "mine")
    app.include_router(router)
    app.get("/")(lambda: "welcome to my page")
    assert client.get("/health").json() == "mine"
    assert client.get("/").json() == "welcome to my page"


def test_routes_for_many_paths_do_not(app: FastAPI, client: TestClient) -> None:
    """A page that answers everything else, or files at the root, leave the probes alone; so do other methods."""
    app.post("/readiness")(lambda: "posted")
    app.get("/{path:path}")(lambda path: path)
    app.mount("/", FastAPI())
    assert client.get("/readiness").json() == {"status": "ready"}
    assert client.post("/readiness").json() == "posted"
    assert client.get("/liveness").json() == {"status": "alive"}
    assert client.get("/elsewhere").json() == "elsewhere"
