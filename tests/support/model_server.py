"""The scripted model on a real socket, in a thread of its own, for agents that talk to it as to any model.

It is stricter than the script: what OpenAI's and DashScope's servers would refuse, it refuses, and the test fails.
"""

from __future__ import annotations

import json
import socket
import threading
from types import TracebackType
from typing import Any, Self

import uvicorn
from scripted_model import Conversation, Reply, Script, create_app, friday

ROLES = {"system", "developer", "user", "assistant", "tool"}


class ModelServer:
    """Serves a script while the block runs, and notes what was asked."""

    def __init__(self, script: Script = friday) -> None:
        self.asked: list[Conversation] = []
        self.refused: list[str] = []
        """What was wrong with the requests; must be empty at the end of the block."""
        self._script = script
        config = uvicorn.Config(create_app(self._answer), log_config=None, ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        port = self._listener.getsockname()[1]
        self.openai = f"http://127.0.0.1:{port}/v1"
        self.dashscope = f"http://127.0.0.1:{port}/api/v1"

    def __enter__(self) -> Self:
        self._thread.start()  # the socket listens already: whoever calls too early waits in its queue
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
        if self.refused and error is not None:
            error.add_note(f"the model refused: {self.refused}")
        else:
            assert not self.refused

    def _answer(self, conversation: Conversation) -> Reply:
        self.asked.append(conversation)
        try:
            check(conversation.messages)
        except AssertionError as error:
            self.refused.append(str(error))
            raise
        return self._script(conversation)


def check(messages: list[dict[str, Any]]) -> None:
    """Fail where a model's server would answer with 400."""
    due: list[str] = []
    for message in messages:
        role, content = message["role"], message.get("content")
        assert role in ROLES, f"no role: {message}"
        if role == "tool":
            assert message["tool_call_id"] in due, f"the result of no call that is due: {message}"
            due.remove(message["tool_call_id"])
            assert _is_text(content), f"a tool's result must be text: {message}"
            continue
        assert not due, f"calls without results before: {message}"
        calls = message.get("tool_calls") or []
        assert role == "assistant" or not calls, f"only assistants call: {message}"
        assert content or calls, f"a message that says nothing: {message}"
        for call in calls:
            assert isinstance(json.loads(call["function"]["arguments"]), dict), f"arguments are an object: {call}"
            due.append(call["id"])
    assert not due, f"calls without results at the end: {due}"


def _is_text(content: Any) -> bool:
    return isinstance(content, str) or (
        isinstance(content, list) and all(part.get("type") == "text" for part in content)
    )
