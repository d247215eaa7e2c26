"""Sandboxes for agents: Python, shells and browsers in containers, leased in milliseconds and watched live.

```python
from agentscope_runtime.sandbox import BaseSandbox

with BaseSandbox() as box:
    print(box.run_ipython_cell("print('Hello, World!')"))
```

The classes are loaded when they are first asked for, so that importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from agentscope_runtime.sandbox import errors
from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox.types import SandboxType

if TYPE_CHECKING:
    from agentscope_runtime.sandbox._async.base import BaseSandboxAsync
    from agentscope_runtime.sandbox._async.browser import BrowserSandboxAsync
    from agentscope_runtime.sandbox._async.dummy import DummySandboxAsync
    from agentscope_runtime.sandbox._async.filesystem import FilesystemSandboxAsync
    from agentscope_runtime.sandbox._async.gui import GuiSandboxAsync
    from agentscope_runtime.sandbox._sync.base import BaseSandbox
    from agentscope_runtime.sandbox._sync.browser import BrowserSandbox
    from agentscope_runtime.sandbox._sync.dummy import DummySandbox
    from agentscope_runtime.sandbox._sync.filesystem import FilesystemSandbox
    from agentscope_runtime.sandbox._sync.gui import GuiSandbox

__all__ = [
    "BaseSandbox",
    "BaseSandboxAsync",
    "BrowserSandbox",
    "BrowserSandboxAsync",
    "DummySandbox",
    "DummySandboxAsync",
    "FilesystemSandbox",
    "FilesystemSandboxAsync",
    "GuiSandbox",
    "GuiSandboxAsync",
    "SandboxError",
    "SandboxType",
    "errors",
]

_CLASSES = {
    "BaseSandbox": "_sync.base",
    "BaseSandboxAsync": "_async.base",
    "BrowserSandbox": "_sync.browser",
    "BrowserSandboxAsync": "_async.browser",
    "DummySandbox": "_sync.dummy",
    "DummySandboxAsync": "_async.dummy",
    "FilesystemSandbox": "_sync.filesystem",
    "FilesystemSandboxAsync": "_async.filesystem",
    "GuiSandbox": "_sync.gui",
    "GuiSandboxAsync": "_async.gui",
}

_ANNOUNCED = frozenset({"MobileSandbox", "MobileSandboxAsync"} | {"TrainingSandbox", "CloudSandbox", "AgentbaySandbox"})
"""Names that code written for other runtimes may ask for, and that do not exist here yet."""


def __getattr__(name: str) -> object:
    if name in _CLASSES:
        value = getattr(importlib.import_module(f"{__name__}.{_CLASSES[name]}"), name)
        globals()[name] = value
        return value
    if name in _ANNOUNCED:
        # Not an AttributeError: `from … import` would put a message of its own, without the names, in its place.
        raise ImportError(f"{__name__} has no {name} yet; there are: {', '.join(sorted(_CLASSES))}", name=name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
