"""What every service for the states of agents promises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from keeping import LOOKALIKES, Keeping

from agentscope_runtime.engine.errors import InvalidOption, NotStorable
from agentscope_runtime.engine.services import records


async def test_rounds_are_counted_from_one(keeping: Keeping) -> None:
    """Each save is the next round; asked for no round, the latest is given."""
    async with keeping.states() as service:
        assert await service.export_state("u", "s") is None
        assert await service.save_state("u", {"turn": 1}, "s") == 1
        assert await service.save_state(user_id="u", session_id="s", state={"turn": 2}) == 2
        assert await service.export_state(user_id="u", session_id="s") == {"turn": 2}
        assert await service.export_state("u", "s", round_id=1) == {"turn": 1}
        assert await service.export_state("u", "s", round_id=3) is None
        assert await service.export_state("u", "other") is None


async def test_there_is_a_session_without_a_name(keeping: Keeping) -> None:
    """No session, and the empty one, are the session `default`."""
    async with keeping.states() as service:
        await service.save_state("u", {"n": 1})
        assert await service.export_state("u") == {"n": 1}
        assert await service.export_state("u", "") == {"n": 1}
        assert await service.export_state("u", "default") == {"n": 1}


async def test_a_named_round_is_replaced(keeping: Keeping) -> None:
    """Whoever names a round writes that one, also a new one; counting goes on after the highest."""
    async with keeping.states() as service:
        assert await service.save_state("u", {"n": 1}, round_id=7) == 7
        assert await service.save_state("u", {"n": 2}, round_id=7) == 7
        assert await service.save_state("u", {"n": 3}) == 8
        assert await service.save_state("u", {"n": 0}, round_id=0) == 0
        assert await service.export_state("u", round_id=7) == {"n": 2}
        assert await service.export_state("u") == {"n": 3}
        last = 2**53 - 1
        assert await service.save_state("u", {"n": 4}, round_id=last) == last
        assert await service.export_state("u", round_id=last) == {"n": 4}
        assert await service.export_state("u", round_id=last - 1) is None


async def test_what_is_kept_is_a_copy(keeping: Keeping) -> None:
    """Neither what was given nor what was taken out leads back into the service."""
    async with keeping.states() as service:
        state = {"memory": ["one"]}
        await service.save_state("u", state)
        state["memory"].append("two")
        taken = await service.export_state("u")
        assert taken == {"memory": ["one"]}
        taken["memory"].append("three")
        assert await service.export_state("u") == {"memory": ["one"]}


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"深": ["✓", "\U0001f600", "\x00", "a\ud800b"], "": None},
        {"n": [0, -1, 2**70, 1.5, True, None], "deep": {"er": [{"and": {"deeper": []}}]}},
    ],
)
async def test_any_json_survives(keeping: Keeping, state: dict[str, Any]) -> None:
    """Also half a character, which models sometimes break off, and numbers beyond 64 bits."""
    async with keeping.states() as service:
        await service.save_state("u", state)
        assert await service.export_state("u") == state


async def test_the_number_of_rounds_is_bounded(keeping: Keeping) -> None:
    """The lowest rounds make room, but what was just saved is there."""
    async with keeping.states(max_rounds=3) as service:
        for turn in range(1, 12):
            await service.save_state("u", {"turn": turn})
        kept = [turn for turn in range(1, 12) if await service.export_state("u", round_id=turn)]
        assert kept == [9, 10, 11]
        assert await service.save_state("u", {"turn": 1}, round_id=1) == 1
        kept = [turn for turn in range(1, 12) if await service.export_state("u", round_id=turn)]
        assert kept == [1, 10, 11]
    with pytest.raises(InvalidOption, match="max_rounds is 0"):
        keeping.states(max_rounds=0)


async def test_fifty_saves_at_once_lose_nothing(keeping: Keeping) -> None:
    """Each gets a round of its own, and each round holds what its save was given."""
    async with keeping.states(max_rounds=50) as service:
        rounds = await asyncio.gather(*(service.save_state("u", {"save": save}, "s") for save in range(50)))
        assert sorted(rounds) == list(range(1, 51))
        states = await asyncio.gather(*(service.export_state("u", "s", one) for one in rounds))
        assert states == [{"save": save} for save in range(50)]


async def test_users_and_sessions_never_meet(keeping: Keeping) -> None:
    """Whatever their names look like, written at once."""
    keys = [(user, session) for user, session in LOOKALIKES if session]
    async with keeping.states() as service:
        await asyncio.gather(*(service.save_state(user, {"of": [user, session]}, session) for user, session in keys))
        for user, session in keys:
            assert await service.export_state(user, session) == {"of": [user, session]}
            assert await service.export_state(user, session, round_id=2) is None


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"when": object()}, "the state is not JSON: object has no form in JSON"),
        ({"n": float("nan")}, "the state is not JSON"),
        (["a list"], "a state is a dict of JSON values, and not list"),
    ],
)
async def test_what_is_not_json_is_refused(keeping: Keeping, state: Any, why: str) -> None:
    """In every backend alike, by name, and the last round stays the last one."""
    async with keeping.states() as service:
        await service.save_state("u", {"n": 1})
        with pytest.raises(NotStorable, match=why):
            await service.save_state("u", state)
        assert await service.export_state("u") == {"n": 1}
        assert await service.save_state("u", {"n": 2}) == 2


async def test_a_state_that_is_too_large_is_refused(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has both numbers."""
    monkeypatch.setattr(records, "MOST_BYTES", 1000)
    async with keeping.states() as service:
        with pytest.raises(NotStorable, match="the state has 2008 bytes; at most 1000 are kept"):
            await service.save_state("u", {"a": "x" * 2000})


@pytest.mark.parametrize("bad", [-1, 2**53, 1.5, "1"])
async def test_a_round_is_a_whole_number(keeping: Keeping, bad: Any) -> None:
    """Anything else is refused, for saving and for asking."""
    async with keeping.states() as service:
        with pytest.raises(NotStorable, match="round_id is"):
            await service.save_state("u", {}, round_id=bad)
        with pytest.raises(NotStorable, match="round_id is"):
            await service.export_state("u", round_id=bad)


@pytest.mark.parametrize("bad", ["x" * 1025, "\ud800", 7, None])
async def test_an_id_is_text_of_bounded_length(keeping: Keeping, bad: Any) -> None:
    """Ids come from requests."""
    async with keeping.states() as service:
        with pytest.raises(NotStorable, match="user_id"):
            await service.save_state(bad, {})
        with pytest.raises(NotStorable, match="user_id"):
            await service.export_state(bad)


async def test_a_service_that_does_not_run_says_so(keeping: Keeping) -> None:
    """Before the start and after the stop; stopping twice is stopping once, and it starts anew."""
    service = keeping.states()
    assert not await service.health()
    with pytest.raises(RuntimeError, match="Service not started"):
        await service.save_state("u", {})
    await service.start()
    await service.start()
    assert await service.health()
    await service.save_state("u", {})
    await service.stop()
    await service.stop()
    assert not await service.health()
    with pytest.raises(RuntimeError, match="Service not started"):
        await service.export_state("u")
    async with service:
        assert await service.save_state("v", {}) == 1
