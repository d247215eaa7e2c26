"""Agents of agentscope 1.x: handlers get `Msg`s, and yield `(msg, last)` as `stream_printing_messages` gives them."""

from __future__ import annotations

from importlib.metadata import version

from agentscope_runtime.engine.errors import MissingFramework
from agentscope_runtime.engine.frameworks import FRAMEWORKS, Adapter, importing


def check_version(installed: str) -> None:
    """Refuse an agentscope that has no ReActAgent, no memories and no sessions.

    Raises:
        MissingFramework: it is one of the 2.x line.
    """
    if int(installed.partition(".")[0]) >= 2:
        raise MissingFramework(
            f"framework 'agentscope' needs agentscope 1.x, at least 1.0.14, and {installed} is installed: "
            f"{FRAMEWORKS['agentscope'].cure}"
        )


with importing("agentscope"):
    check_version(version("agentscope"))

    # Behind the check: of another version these would fail with the name of something that is not there.
    from agentscope_runtime.adapters.agentscope.agent import serve
    from agentscope_runtime.adapters.agentscope.endings import end_with_their_run
    from agentscope_runtime.adapters.agentscope.message import msgs_for_handler
    from agentscope_runtime.adapters.agentscope.stream import MsgTranslator
    from agentscope_runtime.adapters.agentscope.tool import accept_bound_methods

ADAPTER = Adapter(messages=msgs_for_handler, translator=MsgTranslator, serve=serve)
accept_bound_methods()
end_with_their_run()
