"""Agents of agentscope 1.x: handlers get `Msg`s, and yield `(msg, last)` as `stream_printing_messages` gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from agentscope_runtime.engine.errors import MissingFramework

if TYPE_CHECKING:
    from agentscope_runtime.adapters.agentscope.stream import MsgTranslator
    from agentscope_runtime.engine.schemas.message import Message


def check_version(installed: str) -> None:
    """Refuse an agentscope that has no ReActAgent, no memories and no sessions.

    Raises:
        MissingFramework: it is one of the 2.x line.
    """
    if int(installed.partition(".")[0]) >= 2:
        raise MissingFramework(
            f"framework 'agentscope' needs agentscope 1.x, at least 1.0.14, and {installed} is installed: "
            "pip install 'agentscope-runtime-sandboxed[agentscope]'"
        )


check_version(version("agentscope"))

# Behind the check: of another version these would fail with the name of something that is not there.
from agentscope_runtime.adapters.agentscope.agent import serve  # noqa: E402
from agentscope_runtime.adapters.agentscope.endings import end_with_their_run  # noqa: E402
from agentscope_runtime.adapters.agentscope.message import msgs_for_handler  # noqa: E402
from agentscope_runtime.adapters.agentscope.stream import MsgTranslator  # noqa: E402
from agentscope_runtime.adapters.agentscope.tool import accept_bound_methods  # noqa: E402


class AgentscopeAdapter:
    """What the engine knows of agentscope."""

    def messages(self, messages: Sequence[Message], converters: Mapping[str, Callable[[Message], Any]]) -> list[Any]:
        """Return the input as Msgs; always a list."""
        return msgs_for_handler(messages, converters)

    def translator(self, converters: Mapping[str, Callable[[Any], Any]]) -> MsgTranslator:
        """Return a translator for one response; `converters` are by type of block."""
        return MsgTranslator(converters)

    def serve(self, agent: Any) -> Callable[..., Any] | None:
        """Return a handler that runs an agent, or what a function makes."""
        return serve(agent)


ADAPTER = AgentscopeAdapter()
accept_bound_methods()
end_with_their_run()
