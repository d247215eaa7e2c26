"""The application that the streaming benchmark measures: the plainest agent, and routes that tell what it costs.

python -m bench.streaming_app PORT
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest

PAGE = resource.getpagesize()


def memory() -> int:
    """Return the bytes of memory that this process holds now."""
    with open("/proc/self/statm") as line:
        return int(line.read().split()[1]) * PAGE


app = AgentApp(app_name="bench")
app.state.made = 0
app.state.memory = {}


@app.query(framework="text")
async def speak(self: Any, request: AgentRequest, **_: Any) -> AsyncIterator[str]:
    """Say as many words as the request asks for.

    `pause` is seconds between two of them, `stamp` makes each word the time at which it was said, and the words whose
    numbers are in `weigh` have the memory of the process noted.
    """
    asked = request.model_extra or {}
    pause, stamp, weigh = asked.get("pause", 0), asked.get("stamp", False), frozenset(asked.get("weigh", ()))
    for number in range(asked["count"]):
        yield f"{time.monotonic_ns()} " if stamp else "token "
        app.state.made += 1
        if number in weigh:
            app.state.memory[number] = memory()
        await asyncio.sleep(pause)


@app.get("/figures")
async def figures() -> dict[str, Any]:
    """Tell what was used so far."""
    return {"cpu": time.process_time(), "made": app.state.made, "memory": app.state.memory}


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
