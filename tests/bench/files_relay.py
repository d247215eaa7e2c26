"""The least that can stand between a client and a box: aiohttp on both sides, and nothing in between.

python -m bench.files_relay HOST PORT TOKEN
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from aiohttp import web


async def main() -> None:
    """Serve until a signal ends it."""
    host, port, token = sys.argv[1:]
    url = f"http://{host}:{port}/files/content"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}, auto_decompress=False) as session:

        async def download(request: web.Request) -> web.StreamResponse:
            async with session.get(url, params=request.query) as answer:
                response = web.StreamResponse()
                response.content_length = answer.content_length
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            return response

        async def upload(request: web.Request) -> web.Response:
            length = {"Content-Length": request.headers["Content-Length"]}
            async with session.put(url, params=request.query, data=request.content, headers=length) as answer:
                return web.Response(status=answer.status, body=await answer.read())

        app = web.Application(client_max_size=1 << 60)
        app.router.add_get("/", download, allow_head=False)
        app.router.add_put("/", upload)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
