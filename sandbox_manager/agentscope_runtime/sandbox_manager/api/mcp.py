"""`/v1/sandboxes/{id}/mcp`: every sandbox as an MCP server, over streamable HTTP without sessions.

Each POST is one message and stands for itself, so that any manager can answer it; what the box lists and returns is
translated and nothing else. Not here: how messages look (`mcp_messages`), and MCP servers inside of boxes.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from agentscope_runtime.sandbox.errors import InvalidRequest, SandboxError, UnknownTool
from agentscope_runtime.sandbox_manager.api import gateway
from agentscope_runtime.sandbox_manager.api import mcp_messages as messages
from agentscope_runtime.sandbox_manager.api.gateway import Ask, pool_of
from agentscope_runtime.sandbox_manager.api.health import version
from agentscope_runtime.sandbox_manager.api.mcp_messages import Json, Message, RpcError
from agentscope_runtime.sandbox_manager.api.tools import ARGUMENTS_LIMIT, CALLER_LEFT, JSON, LONGEST

router = APIRouter(prefix="/v1/sandboxes/{sandbox_id}/mcp", tags=["mcp"])

SERVER = {"name": "agentscope-runtime-sandbox", "title": "AgentScope Runtime sandbox", "version": version()}
CAPABILITIES: Json = {"tools": {}}
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
REQUEST = {
    "type": "object",
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "integer"]},
        "method": {"type": "string"},
        "params": {"type": "object"},
    },
    "required": ["jsonrpc", "method"],
}


@router.post(
    "",
    max_body_size=ARGUMENTS_LIMIT,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": REQUEST}}}},
    responses={
        202: {"description": "A notification: taken note of, without an answer"},
        400: {"description": "No message of the protocol, or of an unknown revision of it: a JSON-RPC error"},
        404: {"description": "Since 2026-07-28: an unknown method, as a JSON-RPC error"},
    },
)
async def message(
    sandbox_id: str,
    request: Request,
    stdio: Annotated[
        bool, Query(description="The client is on a pipe, which carries no status: answer with 200")
    ] = False,
) -> Response:
    """Take one JSON-RPC message of an MCP client, and answer it."""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        asked = messages.parse(body, headers)
    except RpcError as error:
        refusal = messages.refusal(messages.identity_of(body), error)
        return _written(headers, refusal, HTTPStatus.OK if stdio else HTTPStatus.BAD_REQUEST)
    if asked.id is None:
        return Response(status_code=HTTPStatus.ACCEPTED)
    try:
        # A client cancels by leaving: then nobody waits for the box.
        result = await gateway.unless_left(request.receive, _answer(request, sandbox_id, asked))
    except RpcError as error:
        by_status = asked.is_modern and not stdio
        status = messages.STATUS.get(error.code, HTTPStatus.BAD_REQUEST) if by_status else HTTPStatus.OK
        return _written(headers, messages.refusal(asked.id, error), status)
    except SandboxError as error:
        told = RpcError(messages.SANDBOX_ERROR, error.detail, error.to_problem())
        return _written(headers, messages.refusal(asked.id, told))
    if result is None:
        return Response(status_code=CALLER_LEFT)
    return _written(headers, messages.answer(asked.id, messages.finished(asked, result, SERVER)))


@router.api_route("", methods=["GET", "DELETE"], include_in_schema=False)
async def no_stream() -> Response:
    """Refuse: there are neither sessions to end nor messages that the server begins."""
    return Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})


async def _answer(request: Request, sandbox_id: str, asked: Message) -> Json:
    match asked.method:
        case "initialize" | "server/discover":
            return await _greeting(request, sandbox_id, asked)
        case "ping":
            return {}
        case "tools/list":
            listed = messages.read(await _ask(request, sandbox_id, Ask("GET", "/tools", timeout=30)))
            return {"tools": [messages.tool(each) for each in listed["tools"]]}
        case "tools/call":
            return await _call(request, sandbox_id, asked.params)
    raise RpcError(messages.METHOD_NOT_FOUND, f"there is no method {asked.method!r} here: sandboxes have tools only")


async def _greeting(request: Request, sandbox_id: str, asked: Message) -> Json:
    async with pool_of(request).use(sandbox_id) as box:
        kind = box.record.sandbox_type
    told: Json = {
        "capabilities": CAPABILITIES,
        "instructions": f"Tools of a {kind} sandbox: a computer of its own, with its files in /workspace.",
    }
    if asked.method == "initialize":
        return {"protocolVersion": messages.negotiated(asked.params), "serverInfo": SERVER, **told}
    return {"supportedVersions": list(messages.VERSIONS), **told}


async def _call(request: Request, sandbox_id: str, params: Json) -> Json:
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or not name or name in (".", ".."):
        raise RpcError(messages.INVALID_PARAMS, f"there is no tool {name!r}")
    body = to_json({"arguments": {} if arguments is None else arguments})
    ask = Ask("POST", f"/tools/{quote(name, safe='')}", data=body, headers=JSON, timeout=LONGEST)
    try:
        return messages.tool_result(messages.read(await _ask(request, sandbox_id, ask)))
    except UnknownTool as error:
        raise RpcError(messages.INVALID_PARAMS, error.detail, error.to_problem()) from error
    except InvalidRequest as error:
        return messages.said(error.detail)  # wrong arguments are the model's to correct, which sees results only


async def _ask(request: Request, sandbox_id: str, ask: Ask) -> bytes:
    async with gateway.answer(pool_of(request), sandbox_id, ask) as response:
        return await response.read()


def _written(headers: dict[str, str], body: bytes, status: int = HTTPStatus.OK) -> Response:
    """Return a message as what the client reads: JSON, or a stream of one event where it wants nothing else."""
    accepted = headers.get("accept", "*/*")
    if "text/event-stream" in accepted and "application/json" not in accepted and "*/*" not in accepted:
        # JSON has no line breaks outside of its texts, and escapes those inside.
        body = b"event: message\ndata: " + body + b"\n\n"
        return Response(body, status, NO_STORE, "text/event-stream")
    return Response(body, status, NO_STORE, "application/json")
