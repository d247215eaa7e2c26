"""The sandbox that starts nothing."""

from __future__ import annotations

from agentscope_runtime.sandbox._async.dummy import DummySandboxAsync
from agentscope_runtime.sandbox._sync.dummy import DummySandbox

__all__ = ["DummySandbox", "DummySandboxAsync"]
