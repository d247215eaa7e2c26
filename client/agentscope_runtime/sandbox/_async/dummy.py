"""A sandbox that is none: for tests of what is around sandboxes, and for switching them off."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from agentscope_runtime.sandbox._async.base import BaseSandboxAsync
from agentscope_runtime.sandbox._async.holding import HoldingAsync, SourceAsync
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.types import SandboxType, ToolResult, plain_type
from agentscope_runtime.sandbox.wire import SandboxInfo


class DummySandboxAsync(BaseSandboxAsync):
    """A sandbox that starts nothing and needs no manager, no engine and no key.

    Tools answer that nothing was run, none are listed, and there are no files.
    """

    def __init__(
        self,
        sandbox_id: str | None = None,
        base_url: str | None = None,
        bearer_token: str | None = None,
        sandbox_type: SandboxType | str = SandboxType.DUMMY,
        workspace_dir: str | None = None,
    ) -> None:
        """Describe it; the arguments are those of other sandboxes, and mean nothing but a name."""
        if plain_type(sandbox_type) != SandboxType.DUMMY:
            raise InvalidRequest(f"a DummySandbox cannot be a {sandbox_type} sandbox")
        super().__init__(None, base_url, bearer_token, SandboxType.DUMMY, workspace_dir)
        self._name = sandbox_id or f"dummy-{uuid.uuid4().hex[:20]}"
        self._started = False

    @classmethod
    def of(cls, source: SourceAsync | None, sandbox_type: str) -> Self:
        """Make a started one; there is nothing to hold."""
        box = cls()
        box._started = True
        return box

    @property
    def sandbox_id(self) -> str | None:
        """A name; None before it is started."""
        return self._name if self._started else None

    async def start_async(self) -> Self:
        """Start nothing."""
        self._started = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started = False

    async def get_info_async(self) -> dict[str, Any]:
        """Describe it as other sandboxes are described; it has no image and no container."""
        return self._info().model_dump()

    async def list_tools_async(self, tool_type: str | None = None) -> dict[str, dict[str, Any]]:
        """List no tools."""
        self._check()
        return {} if tool_type is None else {tool_type: {}}

    async def call_tool_async(
        self, name: str, arguments: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> ToolResult:
        """Say that nothing was run; that is no error, so that agents go on."""
        self._check()
        said = f"This is a dummy sandbox: {name} was not run."
        return {"meta": None, "content": [{"type": "text", "text": said, "annotations": None}], "isError": False}

    # <async-only>
    def get_info(self) -> dict[str, Any]:
        """Describe it, as `get_info_async` does."""
        return self._info().model_dump()

    # </async-only>

    def _info(self) -> SandboxInfo:
        self._check()
        return SandboxInfo(
            sandbox_id=self._name,
            sandbox_type=SandboxType.DUMMY,
            state="leased",
            image="",
            container_id="",
            container_name=self._name,
        )

    def _check(self) -> None:
        if not self._started:
            name = type(self).__name__
            raise InvalidRequest(f"this {name} is not started, or closed: use `async with {name}(...) as box:`")

    def _in_hand(self) -> HoldingAsync:
        self._check()
        raise InvalidRequest("a dummy sandbox has no files, commands or links: it starts nothing")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.sandbox_id or 'not started'}>"
