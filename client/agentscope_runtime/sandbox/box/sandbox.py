"""The base classes of sandboxes of one's own.

from agentscope_runtime.sandbox.box.sandbox import Sandbox
"""

from __future__ import annotations

from abc import ABC

from agentscope_runtime.sandbox._async.sandbox import SandboxAsync
from agentscope_runtime.sandbox._sync.sandbox import Sandbox

__all__ = ["Sandbox", "SandboxAsync", "SandboxBase"]


class SandboxBase(ABC):  # noqa: B024 - nothing is abstract in it, the two are registered below
    """What `Sandbox` and `SandboxAsync` both count as, for `isinstance`; derive from one of these two."""

    def __init_subclass__(cls) -> None:
        raise TypeError(f"{cls.__name__} cannot derive from SandboxBase alone: derive it from Sandbox or SandboxAsync")


SandboxBase.register(Sandbox)
SandboxBase.register(SandboxAsync)
