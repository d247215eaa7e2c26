"""AgentApp: a FastAPI application whose handlers are agents.

    app = AgentApp(app_name="Friday", app_description="A helpful assistant")

    @app.query(framework="agentscope")
    async def answer(self, msgs, request, **kwargs):
        async for msg, last in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
            yield msg, last

    app.run(host="127.0.0.1", port=8090)

Everything of FastAPI works as it does there. What is added is put together here, and done elsewhere: `queries` and
`endpoints` answer, `lifespan` starts and stops, `access` and `probes` guard and tell.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from types import MethodType
from typing import Any, TypeVar

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware

from agentscope_runtime.engine.access import Access
from agentscope_runtime.engine.agents import handler_of
from agentscope_runtime.engine.errors import InvalidOption, MissingSession
from agentscope_runtime.engine.interrupts import BaseInterruptBackend, LocalInterruptBackend
from agentscope_runtime.engine.lifespan import Hook, Lifespan, Phase, stages
from agentscope_runtime.engine.options import Unbuilt, check_objects, native
from agentscope_runtime.engine.probes import add_probes
from agentscope_runtime.engine.problems import ANSWERS
from agentscope_runtime.engine.queries import Answering
from agentscope_runtime.engine.routes import AgentRoutes, check_endpoint, query_path
from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.runs import Runs
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.engine.serving import serve
from agentscope_runtime.engine.settings import MAX_BODY_SIZE, DeploymentMode, OnDisconnect, ResponseType, Settings

F = TypeVar("F", bound=Callable[..., Any])


class AgentApp(FastAPI):
    """Serves agents over HTTP."""

    task = Unbuilt("functions as background tasks")
    deploy = Unbuilt("serving an application elsewhere than in this process")

    def __init__(  # noqa: PLR0913 - the names are those of the API that agents are written for
        self,
        *,
        app_name: str = "AgentScope Runtime API",
        app_description: str = "",
        agent: Any = None,
        runner: Runner | None = None,
        endpoint_path: str = "/process",
        response_type: ResponseType = "sse",
        stream: bool = True,
        request_model: type[BaseModel] = AgentRequest,
        on_disconnect: OnDisconnect = "cancel",
        keep_alive_s: float = 15.0,
        bearer_token: str | None = None,
        cors_origins: Sequence[str] = (),
        before_start: Hook | None = None,
        after_finish: Hook | None = None,
        lifespan: Any = None,
        interrupt_backend: BaseInterruptBackend | None = None,
        custom_endpoints: Iterable[dict[str, Any]] | None = None,
        mode: DeploymentMode | str = DeploymentMode.DAEMON_THREAD,
        max_body_size: int | None = MAX_BODY_SIZE,
        **others: Any,
    ) -> None:
        """Describe an application; nothing is started before it is served.

        Args:
            app_name: What it is called.
            app_description: What it is for.
            agent: A ready agent, or a function that makes one for each request: served without a handler.
            runner: What handlers get as `self`; one with a `query_handler` of its own needs no other handler.
            endpoint_path: Path of query handlers that name none.
            response_type: `sse` for streams, `json` for one document each.
            stream: Whether queries stream; `False` is the same as `json`.
            request_model: What the body of a query must be.
            on_disconnect: Whether a run is cancelled when its reader leaves, or goes on.
            keep_alive_s: Seconds of silence after which a stream gets a comment.
            bearer_token: The key that callers of agents must show; else `AGENT_BEARER_TOKEN`, else none.
            cors_origins: Origins of web pages that may call from a browser.
            before_start: Called with the application before it serves, plain or async.
            after_finish: Called with the application after it did.
            lifespan: As FastAPI has it; entered after `before_start`, left before `after_finish`.
            interrupt_backend: Where it is known which sessions have a run; this process's memory by default.
            custom_endpoints: What another application has as its `custom_endpoints`.
            mode: How this process came to be; told by `/health`.
            max_body_size: Bytes that the body of a request may have; with None, any number.
            others: Whatever else FastAPI takes.

        Raises:
            InvalidOption: an option makes no sense, or asks for what does not exist yet.
        """
        self._settings = Settings(
            endpoint_path=endpoint_path,
            response_type=response_type,
            stream=stream,
            on_disconnect=on_disconnect,
            keep_alive_s=keep_alive_s,
            bearer_token=bearer_token,
            cors_origins=cors_origins,
            mode=mode,
        )
        check_objects(
            runner=runner,
            interrupt_backend=interrupt_backend,
            before_start=before_start,
            after_finish=after_finish,
            lifespan=lifespan,
            custom_endpoints=custom_endpoints,
            max_body_size=max_body_size,
        )
        described = {"title": app_name, "description": app_description, "lifespan": lifespan}
        options = native(others, own=AgentApp.__init__)
        options["exception_handlers"] = {**ANSWERS, **(options.get("exception_handlers") or {})}
        super().__init__(**{**described, "max_body_size": max_body_size, **options})
        self.app_name = app_name
        self.app_description = app_description
        self.before_start = before_start
        self.after_finish = after_finish
        self._runner = runner or Runner()
        self._runs = Runs(interrupt_backend or LocalInterruptBackend())
        self._routes = AgentRoutes(
            app=self,
            access=Access(self._settings.token()),
            runner=self._runner,
            runs=self._runs,
            answering=Answering(
                request_model=request_model,
                streams=self._settings.streams,
                keeps_running=on_disconnect == "continue",
                keep_alive_s=keep_alive_s,
            ),
        )
        native_stage = self.router.lifespan_context
        self._lifespan = Lifespan(stages(self._runner, self._runs, self._routes.load, native_stage))
        setattr(self.router, "lifespan_context", self._lifespan)  # noqa: B010 - its type knows no Mapping | None
        if cors_origins:
            self.add_middleware(CORSMiddleware, allow_origins=cors_origins, allow_methods=["*"], allow_headers=["*"])
        add_probes(self, self)
        self._register(agent, custom_endpoints or ())

    @property
    def endpoint_path(self) -> str:
        """Path of query handlers that name none."""
        return self._settings.endpoint_path

    @property
    def stream(self) -> bool:
        """Whether queries stream when the request does not say otherwise."""
        return self._settings.streams

    @property
    def deployment_mode(self) -> str:
        """How this process came to be."""
        return str(self._settings.mode)

    @property
    def phase(self) -> str:
        """Where the application is in its life: stopped, starting, ready or stopping."""
        return self._lifespan.phase.value

    @property
    def is_ready(self) -> bool:
        """Whether it serves, and its runner is started."""
        return self._lifespan.phase is Phase.READY and self._runner.health

    @property
    def custom_endpoints(self) -> list[dict[str, Any]]:
        """What `@app.endpoint` registered: path, methods, handler, and where that is defined."""
        return list(self._routes.endpoints)

    def agent_paths(self) -> dict[str, str]:
        """Return the paths of the query handlers, by name: the usual one is `process`."""
        return {"process" if path == self.endpoint_path else path.strip("/"): path for path in self._routes.queries}

    def query(self, framework: str | None = "agentscope", *, path: str | None = None) -> Callable[[F], F]:
        """Serve a handler as an agent; one that is there on the same path already is replaced.

        Args:
            framework: Whose messages it takes and yields: agentscope, langgraph, agno, autogen, or text (also None).
            path: Where it is asked; `endpoint_path` by default.

        Raises:
            UnknownFramework: no framework of this name.
            MissingFramework: its package is not installed.
            InvalidOption: it is nothing that can be a path.
        """
        where = query_path(framework, self.endpoint_path if path is None else path)

        def register(handler: F) -> F:
            self._routes.add_query(handler, framework, where)
            return handler

        return register

    def endpoint(self, path: str, methods: Sequence[str] | None = None) -> Callable[[F], F]:
        """Serve a function as JSON, or a generator as a stream of events.

        Args:
            path: Where.
            methods: `["POST"]` by default.

        Raises:
            InvalidOption: it is nothing that can be a path, or no list of methods.
        """
        check_endpoint(path, methods)

        def register(function: F) -> F:
            self._routes.add_endpoint(function, path, methods)
            return function

        return register

    def restore_custom_endpoints(self, endpoints: Iterable[Mapping[str, Any]]) -> None:
        """Serve what another application has as its `custom_endpoints`."""
        for registered in endpoints:
            if not (isinstance(registered, Mapping) and {"path", "handler"} <= registered.keys()):
                raise InvalidOption(f"custom_endpoints has {registered!r}, without a path and a handler")
            self.endpoint(registered["path"], registered.get("methods"))(registered["handler"])

    def init(self, function: F) -> F:
        """Call a function with the runner at the start. Deprecated: `lifespan` does it, and the other end, too."""
        return self._set_hook("init", function)

    def shutdown(self, function: F) -> F:
        """Call a function with the runner at the end. Deprecated: `lifespan` does it, and the other end, too."""
        return self._set_hook("shutdown", function)

    async def stop_chat(self, user_id: str | None = None, session_id: str | None = None) -> bool:
        """Stop the run of a session; its handler gets `CancelledError`.

        Args:
            user_id: Whose session; without one it is the session's own, as in requests.
            session_id: Which.

        Returns:
            Whether there was a run.
        """
        return await self._runs.stop(_key(user_id, session_id))

    def run_and_stream(
        self, user_id: str | None, session_id: str | None, generator_func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """Run any function as the one run of a session, which `stop_chat` stops, and yield what it yields.

        Raises:
            SessionBusy: the session has a run (at the first step).
        """
        return self._runs.stream(_key(user_id, session_id), generator_func, *args, **kwargs)

    def run(self, host: str | None = None, port: int | str | None = None, **options: Any) -> None:
        """Serve until a signal ends it.

        Args:
            host: Address to listen on; else `HOST`, else all.
            port: TCP port; else `PORT`, else 8080. 0 takes a free one.
            options: Whatever else `uvicorn.run` takes, such as `log_level`.

        Raises:
            InvalidOption: an option belongs to the constructor, or asks for what does not exist yet; or nobody can
                listen on this address.
        """
        serve(self, host, port, options, is_open=self._routes.access.open, stop_runs=self._runs.begin_to_stop)

    def _register(self, agent: Any, custom_endpoints: Iterable[Mapping[str, Any]]) -> None:
        """Serve what the constructor was given."""
        if agent is not None:
            framework, handler = handler_of(agent)
            self._routes.add_query(handler, framework, self.endpoint_path)
        elif type(self._runner).query_handler is not Runner.query_handler:
            self._routes.add_query(self._runner.query_handler, self._runner.framework_type, self.endpoint_path)
        self.restore_custom_endpoints(custom_endpoints)

    def _set_hook(self, name: str, function: F) -> F:
        warnings.warn(
            f"@app.{name} is deprecated: give AgentApp a lifespan, which prepares and cleans up in one function",
            DeprecationWarning,
            stacklevel=3,
        )
        kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
        takes_runner = bool(kinds - {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD})
        setattr(self._runner, f"{name}_handler", MethodType(function, self._runner) if takes_runner else function)
        return function


def _key(user_id: str | None, session_id: str | None) -> tuple[str, str]:
    if not session_id:
        raise MissingSession("which session? give session_id=…, as the request had it")
    return user_id or session_id, session_id
