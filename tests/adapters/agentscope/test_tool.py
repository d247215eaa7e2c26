"""Methods of sandboxes as tools of agents: the schema is true, the loop stays free, pictures are pictures."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any, ClassVar, cast

import pytest
from agentscope.message import Msg, ToolUseBlock
from agentscope.tool import Toolkit, ToolResponse, execute_python_code
from answering_browser import PIXEL, TOOLS, Browser, BrowserAsync
from pydantic import BaseModel
from scripted_chat import Turn, friday

from agentscope_runtime.adapters.agentscope.agent import spoken
from agentscope_runtime.adapters.agentscope.message import agentscope_msg_to_message
from agentscope_runtime.adapters.agentscope.stream import MsgTranslator
from agentscope_runtime.adapters.agentscope.tool import (
    accept_bound_methods,
    agentscope_tool_adapter,
    agentscope_toolkit_adapter,
    response_of,
    sandbox_tool_adapter,
)
from agentscope_runtime.adapters.lending import Loan
from agentscope_runtime.engine.schemas.kinds import MessageType
from agentscope_runtime.engine.steps import Open


def anything(box: Browser) -> Any:
    """Return a sandbox as type checkers do not know it: for them, its methods return no ToolResponse."""
    return box


async def call(toolkit: Toolkit, name: str, **arguments: Any) -> ToolResponse:
    """Call a tool as agents do, and return the last of what it says."""
    block = ToolUseBlock(type="tool_use", id="1", name=name, input=arguments)
    *_, last = [chunk async for chunk in await toolkit.call_tool_function(block)]
    return last


def text_of(response: ToolResponse) -> str:
    """Return the text of a response."""
    return "".join(str(block.get("text", "")) for block in response.content)


@pytest.mark.parametrize("box", [Browser, BrowserAsync])
async def test_a_toolkit_takes_methods_of_sandboxes_as_they_are(box: Callable[[], Any]) -> None:
    """`toolkit.register_tool_function(box.browser_navigate)`, sync and async, is all that the documents do."""
    toolkit, browser = Toolkit(), box()
    for name in TOOLS:
        toolkit.register_tool_function(getattr(browser, name))
    assert [schema["function"]["name"] for schema in toolkit.get_json_schemas()] == TOOLS
    said = await call(toolkit, "browser_navigate", url="http://a")
    assert text_of(said) == "browser_navigate {'url': 'http://a'}"
    assert said.metadata == {"isError": False, "meta": None}


@pytest.mark.parametrize("box", [Browser(), BrowserAsync()])
def test_the_schema_is_true(box: Any) -> None:
    """Models learn each parameter: its type, its default, and what it is for."""
    toolkit = Toolkit()
    toolkit.register_tool_function(box.browser_type)
    (schema,) = toolkit.get_json_schemas()
    function = schema["function"]
    assert function["description"] == "Type text into an element of the page that can be edited."
    assert function["parameters"]["required"] == ["element", "ref", "text"]
    properties = function["parameters"]["properties"]
    assert properties["text"] == {"description": "The text to type.", "type": "string"}
    assert properties["submit"] == {
        "default": False,
        "description": "Whether to press Enter after it.",
        "type": "boolean",
    }


def test_every_method_that_is_a_tool_has_a_schema() -> None:
    """No annotation stays a string that nobody resolves."""
    toolkit, box = Toolkit(), Browser()
    names = [name for name in dir(box) if name.startswith(("browser_", "run_"))]
    for name in names:
        toolkit.register_tool_function(getattr(box, name))
    schemas = {schema["function"]["name"]: schema["function"]["parameters"] for schema in toolkit.get_json_schemas()}
    assert len(schemas) == len(names) > 20
    assert schemas["browser_file_upload"]["properties"]["paths"]["items"] == {"type": "string"}


async def test_a_picture_is_a_block() -> None:
    """Models that see get it as an image, after the text."""
    response = await sandbox_tool_adapter(Browser().browser_take_screenshot)()
    assert response.content[1] == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/jpeg", "data": PIXEL},
    }


async def test_a_failure_inside_the_sandbox_is_a_result() -> None:
    """It says so in the metadata, and the model reads why."""
    response = await sandbox_tool_adapter(Browser().browser_close)()
    assert response.metadata == {"isError": True, "meta": None}


async def test_a_sandbox_that_is_not_there_is_told_to_the_model() -> None:
    """In the words that agentscope has for errors, and marked as one."""
    toolkit, box = Toolkit(), anything(Browser())
    toolkit.register_tool_function(box.browser_navigate_back)
    assert "no sandbox is there" in text_of(await call(toolkit, "browser_navigate_back"))
    said = await sandbox_tool_adapter(box.browser_navigate_back)()
    assert (text_of(said), said.metadata) == ("Error: no sandbox is there", {"isError": True, "meta": None})


async def test_a_blocking_method_runs_off_the_loop() -> None:
    """The loop serves others meanwhile, and the method sees the context of its caller."""
    user = contextvars.ContextVar("user", default="nobody")
    go, reached = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def tool(a: int) -> str:
        """Wait until the loop has moved."""
        loop.call_soon_threadsafe(reached.set)
        assert go.wait(10)
        return f"{a} for {user.get()}"

    user.set("alice")
    running = asyncio.create_task(_made(sandbox_tool_adapter(tool)(a=7)))
    await asyncio.wait_for(reached.wait(), 10)
    go.set()
    assert text_of(await running) == "7 for alice"


async def _made(call: Any) -> ToolResponse:
    return cast(ToolResponse, await call)


async def test_whoever_is_cancelled_does_not_wait_for_the_sandbox() -> None:
    """The user pressed stop; a page may take a minute."""
    go, reached = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def tool() -> None:
        loop.call_soon_threadsafe(reached.set)
        go.wait(10)

    running = asyncio.create_task(_made(sandbox_tool_adapter(tool)()))
    await asyncio.wait_for(reached.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    go.set()


async def test_a_partial_hides_what_it_gives() -> None:
    """In both ways: as agentscope does for registered partials, and adapted by hand."""
    box = Browser()
    at_a: Any = functools.partial(box.browser_click, element="Sign in")
    toolkit = Toolkit()
    toolkit.register_tool_function(at_a)
    toolkit.register_tool_function(sandbox_tool_adapter(at_a), func_name="by_hand")
    for schema in toolkit.get_json_schemas():
        assert list(schema["function"]["parameters"]["properties"]) == ["ref"]
        said = text_of(await call(toolkit, schema["function"]["name"], ref="e3"))
        assert said == "browser_click {'element': 'Sign in', 'ref': 'e3'}"


async def test_everything_else_is_registered_as_before() -> None:
    """Other functions, and methods of other objects, reach agentscope untouched; so do the options."""

    class Own:
        def look(self) -> ToolResponse:
            """Look."""
            return ToolResponse(content=[])

    own, toolkit = Own(), Toolkit()
    toolkit.create_tool_group("g", "group")
    toolkit.register_tool_function(execute_python_code)
    toolkit.register_tool_function(own.look, group_name="g", func_name="watch")
    toolkit.register_tool_function(anything(Browser()).browser_snapshot, group_name="g", func_description="See.")
    assert toolkit.tools["execute_python_code"].original_func is execute_python_code
    assert toolkit.tools["watch"].original_func == own.look
    assert (toolkit.tools["browser_snapshot"].group, toolkit.tools["browser_snapshot"].json_schema["function"]) == (
        "g",
        {"name": "browser_snapshot", "parameters": {"properties": {}, "type": "object"}, "description": "See."},
    )


def test_accepting_twice_is_accepting_once() -> None:
    """The service and the adapter both ask for it."""
    before = Toolkit.register_tool_function
    accept_bound_methods()
    assert Toolkit.register_tool_function is before


class Weather(BaseModel):
    """What a tool takes, or gives."""

    city: str


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("sunny", "sunny"),
        (None, ""),
        ({"a": "ü"}, '{"a": "ü"}'),
        ([1, 2], "[1, 2]"),
        (Weather(city="Paris"), '{"city": "Paris"}'),
        ({"content": [], "isError": True}, "the tool failed, and did not say why"),
        ({"content": [{"type": "resource", "resource": {"uri": "a", "text": "b"}}]}, "b"),
        ({"content": [{"type": "resource_link", "uri": "a"}]}, '{"type": "resource_link", "uri": "a"}'),
    ],
)
def test_whatever_a_tool_returns_is_said(result: Any, text: str) -> None:
    """Text as it is, everything else as JSON."""
    assert text_of(response_of(result)) == text


def test_a_ready_response_and_sound_stay_what_they_are() -> None:
    """A tool of agentscope's own may be adapted, too."""
    ready = ToolResponse(content=[])
    assert response_of(ready) is ready
    (block,) = response_of({"content": [{"type": "audio", "data": "UklG"}]}).content
    assert dict(block)["source"] == {"type": "base64", "media_type": "audio/wav", "data": "UklG"}


class Forecast:
    """A tool that describes itself, as components of the runtime do."""

    name, description, input_type = "forecast", "Tell the weather.", Weather
    function_schema: ClassVar[Any] = {"parameters": Weather.model_json_schema()}

    async def arun(self, asked: Weather) -> dict[str, str]:
        """Tell it."""
        return {"weather": f"sunny in {asked.city}"}


async def test_a_tool_that_describes_itself_is_adapted() -> None:
    """Its arguments are checked against its own model; a toolkit holds several, under other names if asked."""
    box = Browser()
    toolkit = agentscope_toolkit_adapter(
        [Forecast(), box.browser_click], {"forecast": "weather"}, {"browser_click": "Click!"}
    )
    weather, click = (schema["function"] for schema in toolkit.get_json_schemas())
    assert (weather["name"], weather["description"]) == ("weather", "Tell the weather.")
    assert weather["parameters"]["required"] == ["city"]
    assert (click["name"], click["description"]) == ("browser_click", "Click!")
    assert text_of(await call(toolkit, "weather", city="Paris")) == '{"weather": "sunny in Paris"}'
    assert "validation error" in text_of(await call(toolkit, "weather", town="Paris"))


async def test_one_tool_can_be_put_into_a_toolkit_by_hand() -> None:
    """`toolkit.tools[tool.name] = tool`, as the original's documents do it."""
    toolkit = Toolkit()
    tool = agentscope_tool_adapter(Browser().browser_snapshot, name="see", description="See.")
    toolkit.tools[tool.name] = tool
    assert text_of(await call(toolkit, "see")) == "browser_snapshot {}"


async def test_a_streaming_tool_stays_one() -> None:
    """Generators of responses are agentscope's own way to stream."""

    async def count() -> Any:
        """Count."""
        for number in (1, 2):
            yield ToolResponse(content=[{"type": "text", "text": str(number)}], is_last=number == 2)

    toolkit = agentscope_toolkit_adapter([count])
    assert text_of(await call(toolkit, "count")) == "2"


async def test_users_are_told_that_a_tool_failed() -> None:
    """By the metadata of its result, as with the other frameworks; also where it was kept meanwhile."""
    toolkit, turns = Toolkit(), [Turn(calls=[("1", "browser_close", {})]), Turn("It failed.")]
    toolkit.register_tool_function(anything(Browser()).browser_close)
    outputs = [output async for output in spoken(Loan(friday(turns, toolkit=toolkit)), [Msg("user", "x", "user")])]
    translator = MsgTranslator()
    steps = [step for output in outputs for step in translator.take(output)]
    results = [step for step in steps if isinstance(step, Open) and step.type == MessageType.PLUGIN_CALL_OUTPUT]
    assert [(step.metadata or {}).get("status") for step in results] == ["error"]
    kept = [message for msg, *_ in outputs[:-1] for message in agentscope_msg_to_message(msg)]
    failed = [message.type for message in kept if (message.metadata or {}).get("status") == "error"]
    assert failed == [MessageType.PLUGIN_CALL_OUTPUT]
