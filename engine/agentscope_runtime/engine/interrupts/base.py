"""What a backend of interrupts has to do: keep the state of each session's run, and carry signals to who runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from enum import Enum
from typing import ClassVar


class TaskState(Enum):
    """Where the run of a session is in its life."""

    IDLE = "IDLE"  #: there was none yet
    RUNNING = "RUNNING"  #: it is under way, and the session takes no other
    STOPPED = "STOPPED"  #: somebody stopped it, or its reader left
    FINISHED = "FINISHED"  #: it came to its end
    ERROR = "ERROR"  #: it failed


class InterruptSignal(Enum):
    """What can be said to a run from outside."""

    STOP = "STOP"  #: end; the handler is cancelled
    PAUSE = "PAUSE"  #: a name of the API that code may use; nothing acts on it
    RESUME = "RESUME"  #: the same


class BaseInterruptBackend(ABC):
    """Keeps states and carries signals, for one process or for many.

    Keys and channels are opaque strings. A state that nobody renews is forgotten after its time to live: so a process
    that died holds no session for ever.
    """

    shared: ClassVar[bool] = True
    """Whether runs of other processes can be seen and stopped through it."""

    @abstractmethod
    async def publish_event(self, channel: str, message: str) -> None:
        """Say something to all who listen to a channel now."""

    @abstractmethod
    def subscribe_listen(self, channel: str) -> AsyncGenerator[str, None]:
        """Yield what is said on a channel from the first `anext` on, until the generator or the backend is closed."""

    @abstractmethod
    async def set_task_state(self, key: str, state: TaskState, ttl: int = 3600) -> None:
        """Set a state, for so many seconds."""

    @abstractmethod
    async def compare_and_set_state(
        self, key: str, new_state: TaskState, expected_state: TaskState | None, negate: bool = False, ttl: int = 3600
    ) -> bool:
        """Set a state if there is the expected one, in one atomic step; return whether it was set.

        Args:
            key: Whose state.
            new_state: What it becomes.
            expected_state: What it must be; None means that there must be none.
            negate: Whether it must, on the contrary, be anything but that.
            ttl: For how many seconds.
        """

    @abstractmethod
    async def get_task_state(self, key: str) -> TaskState | None:
        """Return a state, None if there is none."""

    @abstractmethod
    async def delete_task_state(self, key: str) -> None:
        """Forget a state."""

    @abstractmethod
    async def aclose(self) -> None:
        """End all listening, and let go of connections."""
