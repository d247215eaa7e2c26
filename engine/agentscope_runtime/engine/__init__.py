"""The agent engine: FastAPI applications whose handlers are agents.

```python
from agentscope_runtime.engine import AgentApp

app = AgentApp(app_name="Friday")


@app.query(framework="text")
async def answer(self, msgs, request=None, **kwargs):
    yield "Hello"


app.run(host="127.0.0.1", port=8090)
```

The classes are loaded when they are first asked for, so that importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentscope_runtime.engine.app import AgentApp
    from agentscope_runtime.engine.runner import Runner

__all__ = ["AgentApp", "Runner"]

_CLASSES = {"AgentApp": "app", "Runner": "runner"}


def __getattr__(name: str) -> object:
    if name in _CLASSES:
        value = getattr(importlib.import_module(f"{__name__}.{_CLASSES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
