"""What a service for the states of agents can do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from agentscope_runtime.engine.errors import InvalidOption, NotStorable
from agentscope_runtime.engine.services.base import ServiceWithLifecycleManager

DEFAULT_SESSION = "default"
"""Whose states are kept without a session."""

DEFAULT_ROUNDS = 20
"""Rounds kept of a session: enough to go back a few turns."""

MOST_ROUND = 2**53 - 1
"""The last number that every backend tells from its neighbours."""


class StateService(ServiceWithLifecycleManager):
    """Keeps the states of agents: JSON values, a number of rounds for each user and session.

    What is taken out is a copy; a user never sees what another one has.
    """

    @abstractmethod
    async def save_state(
        self, user_id: str, state: Mapping[str, Any], session_id: str | None = None, round_id: int | None = None
    ) -> int:
        """Keep a state as a round, in one atomic step.

        Args:
            user_id: Whose it is.
            state: What the agent is: a dict of JSON values.
            session_id: In which session; there is one without a name.
            round_id: Which round it is, where that is known; an existing one is replaced. Else it is the next.

        Returns:
            The number of the round; the first one is 1.

        Raises:
            NotStorable: the state is not JSON or too large, or an id is none.
            StoreUnavailable: the backend does not answer.
        """

    @abstractmethod
    async def export_state(
        self, user_id: str, session_id: str | None = None, round_id: int | None = None
    ) -> dict[str, Any] | None:
        """Return a copy of a round's state, of the latest round where none is named; None if there is none.

        Raises:
            StoreUnavailable: the backend does not answer.
        """


def checked_round(round_id: int | None) -> int | None:
    """Refuse what is no number of a round."""
    if round_id is None or (isinstance(round_id, int) and 0 <= round_id <= MOST_ROUND):
        return round_id
    raise NotStorable(f"round_id is {round_id!r}; it must be a whole number from 0 to {MOST_ROUND}")


def check_max_rounds(max_rounds: int) -> int:
    """Refuse to keep nothing."""
    if max_rounds < 1:
        raise InvalidOption(f"max_rounds is {max_rounds}; it must be at least 1")
    return max_rounds
