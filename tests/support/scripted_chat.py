"""A chat model for agentscope's agents that says what a test tells it to, in this process."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentscope.agent import ReActAgent
from agentscope.formatter import OpenAIChatFormatter
from agentscope.memory import MemoryBase
from agentscope.model import ChatModelBase, ChatResponse
from agentscope.model._model_usage import ChatUsage

Prompt = list[dict[str, Any]]
Block = dict[str, Any]


@dataclass
class Turn:
    """What the model says once: thoughts, then text, then calls."""

    text: str = ""
    thinking: str = ""
    calls: Sequence[tuple[str, str, dict[str, Any]]] = ()
    """Id, name and arguments of each."""
    pause: Callable[[], Any] | None = None
    """Awaited before the last word."""
    metadata: dict[str, Any] | None = None

    def snapshots(self) -> list[list[Block]]:
        """Return the content as it grows, as the models of agentscope give it."""
        grown: list[list[Block]] = []
        done: list[Block] = []
        for kind, said in (("thinking", self.thinking), ("text", self.text)):
            for end in range(1, len(words := said.split(" ")) + 1) if said else ():
                grown.append([*done, {"type": kind, kind: " ".join(words[:end])}])
            done = grown[-1] if grown else []
        for id, name, arguments in self.calls:
            call = {"type": "tool_use", "id": id, "name": name}
            raw = json.dumps(arguments)
            grown.append([*done, {**call, "input": {}, "raw_input": raw[: len(raw) // 2]}])
            done = [*done, {**call, "input": arguments, "raw_input": raw}]
            grown.append(done)
        return grown or [[]]


@dataclass
class ScriptedChat(ChatModelBase):
    """Says its turns one after the other, or what a function makes of the prompt."""

    turns: list[Turn] | Callable[[Prompt], Turn] = field(default_factory=list)
    stream: bool = True
    prompts: list[Prompt] = field(default_factory=list)
    """What it was sent."""
    model_name: str = "scripted"

    async def __call__(self, prompt: Prompt, *args: Any, **kwargs: Any) -> Any:
        """Say the next turn."""
        self.prompts.append(json.loads(json.dumps(prompt)))
        turn = self.turns(prompt) if callable(self.turns) else self.turns.pop(0)
        if not self.stream:
            return self._response(turn, turn.snapshots()[-1])
        return self._streamed(turn)

    async def _streamed(self, turn: Turn) -> AsyncGenerator[ChatResponse, None]:
        snapshots = turn.snapshots()
        for number, blocks in enumerate(snapshots, 1):
            if turn.pause is not None and number == len(snapshots):
                await turn.pause()
            yield self._response(turn, blocks)

    def _response(self, turn: Turn, blocks: list[Any]) -> ChatResponse:
        usage = ChatUsage(input_tokens=10, output_tokens=len(blocks), time=0.1)
        return ChatResponse(content=[dict(block) for block in blocks], usage=usage, metadata=turn.metadata)  # type: ignore[misc]


def said_to(prompt: Prompt) -> str:
    """Return all that a prompt says."""
    return json.dumps(prompt, ensure_ascii=False)


def friday(
    turns: list[Turn] | Callable[[Prompt], Turn], *, name: str = "Friday", memory: MemoryBase | None = None, **more: Any
) -> ReActAgent:
    """Make an agent that reasons by a script, and says nothing on the console."""
    agent = ReActAgent(
        name=name,
        sys_prompt="You are Friday.",
        model=ScriptedChat(turns),
        formatter=OpenAIChatFormatter(),
        memory=memory,
        **more,
    )
    agent.set_console_output_enabled(False)
    return agent
