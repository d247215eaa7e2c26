"""The routes of the tools, without a container."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sandbox_server.parts import Tool
from sandbox_server.problems import problems
from sandbox_server.tools import ToolRoutes


class Echo:
    """A part with one tool."""

    name = "echo"

    def tools(self) -> Sequence[Tool]:
        """Return it."""

        async def call(arguments: Any, timeout_s: float | None) -> Any:
            return {"timeout": timeout_s}

        return [Tool("echo", "generic", "", {"type": "object", "properties": {}}, call)]


@pytest.mark.parametrize("timeout", ["1" + "0" * 400, "NaN", "Infinity", "-1", "0", "3600.1"])
async def test_a_timeout_that_makes_no_sense_is_refused(timeout: str) -> None:
    """Also one that is larger than any float."""
    app = web.Application(middlewares=[problems])
    app.add_routes(ToolRoutes([Echo()]).routes())  # type: ignore[list-item]  # a part has a life, too
    async with TestClient(TestServer(app)) as http:
        answer = await http.post("/tools/echo", data=f'{{"timeout": {timeout}}}')
        assert (answer.status, (await answer.json())["code"]) == (422, "invalid_request")
        assert (await http.post("/tools/echo", data='{"timeout": 3600}')).status == 200
