"""A model server without a model: answers by a script, so that agents can be tried with no key and no network.

    python examples/scripted_model.py --port 8900

It speaks OpenAI's chat completions (`http://127.0.0.1:8900/v1`) and DashScope's generation protocol
(`http://127.0.0.1:8900/api/v1`), both streamed or not, with tool calls, reasoning and usage. What it answers follows
from the messages that it is sent, and from nothing else: it keeps no state, so whoever wants a second turn to know of
the first has to send the first.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

Object = dict[str, Any]

SLIPPED_IN = ("<system", "<long_term_memory>", "The tool call above generated")
"""How begins what frameworks let the user say that no user said: agentscope's hints, and agno's about pictures."""


@dataclass(frozen=True)
class Call:
    """The model wants a tool to be called."""

    name: str
    arguments: Object
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(6)}")


@dataclass(frozen=True)
class Reply:
    """What the model says: text, or calls, or both; `reasoning` comes before."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""


@dataclass(frozen=True)
class Conversation:
    """What the model is sent."""

    messages: list[Object]
    tools: frozenset[str]
    thinks: bool = False

    @property
    def asked(self) -> str:
        """What the user said last."""
        return next(reversed(self.said), "")

    @property
    def said(self) -> list[str]:
        """All that the user said, oldest first."""
        return [text for text in self.told if not text.startswith(SLIPPED_IN)]

    @property
    def told(self) -> list[str]:
        """All that the model is told as if the user said it, oldest first."""
        texts = [text_of(message) for message in self.messages if message["role"] == "user"]
        return [text for text in texts if text]

    @property
    def since(self) -> list[Object]:
        """The messages after what the user said last: calls, and their results."""
        found = [n for n, message in enumerate(self.messages) if text_of(message) == self.asked]
        return self.messages[found[-1] + 1 :] if found else []

    @property
    def called(self) -> list[str]:
        """The names of the tools that were called since then."""
        return [call["function"]["name"] for message in self.since for call in message.get("tool_calls") or ()]

    @property
    def result(self) -> str:
        """What the tool that was called last gave."""
        return next((text_of(message) for message in reversed(self.since) if message["role"] == "tool"), "")


Script = Callable[[Conversation], Reply]


def friday(conversation: Conversation) -> Reply:
    """Answer as the documents' Friday would: knows capitals, names that it was told, and how to use a browser."""
    asked = conversation.asked
    reasoning = "The user wants something; let me see what." if conversation.thinks else ""
    if (url := re.search(r"(?:https?://|data:)[^\s\"'<>]+", asked)) and "browser_navigate" in conversation.tools:
        return browse(conversation, url[0].rstrip(".,;:!?)"))
    if "look again" in asked.lower() and "browser_snapshot" in conversation.tools:
        return look(conversation)
    if (code := re.search(r"`([^`]+)`", asked)) and (tool := _tool_for_code(conversation)):
        if tool not in conversation.called:
            return Reply(calls=(Call(tool, {"code": code[1]}),), reasoning=reasoning)
        return Reply(f"It printed: {conversation.result.strip()}")
    return Reply(_known(conversation), reasoning=reasoning)


def browse(conversation: Conversation, url: str) -> Reply:
    """Go to a page, follow the link that the user named, look at it, and say what its heading says."""
    called, result = conversation.called, conversation.result
    if not called:
        return Reply("Let me look.", (Call("browser_navigate", {"url": url}),))
    wanted = re.search(r"click [\"“']([^\"”']+)", conversation.asked)
    if called[-1] in ("browser_navigate", "browser_click"):
        return Reply(calls=(Call("browser_snapshot", {}),))
    if called[-1] == "browser_snapshot":
        if wanted and "browser_click" in conversation.tools - set(called):
            link = re.search(rf'"{re.escape(wanted[1])}".*?\[ref=(\w+)\]', result)
            if link:
                return Reply(calls=(Call("browser_click", {"element": wanted[1], "ref": link[1]}),))
        if "browser_take_screenshot" in conversation.tools - set(called):
            return Reply(calls=(Call("browser_take_screenshot", {}),))
    return _heading(conversation)


def look(conversation: Conversation) -> Reply:
    """Say what the heading of the page says that the browser shows already."""
    return _heading(conversation) if conversation.called else Reply(calls=(Call("browser_snapshot", {}),))


def _heading(conversation: Conversation) -> Reply:
    seen = [text_of(message) for message in conversation.since if message["role"] == "tool"]
    headings = [heading for text in reversed(seen) for heading in re.findall(r'heading "([^"]+)"', text)]
    return Reply(f"The page says: {headings[0]}" if headings else f"I saw no heading. {conversation.result[:200]}")


def _tool_for_code(conversation: Conversation) -> str:
    return next((name for name in ("execute_python_code", "run_ipython_cell") if name in conversation.tools), "")


def _known(conversation: Conversation) -> str:
    """Answer what needs no tool."""
    asked = conversation.asked
    if re.search(r"my name\?", asked):
        names = [name for text in conversation.told for name in re.findall(r"[Mm]y name is (\w+)", text)]
        return f"Your name is {names[-1]}." if names else "You have not told me your name."
    if name := re.search(r"[Mm]y name is (\w+)", asked):
        return f"Nice to meet you, {name[1]}."
    if "capital of France" in asked:
        return "The capital of France is Paris."
    if re.search(r"[Ww]ho are you", asked):
        return "I'm Friday, a helpful assistant."
    return f"You said: {asked}"


def text_of(message: Object) -> str:
    """Return the text of a message, whichever way its content is written."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text") or "" for part in content if isinstance(part, dict) and "text" in part)


def conversation_of(messages: list[Object], tools: list[Object] | None, thinks: Any) -> Conversation:
    """Read the part of a request that is alike in both protocols."""
    names = frozenset(tool["function"]["name"] for tool in tools or ())
    return Conversation(messages, names, bool(thinks))


def deltas(reply: Reply) -> Iterator[Object]:
    """Cut a reply into the pieces that a model would stream: words, and arguments in two halves."""
    for word in re.findall(r"\S+\s*", reply.reasoning):
        yield {"role": "assistant", "content": "", "reasoning_content": word}
    for word in re.findall(r"\S+\s*", reply.text):
        yield {"role": "assistant", "content": word}
    for index, call in enumerate(reply.calls):
        arguments = json.dumps(call.arguments)
        half = len(arguments) // 2
        first = {"name": call.name, "arguments": arguments[:half]}
        yield {"role": "assistant", "content": "", "tool_calls": [_piece(index, call.id, first)]}
        yield {"role": "assistant", "content": "", "tool_calls": [_piece(index, "", {"arguments": arguments[half:]})]}


def _piece(index: int, call_id: str, function: Object) -> Object:
    return {"index": index, "type": "function", "function": function, **({"id": call_id} if call_id else {})}


def whole(reply: Reply) -> Object:
    """Return a reply as one message."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
        for call in reply.calls
    ]
    said: Object = {"role": "assistant", "content": reply.text}
    return said | ({"tool_calls": calls} if calls else {}) | _thought(reply)


def _thought(reply: Reply) -> Object:
    return {"reasoning_content": reply.reasoning} if reply.reasoning else {}


def tokens(conversation: Conversation, reply: Reply) -> tuple[int, int]:
    """Count words as tokens: what went in, what came out."""
    given = sum(len(text_of(message).split()) for message in conversation.messages)
    return given, len(reply.text.split()) + 5 * len(reply.calls)


def create_app(script: Script = friday) -> FastAPI:
    """Build the server of one script."""
    app = FastAPI(title="A scripted model")

    @app.post("/v1/chat/completions")
    async def openai(request: Request) -> Response:
        body = await request.json()
        conversation = conversation_of(body["messages"], body.get("tools"), body.get("enable_thinking"))
        return _openai(body, conversation, script(conversation))

    @app.post("/api/v1/services/aigc/{group}/generation")
    async def dashscope(group: str, request: Request) -> Response:
        body = await request.json()
        options = body.get("parameters") or {}
        given = conversation_of(body["input"]["messages"], options.get("tools"), options.get("enable_thinking"))
        streamed = request.headers.get("X-DashScope-SSE") == "enable"
        return _dashscope(group == "multimodal-generation", streamed, given, script(given))

    return app


def _openai(body: Object, conversation: Conversation, reply: Reply) -> Response:
    went_in, came_out = tokens(conversation, reply)
    usage = {"prompt_tokens": went_in, "completion_tokens": came_out, "total_tokens": went_in + came_out}
    reason = "tool_calls" if reply.calls else "stop"
    head = {"id": f"chatcmpl-{secrets.token_hex(6)}", "created": 1_700_000_000, "model": body.get("model", "scripted")}
    if not body.get("stream"):
        choice = {"index": 0, "finish_reason": reason, "message": whole(reply)}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    async def events() -> AsyncIterator[str]:
        chunk: Object = {**head, "object": "chat.completion.chunk"}
        for delta in deltas(reply):
            yield _event({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        yield _event({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            yield _event({**chunk, "choices": [], "usage": usage})
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _dashscope(multimodal: bool, streamed: bool, conversation: Conversation, reply: Reply) -> Response:
    went_in, came_out = tokens(conversation, reply)
    usage = {"input_tokens": went_in, "output_tokens": came_out, "total_tokens": went_in + came_out}
    reason, request_id = "tool_calls" if reply.calls else "stop", secrets.token_hex(16)

    def chunk(message: Object, finish: str) -> Object:
        if multimodal:  # whose text comes in parts
            message = {**message, "content": [{"text": message["content"]}] if message["content"] else []}
        choice = {"finish_reason": finish, "message": message}
        return {"output": {"choices": [choice]}, "usage": usage, "request_id": request_id}

    if not streamed:
        return JSONResponse(chunk(whole(reply), reason))

    async def events() -> AsyncIterator[str]:
        number = 0
        for number, delta in enumerate(deltas(reply), 1):
            yield f"id:{number}\nevent:result\n:HTTP_STATUS/200\n{_event(chunk(delta, 'null'))}"
        last = chunk({"role": "assistant", "content": ""}, reason)
        yield f"id:{number + 1}\nevent:result\n:HTTP_STATUS/200\n{_event(last)}"

    return StreamingResponse(events(), media_type="text/event-stream")


def _event(data: Object) -> str:
    return f"data: {json.dumps(data)}\n\n"


def main() -> None:
    """Serve until Ctrl-C."""
    options = argparse.ArgumentParser(description="A model server that answers by a script.")
    options.add_argument("--port", type=int, default=8900)
    uvicorn.run(create_app(), host="127.0.0.1", port=options.parse_args().port, log_level="warning")


if __name__ == "__main__":
    main()
