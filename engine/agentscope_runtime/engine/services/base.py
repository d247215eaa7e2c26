"""What every service is: something that starts and stops with the application, and can be asked how it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from agentscope_runtime.engine.errors import NotStarted


class Service(ABC):
    """What is started before it is used, and stopped at the end."""

    @abstractmethod
    async def start(self) -> None:
        """Get ready; starting what runs already changes nothing."""

    @abstractmethod
    async def stop(self) -> None:
        """Let go of everything; stopping twice is stopping once."""

    @abstractmethod
    async def health(self) -> bool:
        """Tell whether it was started and works."""


class ServiceWithLifecycleManager(Service):
    """A service that runs while an `async with` block does."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class ServiceOnAnother(ServiceWithLifecycleManager):
    """A service that has nothing of its own to start or stop: it runs while that one does which keeps its things."""

    def __init__(self, foundation: Service) -> None:
        """Start and stop with this one, and be as well as it is."""
        self._foundation = foundation

    async def start(self) -> None:
        """Start what this service stands on."""
        await self._foundation.start()

    async def stop(self) -> None:
        """Stop what this service stands on."""
        await self._foundation.stop()

    async def health(self) -> bool:
        """Tell whether what this service stands on works."""
        return await self._foundation.health()


def not_started() -> NotStarted:
    """Make the error of what a service is asked for that does not run."""
    return NotStarted("Service not started: `await service.start()` comes first, or `async with service:`")
