"""A middleware that covers each HTTP call by a span, where spans are wanted."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from agentscope_runtime.sandbox_manager.tracing import Tracing


class Traced:
    """The middleware."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        """Wrap an application."""
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call through."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracing.call(scope["method"], headers) as span:

            async def telling(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _describe(span, scope, message["status"])
                await send(message)

            await self._app(scope, receive, telling)


def _describe(span: Span, scope: Scope, status: int) -> None:
    """Say where it went, which is known by now, and how it ended."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("http.request.method", scope["method"])
    span.set_attribute("http.response.status_code", status)
    if route := getattr(scope.get("route"), "path", ""):
        span.update_name(f"{scope['method']} {route}")
        span.set_attribute("http.route", route)
    parameters = scope.get("path_params") or {}
    if "sandbox_id" in parameters:
        span.set_attribute("sandbox.id", parameters["sandbox_id"])
        if route.endswith("/tools/{name}"):
            span.set_attribute("gen_ai.tool.name", parameters["name"])
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))
