"""The routes of the kernels: which there are, interrupting, restarting and stopping one."""

from __future__ import annotations

from aiohttp import web

from sandbox_server.kernels.kernel import Kernel
from sandbox_server.kernels.part import Kernels, UnknownKernel
from sandbox_server.parts import PartFailed
from sandbox_server.problems import not_found, start_failed


class KernelRoutes:
    """Serves the kernels of one box."""

    def __init__(self, kernels: Kernels) -> None:
        """Serve these."""
        self._kernels = kernels

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/kernels", self.list),
            web.post("/kernels/{name}/interrupt", self.interrupt),
            web.post("/kernels/{name}/restart", self.restart),
            web.delete("/kernels/{name}", self.stop),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Answer with every kernel and its state."""
        return web.json_response({"kernels": self._kernels.described()})

    async def interrupt(self, request: web.Request) -> web.Response:
        """Interrupt the cell that runs."""
        return web.json_response({"interrupted": await self._named(request).interrupt()})

    async def restart(self, request: web.Request) -> web.Response:
        """Put a fresh kernel in the place of one, and answer when it can run cells."""
        kernel = self._named(request)
        try:
            await kernel.restart()
        except PartFailed as e:
            raise start_failed(str(e)) from e
        return web.json_response(kernel.described())

    async def stop(self, request: web.Request) -> web.Response:
        """End a kernel; one that there is not is fine."""
        await self._kernels.stop(request.match_info["name"])
        return web.Response(status=204)

    def _named(self, request: web.Request) -> Kernel:
        try:
            return self._kernels.named(request.match_info["name"])
        except UnknownKernel as e:
            raise not_found(str(e)) from e
