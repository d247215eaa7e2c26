"""Questions that are asked at the same time travel together: one packet there, and one back.

A hundred sessions that connect at once would otherwise cost a hundred system calls, which are most of what a question
costs. Who asks alone is not delayed. A caller that leaves does not take the answers of the others along, and its
question is asked all the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

TOGETHER = 64
"""Questions in one packet."""
ROUTES = 4
"""Packets on their way at the same time. With more of them each would carry less."""

Question = tuple[Any, ...]
Deliver = Callable[[Sequence[Question]], Awaitable[Sequence[Any]]]
"""Asks these questions and returns an answer, or an exception, for each."""


class Closed(Exception):
    """Nothing is asked any more."""


class Courier:
    """Asks what it is given, in this order."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._waiting: deque[tuple[Question, asyncio.Future[Any]]] = deque()
        self._routes: set[asyncio.Task[None]] = set()
        self._closed = False

    async def ask(self, *question: Any) -> Any:
        """Return the answer to a question, or raise it.

        Raises:
            Closed: It was not asked, or its answer is not waited for any more.
        """
        if self._closed:
            raise Closed
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if len(self._routes) < ROUTES:
            route = asyncio.create_task(self._carry(), name="courier")
            self._routes.add(route)
            route.add_done_callback(self._routes.discard)
        return await future

    async def aclose(self) -> None:
        """Ask nothing any more."""
        self._closed = True
        for route in self._routes:
            route.cancel()
        if self._routes:
            await asyncio.wait(self._routes)
        self._refuse(Closed())

    async def _carry(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
            answers: Sequence[Any] = [Closed()] * len(batch)
            try:
                answers = await self._deliver([question for question, _ in batch])
            except Exception as error:  # noqa: BLE001 - it is raised by all that wait
                answers = [error] * len(batch)
                self._refuse(error)
            finally:
                for (_, future), answer in zip(batch, answers, strict=True):
                    _settle(future, answer)

    def _refuse(self, error: Exception) -> None:
        """Tell those whose packet has not left yet: they would only wait longer for the same."""
        while self._waiting:
            _settle(self._waiting.popleft()[1], error)


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if future.done():  # its caller has left
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
