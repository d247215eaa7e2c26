"""The routes of an application's agents: query handlers and custom endpoints, behind the key if there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from agentscope_runtime.engine.access import Access
from agentscope_runtime.engine.endpoints import described, endpoint
from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.frameworks import find
from agentscope_runtime.engine.queries import Answering, Query
from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.runs import Runs


def query_path(framework: object, path: object) -> str:
    """Return the path of a query handler, which is all right, and so is its framework.

    Raises:
        UnknownFramework: no framework of this name.
        MissingFramework: its package is not installed.
        InvalidOption: it is nothing that can be a path.
    """
    if callable(framework):
        raise InvalidOption(f"@app.query got {_name(framework)} as its framework: write @app.query(framework=…)")
    if framework is not None and not isinstance(framework, str):
        raise InvalidOption(f"@app.query got {framework!r} as its framework: give its name, or None for text")
    find(framework)
    return _checked_path("@app.query", path)


def check_endpoint(path: object, methods: object) -> None:
    """Say what is wrong with how an endpoint is registered.

    Raises:
        InvalidOption: it is nothing that can be a path, or no list of methods.
    """
    if callable(path):
        raise InvalidOption(f'@app.endpoint got {_name(path)} as its path: write @app.endpoint("/{_name(path)}")')
    where = f"@app.endpoint({_checked_path('@app.endpoint', path)!r})"
    if isinstance(methods, str):
        raise InvalidOption(f"{where}: write methods=[{methods!r}], a list, instead of methods={methods!r}")
    if methods is None:
        return
    if not isinstance(methods, Collection) or not all(isinstance(one, str) and one.isalpha() for one in methods):
        raise InvalidOption(f'{where}: methods={methods!r} must be a list of names such as ["GET", "POST"]')


def _checked_path(decorator: str, path: object) -> str:
    if not isinstance(path, str):
        raise InvalidOption(f'{decorator}: path={path!r} must be text such as "/ask"')
    if not path.startswith("/"):
        raise InvalidOption(f'{decorator}: path={path!r} must begin with a slash: write "/{path}"')
    return path


def _name(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


@dataclass(frozen=True, kw_only=True)
class AgentRoutes:
    """What was registered, and what answers there."""

    app: FastAPI  #: gets the routes
    access: Access  #: makes them
    runner: Runner  #: what handlers get as `self`
    runs: Runs  #: where handlers run
    answering: Answering  #: how they answer
    queries: dict[str, Query] = field(default_factory=dict)  #: by path
    answers: dict[str, Callable[..., Any]] = field(default_factory=dict)  #: what FastAPI calls for a query, by path
    endpoints: list[dict[str, Any]] = field(default_factory=list)  #: as `described`

    def __post_init__(self) -> None:
        model = self.answering.request_model
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise InvalidOption(f"request_model={model!r} must be a pydantic model, such as a subclass of AgentRequest")

    def add_query(self, handler: Callable[..., Any], framework: str | None, path: str) -> None:
        """Serve a handler as an agent; one that is on the same path already is replaced."""
        query = Query(handler, path=path, framework=framework, runner=self.runner)
        if replaced := self.answers.get(path):
            routes = self.app.router.routes
            routes[:] = [route for route in routes if getattr(route, "endpoint", None) is not replaced]
        self.queries[path] = query
        self.answers[path] = query.endpoint(self.runs, self.answering)
        self.access.add_route(self.app, path, self.answers[path], ["POST"])

    def add_endpoint(self, function: Callable[..., Any], path: str, methods: Sequence[str] | None) -> None:
        """Serve a function as JSON, or a generator as a stream."""
        upper = [method.upper() for method in methods or ("POST",)]
        self.access.add_route(self.app, path, endpoint(function), upper)
        self.endpoints.append(described(path, upper, function))

    async def load(self) -> None:
        """Import the frameworks, which takes some of them seconds: not while the first user waits."""
        for query in self.queries.values():
            await asyncio.to_thread(query.load)
