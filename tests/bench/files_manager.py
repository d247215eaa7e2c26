"""A manager with one box, for the benchmark of files: it tells where both are, which managers tell nobody.

python -m bench.files_manager STATE_DIR
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from agentscope_runtime.sandbox_manager.api import create_app
from agentscope_runtime.sandbox_manager.keys import load_key
from agentscope_runtime.sandbox_manager.lifespan import running
from agentscope_runtime.sandbox_manager.listening import listen
from agentscope_runtime.sandbox_manager.serving import Server, configure
from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.states import LeaseKey


async def main() -> None:
    """Serve until a signal ends it."""
    settings = Settings(state_dir=Path(sys.argv[1]), pool_size=0, port=0)
    async with running(settings) as pool:
        (box,) = (await pool.connect(LeaseKey("", "bench"), ["base"])).sandboxes
        assert box.address is not None
        listener = listen("127.0.0.1", 0)
        told = {
            "port": listener.getsockname()[1],
            "key": load_key(settings),
            "sandbox_id": box.sandbox_id,
            "box": [box.address.host, box.address.port, box.token],
        }
        server = Server(
            configure(create_app(settings, pool=pool), grace=1.0),
            on_start=lambda: print(json.dumps(told), flush=True),
            on_stop=lambda: None,
        )
        await server.serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main())
