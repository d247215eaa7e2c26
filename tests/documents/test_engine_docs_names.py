"""What docs/engine.md names exists: our names and the frameworks', options, words of the protocol, extras."""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from collections.abc import AsyncIterator
from functools import reduce
from typing import Any

import pytest
import strict_reader
from asking import ask, started
from managers import ROOT
from strict_reader import CONTENT_KEYS, MESSAGE_KEYS, MESSAGE_TYPES, OWN_KEYS, RESPONSE_KEYS

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.frameworks import FRAMEWORKS
from agentscope_runtime.engine.queries import GIVEN
from agentscope_runtime.engine.schemas.agent_schemas import RunStatus
from agentscope_runtime.sandbox.errors import ManagerUnreachable, PoolExhausted

PAGE = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
SPANS = sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))))

ENGINE, ADAPTERS = "agentscope_runtime.engine", "agentscope_runtime.adapters"
NAMES = {
    "AgentApp": f"{ENGINE}:AgentApp",
    "Runner": f"{ENGINE}:Runner",
    "AgentRequest": f"{ENGINE}.schemas.agent_schemas:AgentRequest",
    "AgentResponse": f"{ENGINE}.schemas.agent_schemas:AgentResponse",
    "AppBaseException": f"{ENGINE}.schemas.exception:AppBaseException",
    "SandboxService": f"{ENGINE}.services.sandbox:SandboxService",
    "save_state": f"{ENGINE}.services.agent_state:StateService.save_state",
    "export_state": f"{ENGINE}.services.agent_state:StateService.export_state",
    "get_session": f"{ENGINE}.services.session_history:SessionHistoryService.get_session",
    "append_message": f"{ENGINE}.services.session_history:SessionHistoryService.append_message",
    "AgentScopeLongTermMemory": f"{ADAPTERS}.agentscope.memory:AgentScopeLongTermMemory",
    "AgentScopeSessionHistoryMemory": f"{ADAPTERS}.agentscope.memory:AgentScopeSessionHistoryMemory",
    "MemoryServiceFactory": f"{ENGINE}.services.memory:MemoryServiceFactory",
    "connect": f"{ENGINE}.services.sandbox:SandboxService.connect",
    "connect_async": f"{ENGINE}.services.sandbox:SandboxService.connect_async",
    "sandbox_tool_adapter": f"{ADAPTERS}.langgraph.tool:sandbox_tool_adapter",
    "browser": "agentscope_runtime.sandbox:BrowserSandbox",
    "ReActAgent": "agentscope.agent:ReActAgent",
    "agent": "agentscope.agent:AgentBase",
    "Msg": "agentscope.message:Msg",
    "stream_printing_messages": "agentscope.pipeline:stream_printing_messages",
    "toolkit": "agentscope.tool:Toolkit",
    "arun": "agno.agent:Agent.arun",
    "run_stream": "autogen_agentchat.agents:AssistantAgent.run_stream",
    "astream": "langgraph.pregel:Pregel.astream",
    "Depends": "fastapi:Depends",
    "asyncio": "asyncio:",
    "GeneratorExit": "builtins:GeneratorExit",
}
"""With what a name on the page begins, and where that is."""

PROTOCOL = {
    *(*RESPONSE_KEYS, *MESSAGE_KEYS, *CONTENT_KEYS, *(key for keys in OWN_KEYS.values() for key in keys)),
    *(value for name, value in vars(RunStatus).items() if not name.startswith("_")),
    *(*MESSAGE_TYPES, *OWN_KEYS, "stream", "user_id"),
    *(PoolExhausted.code, ManagerUnreachable.code),
}
"""Words of requests and of events, and the codes of errors."""

PLAIN = {
    *("data:", "data: [DONE]", ":", "delta: true", "delta: false", '"stream": false', "async", "None"),
    *("(msg, last)", "(message, metadata or last)", "Authorization: Bearer …", "redis://localhost:6379/0"),
    *(
        "msg.usage",
        "in_memory",
        "redis",
        "framework",
        "agentscope_runtime.engine.schemas.exception",
        "name = Depends(…)",
    ),
}
"""Spans that are no names, or are tried elsewhere."""


@pytest.fixture
async def app() -> AsyncIterator[AgentApp]:
    """An application that runs, for what begins with `app.`."""
    one = AgentApp()
    async with started(one):
        yield one


def named(path: str, app: AgentApp) -> Any:
    """Return what a name on the page stands for; AttributeError, KeyError or ImportError if there is no such thing."""
    root, *rest = path.split(".")
    if root == "app":
        return reduce(getattr, rest, app)
    place, _, inner = NAMES[root].partition(":")
    return reduce(getattr, [*filter(None, inner.split(".")), *rest], importlib.import_module(place))


@pytest.mark.parametrize("span", [span for span in SPANS if span not in PLAIN])
async def test_it_exists(span: str, app: AgentApp) -> None:
    """A name leads somewhere, and takes the options that it is given; a word is one of the protocol's."""
    call = re.fullmatch(r"@?(?:await )?([\w.]+)\((.*)\)", span)
    if call is None:
        word = span.removeprefix("@").partition("=")[0]  # an option may stand there with a value
        assert word in words(app) or named(word, app) is not None
        return
    options = re.findall(r"(\w+)=", call[2])
    assert set(options) <= set(inspect.signature(named(call[1], app)).parameters)
    for argument in re.findall(r"\b[a-z]\w*(?:\.\w+)+", call[2]):
        assert named(argument, app) is not None


def words(app: AgentApp) -> set[str]:
    """Return what needs no import: words of the protocol, parameters, paths, extras, variables."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    of_handlers = {"self", *GIVEN}
    of_the_application = {*inspect.signature(AgentApp).parameters, *FRAMEWORKS}
    paths = {str(getattr(route, "path", "")) for route in app.routes}
    variables = {span for span in SPANS if re.fullmatch("[A-Z_]+", span)}  # tried in test_engine_docs.py
    return PROTOCOL | of_handlers | of_the_application | paths | {f"[{name}]" for name in extras} | variables


MESSAGES = {
    "agentscope": "agentscope.message:Msg",
    "langgraph": "langchain_core.messages:BaseMessage",
    "agno": "builtins:dict",
    "autogen": "autogen_agentchat.messages:BaseChatMessage",
}
"""What the table says of `msgs`."""


@pytest.mark.parametrize("framework", MESSAGES)
async def test_handlers_get_their_frameworks_messages(framework: str) -> None:
    """The table of frameworks tells the truth about `msgs`."""
    app, seen = AgentApp(), []

    @app.query(framework=framework)
    async def answer(self: Any, msgs: Any) -> str:
        seen.append(msgs)
        return "ok"

    async with started(app) as client:
        assert (await ask(client)).text == "ok"
    place, _, name = MESSAGES[framework].partition(":")
    ((message,),) = seen
    assert isinstance(message, getattr(importlib.import_module(place), name))


def test_the_events_are_those_of_the_protocol() -> None:
    """The table of events names no status that the reader of streams would refuse."""
    lines = PAGE.partition("## Handlers")[0].splitlines()
    rows = [line.split("|")[1:3] for line in lines if re.match(r"\| `(response|message|content)`", line)]
    assert {re.sub(r"[`\s]", "", name) for name, _ in rows} == {"response", "message", "content"}
    named_ = {status for _, cell in rows for status in re.findall(r"`(\w+)`", cell)}
    assert named_ == {"created", "in_progress", "completed", *strict_reader.ENDS}
