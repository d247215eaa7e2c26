"""What every service for long-term memory promises."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from keeping import LOOKALIKES, Keeping

from agentscope_runtime.engine.errors import InvalidOption, NotStorable
from agentscope_runtime.engine.schemas.agent_schemas import DataContent, Message, TextContent


def said(text: str) -> Message:
    """Make a message of a user."""
    return Message(role="user", content=[TextContent(text=text)])


def texts(messages: Sequence[Message]) -> list[str | None]:
    """Return what messages say."""
    return [message.get_text_content() for message in messages]


async def test_what_was_learnt_is_found_by_its_words(keeping: Keeping) -> None:
    """Those of the last message count, in any case and beside any sign; found is what shares one."""
    async with keeping.memories() as service:
        await service.add_memory("u", [said("My name is Alice."), said("I live in Paris!")], "s1")
        await service.add_memory("u", {"role": "user", "content": "Apples are my favourite fruit"}, "s2")
        await service.add_memory("u", Message(role="tool", content=[DataContent(data={"name": "alice"})]))
        assert texts(await service.search_memory("u", [said("about Paris"), said("ALICE?")])) == ["My name is Alice."]
        assert texts(await service.search_memory("u", said("paris, fruit"))) == [
            "I live in Paris!",
            "Apples are my favourite fruit",
        ]
        assert await service.search_memory("u", [said("weather")]) == []
        assert await service.search_memory("u", []) == []
        assert await service.search_memory("u", [said("…")]) == []
        assert await service.search_memory("nobody", [said("Alice")]) == []


async def test_the_best_are_found_in_their_order(keeping: Keeping) -> None:
    """With `top_k`, what shares most words; of equal ones the newest; the oldest of them first."""
    async with keeping.memories() as service:
        facts = ["red", "red green", "green", "red green blue", "blue", "red green blue too"]
        await service.add_memory("u", [said(fact) for fact in facts])
        asked = said("red green blue")
        assert texts(await service.search_memory("u", asked, {"top_k": 1})) == ["red green blue too"]
        assert texts(await service.search_memory("u", asked, {"top_k": 3})) == [facts[1], facts[3], facts[5]]
        assert texts(await service.search_memory("u", asked, {"top_k": 4})) == [facts[1], *facts[3:]]
        assert texts(await service.search_memory("u", asked, {"top_k": 99})) == facts


async def test_languages_without_spaces_are_searched(keeping: Keeping) -> None:
    """A question in Chinese finds what shares two characters that stand together."""
    async with keeping.memories() as service:
        await service.add_memory("u", [said("我最喜欢的水果是苹果"), said("我住在杭州"), said("私は寿司が好き")])
        assert texts(await service.search_memory("u", said("你喜欢什么水果?"), {"top_k": 1})) == [
            "我最喜欢的水果是苹果"
        ]
        assert texts(await service.search_memory("u", said("杭州的天气"))) == ["我住在杭州"]
        assert texts(await service.search_memory("u", said("寿司"))) == ["私は寿司が好き"]


async def test_memories_are_listed_by_pages(keeping: Keeping) -> None:
    """Ten on a page if not said otherwise, the oldest first, whatever session they come from."""
    async with keeping.memories() as service:
        for number in range(25):
            await service.add_memory("u", said(str(number)), f"s{number % 3}")
        assert texts(await service.list_memory("u")) == [str(number) for number in range(10)]
        assert texts(await service.list_memory("u", {"page_num": 3})) == ["20", "21", "22", "23", "24"]
        assert texts(await service.list_memory("u", {"page_num": 2, "page_size": 3})) == ["3", "4", "5"]
        assert await service.list_memory("u", {"page_num": 9}) == []
        assert await service.list_memory("nobody") == []


@pytest.mark.parametrize("bad", [0, -1, "2", 1.5])
async def test_filters_are_numbers(keeping: Keeping, bad: Any) -> None:
    """Anything else is refused by name."""
    async with keeping.memories() as service:
        for name in ("page_num", "page_size"):
            with pytest.raises(InvalidOption, match=f"the filter {name} is"):
                await service.list_memory("u", {name: bad})
        with pytest.raises(InvalidOption, match="the filter top_k is"):
            await service.search_memory("u", said("x"), {"top_k": bad})


async def test_a_session_can_be_forgotten(keeping: Keeping) -> None:
    """What comes from it, and nothing else; without a session, everything about the user."""
    async with keeping.memories() as service:
        for session in ("s1", "s2", "s2 with more", None):
            await service.add_memory("u", said(str(session)), session)
        await service.add_memory("v", said("theirs"), "s1")
        await service.delete_memory("u", "s2")
        assert texts(await service.list_memory("u")) == ["s1", "s2 with more", "None"]
        await service.delete_memory("u", "")  # the session without a name, and not all of them
        assert texts(await service.list_memory("u")) == ["s1", "s2 with more"]
        await service.delete_memory("u")
        await service.delete_memory("u", "s1")
        assert await service.list_memory("u") == []
        assert texts(await service.list_memory("v")) == ["theirs"]


async def test_everything_can_be_forgotten(keeping: Keeping) -> None:
    """About a user, or about everybody."""
    async with keeping.memories() as service, keeping.histories() as histories:
        await histories.create_session("*", "stays")
        for user in ("*", "a", "b"):
            await service.add_memory(user, said(user))
        await service.delete_user_memory("*")
        assert [len(await service.list_memory(user)) for user in ("*", "a", "b")] == [0, 1, 1]
        await service.clear_all_memory()
        assert [len(await service.list_memory(user)) for user in ("*", "a", "b")] == [0, 0, 0]
        assert len(await histories.list_sessions("*")) == 1


async def test_fifty_at_once_lose_nothing(keeping: Keeping) -> None:
    """Of one user, from different sessions."""
    async with keeping.memories() as service:
        await asyncio.gather(*(service.add_memory("u", said(str(number)), f"s{number % 5}") for number in range(50)))
        listed = texts(await service.list_memory("u", {"page_size": 100}))
        assert sorted(map(str, listed)) == sorted(map(str, range(50)))


async def test_the_number_of_memories_is_bounded(keeping: Keeping) -> None:
    """The newest are kept."""
    async with keeping.memories(max_messages=2) as service:
        await service.add_memory("u", [said(str(number)) for number in range(5)])
        assert texts(await service.list_memory("u")) == ["3", "4"]


async def test_users_never_meet(keeping: Keeping) -> None:
    """Whatever their names look like."""
    users = sorted({user for user, _ in LOOKALIKES})
    async with keeping.memories() as service:
        await asyncio.gather(*(service.add_memory(user, said(f"secret of {user!r}")) for user in users))
        for user in users:
            assert texts(await service.search_memory(user, said("secret"))) == [f"secret of {user!r}"]


async def test_a_search_lets_others_have_their_turn(keeping: Keeping) -> None:
    """However much is remembered, the loop is not held up for all of it."""
    async with keeping.memories() as service:
        await service.add_memory("u", [said(f"fact {number}") for number in range(1000)])
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        found = await service.search_memory("u", said("fact"), {"top_k": 5})
        other.cancel()
        assert texts(found) == [f"fact {number}" for number in range(995, 1000)]
        assert turns >= 10


async def test_what_is_no_message_is_refused(keeping: Keeping) -> None:
    """By a typed error; of what was given with it, nothing is added."""
    async with keeping.memories() as service:
        with pytest.raises(NotStorable, match="this is no message"):
            await service.add_memory("u", [said("good"), "bad"])  # type: ignore[list-item]
        assert await service.list_memory("u") == []


async def test_a_service_that_does_not_run_says_so(keeping: Keeping) -> None:
    """Before the start and after the stop."""
    service = keeping.memories()
    assert not await service.health()
    with pytest.raises(RuntimeError, match="Service not started"):
        await service.add_memory("u", said("x"))
    async with service:
        assert await service.health()
    with pytest.raises(RuntimeError, match="Service not started"):
        await service.list_memory("u")
