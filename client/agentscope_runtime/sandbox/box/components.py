"""What sandboxes have, by itself: their files."""

from __future__ import annotations

from agentscope_runtime.sandbox._async.files import SandboxFSAsync
from agentscope_runtime.sandbox._sync.files import SandboxFS

__all__ = ["SandboxFS", "SandboxFSAsync"]
