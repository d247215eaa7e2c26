"""What all routes of files have in common: the path in the query, errors as problems, blocking work in threads."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from aiohttp import web

from sandbox_server.files.workspace import MissingFile, OutsideWorkspace, WorkspaceError
from sandbox_server.problems import Handler, file_error, file_not_found, invalid_request

T = TypeVar("T")


def answering(handler: Handler) -> Handler:
    """Translate the errors of the workspace into problems."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except MissingFile as e:
            raise file_not_found(str(e)) from e
        except OutsideWorkspace as e:
            raise invalid_request(f"path: {e}") from e
        except WorkspaceError as e:
            raise file_error(str(e)) from e

    return answer


def path_of(request: web.Request) -> str:
    """Return the path that a request names.

    Raises:
        Problem: it names none.
    """
    path = request.query.get("path", "")
    if not path:
        raise invalid_request("the query parameter 'path' is missing")
    return path


def member_of(body: dict[str, Any], name: str) -> str:
    """Return a path that stands in a body.

    Raises:
        Problem: there is none.
    """
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid_request(f"{name!r} must be a path, not {value!r}")
    return value


@contextlib.asynccontextmanager
async def in_thread(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context manager that blocks in a thread."""
    value = await asyncio.to_thread(manager.__enter__)
    try:
        yield value
    except BaseException:
        if not await asyncio.to_thread(manager.__exit__, *sys.exc_info()):
            raise
    else:
        await asyncio.to_thread(manager.__exit__, None, None, None)
