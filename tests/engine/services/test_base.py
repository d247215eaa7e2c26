"""What every service is."""

from __future__ import annotations

from agentscope_runtime.engine.services.base import Service, ServiceWithLifecycleManager
from agentscope_runtime.engine.services.sandbox import SandboxService


class Lamp(ServiceWithLifecycleManager):
    """Is on while it runs."""

    def __init__(self) -> None:
        self.is_on = False

    async def start(self) -> None:
        """Switch it on."""
        self.is_on = True

    async def stop(self) -> None:
        """Switch it off."""
        self.is_on = False

    async def health(self) -> bool:
        """Tell whether it is on."""
        return self.is_on


async def test_a_service_runs_while_its_block_does() -> None:
    """Also when the block fails."""
    lamp = Lamp()
    async with lamp as entered:
        assert entered is lamp
        assert await lamp.health()
    assert not await lamp.health()
    try:
        async with lamp:
            raise KeyError
    except KeyError:
        assert not lamp.is_on


def test_the_sandbox_service_is_one() -> None:
    """All services of an application can be treated alike."""
    assert issubclass(SandboxService, Service)
