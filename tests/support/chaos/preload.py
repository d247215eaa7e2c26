"""What managers import late: imported once in the fork server, so that no process of a test does it again."""

from __future__ import annotations

import aiohttp.web as web
import uvicorn.loops.auto as loops
import uvicorn.protocols.http.auto as protocols
import uvloop

from agentscope_runtime.sandbox_manager import lifespan
from agentscope_runtime.sandbox_manager.backends import docker, fake

LATE = (web, loops, protocols, uvloop, lifespan, docker, fake)
