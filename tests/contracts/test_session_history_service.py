"""What every service for the histories of sessions promises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from keeping import LOOKALIKES, Keeping

from agentscope_runtime.engine.errors import InvalidOption, NotStorable
from agentscope_runtime.engine.schemas.agent_schemas import DataContent, ImageContent, Message, MessageType, TextContent
from agentscope_runtime.engine.schemas.session import Session
from agentscope_runtime.engine.services.session_history import SessionHistoryService


def said(text: str) -> Message:
    """Make a message of a user."""
    return Message(role="user", content=[TextContent(text=text)])


async def texts(service: SessionHistoryService, user: str = "u", session: str = "s") -> list[str | None]:
    """Return what was said in a session."""
    found = await service.get_session(user, session)
    return [] if found is None else [message.get_text_content() for message in found.messages]


async def test_a_session_is_created_once(keeping: Keeping) -> None:
    """Creating it again gives it as it is: of two requests that come first, none wipes out the other's message."""
    async with keeping.histories() as service:
        session = await service.create_session("u", "s")
        assert session == Session(id="s", user_id="u", messages=[])
        await service.append_message(session, said("hello"))
        again = await service.create_session("u", "s")
        assert [message.get_text_content() for message in again.messages] == ["hello"]


@pytest.mark.parametrize("none", [None, "", "  "])
async def test_a_session_without_a_name_gets_one(keeping: Keeping, none: str | None) -> None:
    """And each a different one."""
    async with keeping.histories() as service:
        first, second = await service.create_session("u", none), await service.create_session("u", none)
        assert first.id.strip()
        assert first.id != second.id
        assert [session.id for session in await service.list_sessions("u")] == [first.id, second.id]


async def test_messages_are_appended_in_any_form(keeping: Keeping) -> None:
    """Objects and dicts, one or many; what is kept are messages, and the given session has them, too."""
    async with keeping.histories() as service:
        session = await service.create_session("u", "s")
        await service.append_message(session, said("object"))
        await service.append_message(session, {"role": "user", "content": [{"type": "text", "text": "dict"}]})
        await service.append_message(session, [said("list"), None, {"role": "assistant", "content": "plain"}])
        await service.append_message(session, None)
        await service.append_message(session, [])
        kept = await service.get_session("u", "s")
        assert kept is not None
        assert await texts(service) == ["object", "dict", "list", "plain"]
        assert all(isinstance(message, Message) for message in kept.messages)
        assert session.messages == kept.messages


async def test_a_message_is_kept_whole(keeping: Keeping) -> None:
    """Its id, its parts of every kind, its metadata and its usage."""
    message = Message(
        type=MessageType.PLUGIN_CALL,
        role="assistant",
        content=[
            DataContent(data={"call_id": "1", "name": "browse", "arguments": '{"url": "深"}'}, index=0),
            ImageContent(image_url="data:image/png;base64,AAAA"),
        ],
        metadata={"original_id": "x", "deep": [1, None, {"a": True}]},
        usage={"total_tokens": 3},
    ).completed()
    async with keeping.histories() as service:
        await service.append_message(Session(id="s", user_id="u"), message)
        kept = await service.get_session("u", "s")
        assert kept is not None
        assert kept.messages == [message]


async def test_what_is_kept_is_a_copy(keeping: Keeping) -> None:
    """Neither the message that was given nor the session that was taken out leads back into the service."""
    async with keeping.histories() as service:
        session, message = await service.create_session("u", "s"), said("as it was")
        await service.append_message(session, message)
        message.content = [TextContent(text="changed")]
        taken = await service.get_session("u", "s")
        assert taken is not None
        taken.messages.clear()
        assert await texts(service) == ["as it was"]


async def test_appending_needs_no_creating(keeping: Keeping) -> None:
    """A session that is not there, or no longer, begins with what is said in it."""
    async with keeping.histories() as service:
        session = Session(id="s", user_id="u")
        await service.append_message(session, said("one"))
        await service.delete_session("u", "s")
        await service.append_message(session, said("two"))
        assert await texts(service) == ["two"]


async def test_sessions_are_listed_without_messages(keeping: Keeping) -> None:
    """A user's own, the one not used for longest first."""
    async with keeping.histories() as service:
        for name in ("a", "b", "c"):
            await service.append_message(Session(id=name, user_id="u"), said("x"))
        await service.append_message(Session(id="a", user_id="u"), said("y"))
        await service.append_message(Session(id="d", user_id="other"), said("z"))
        assert await service.list_sessions("u") == [Session(id=name, user_id="u", messages=[]) for name in "bca"]
        assert await service.list_sessions("nobody") == []


async def test_a_deleted_session_is_gone(keeping: Keeping) -> None:
    """Only that one; deleting nothing is fine."""
    async with keeping.histories() as service:
        for name in ("a", "b"):
            await service.append_message(Session(id=name, user_id="u"), said(name))
        await service.delete_session("u", "a")
        await service.delete_session("u", "a")
        await service.delete_session("nobody", "b")
        assert [session.id for session in await service.list_sessions("u")] == ["b"]
        assert await texts(service, session="a") == []
        assert await texts(service, session="b") == ["b"]


async def test_all_sessions_of_a_user_can_be_deleted(keeping: Keeping) -> None:
    """A user who is called `*` is no other user."""
    async with keeping.histories() as service:
        for user in ("*", "a", "?"):
            for name in ("1", "2"):
                await service.append_message(Session(id=name, user_id=user), said(user))
        await service.delete_user_sessions("*")
        await service.delete_user_sessions("nobody")
        assert [len(await service.list_sessions(user)) for user in ("*", "a", "?")] == [0, 2, 2]


async def test_messages_can_be_taken_out(keeping: Keeping) -> None:
    """By their ids; the others stay in their order, and the session stays though nothing may be left."""
    async with keeping.histories() as service:
        messages = [said(str(number)) for number in range(5)]
        messages[3].id = "an id: with {odd} *signs* \n and spaces"
        await service.append_message(Session(id="s", user_id="u"), messages)
        assert await service.delete_messages("u", "s", [messages[1].id, messages[3].id, "never there"]) == 2
        assert await texts(service) == ["0", "2", "4"]
        assert await service.delete_messages("u", "s", []) == 0
        assert await service.delete_messages("u", "none", ["x"]) == 0
        assert await service.delete_messages("u", "s", [message.id for message in messages]) == 3
        assert [session.id for session in await service.list_sessions("u")] == ["s"]


async def test_fifty_appends_at_once_lose_nothing(keeping: Keeping) -> None:
    """What is given together stays together, whoever else appends, and whoever takes something out."""
    async with keeping.histories() as service:
        session = await service.create_session("u", "s")
        victims = [said("victim") for _ in range(10)]
        await service.append_message(session, victims)
        appends = (service.append_message(session, [said(f"{n}"), said(f"{n}!")]) for n in range(50))
        removals = (service.delete_messages("u", "s", [victim.id]) for victim in victims)
        results = await asyncio.gather(*appends, *removals)
        assert results[50:] == [1] * 10
        kept = await texts(service)
        assert len(kept) == 100
        assert {(kept[at], kept[at + 1]) for at in range(0, 100, 2)} == {(f"{n}", f"{n}!") for n in range(50)}
        assert len(session.messages) == 110


async def test_the_number_of_messages_is_bounded(keeping: Keeping) -> None:
    """The newest are kept."""
    async with keeping.histories(max_messages_per_session=3) as service:
        session = await service.create_session("u", "s")
        await service.append_message(session, [said(str(number)) for number in range(5)])
        await service.append_message(session, said("5"))
        assert await texts(service) == ["3", "4", "5"]
    async with keeping.histories(max_messages_per_session=None) as service:
        await service.append_message(Session(id="long", user_id="u"), [said("x")] * 2500)
        assert len(await texts(service, session="long")) == 2500
    with pytest.raises(InvalidOption, match="at least 1"):
        keeping.histories(max_messages_per_session=0)


async def test_users_and_sessions_never_meet(keeping: Keeping) -> None:
    """Whatever their names look like, written at once."""
    async with keeping.histories() as service:
        await asyncio.gather(
            *(
                service.append_message(Session(id=session, user_id=user), said(repr((user, session))))
                for user, session in LOOKALIKES
            )
        )
        for user, session in LOOKALIKES:
            assert await texts(service, user, session) == [repr((user, session))]
            own = {name for whose, name in LOOKALIKES if whose == user}
            assert {one.id for one in await service.list_sessions(user)} == own


@pytest.mark.parametrize("bad", ["text", 7, {"content": [{"type": "smell"}]}, {"content": 5}])
async def test_what_is_no_message_is_refused(keeping: Keeping, bad: Any) -> None:
    """By a typed error; of what was given with it, nothing is added."""
    async with keeping.histories() as service:
        session = await service.create_session("u", "s")
        with pytest.raises(NotStorable, match="this is no message"):
            await service.append_message(session, [said("good"), bad])
        unspeakable = Message(role="user", metadata={"x": object()})
        with pytest.raises(NotStorable, match="is not JSON"):
            await service.append_message(session, [said("good"), unspeakable])
        assert await texts(service) == []
        assert session.messages == []


async def test_a_session_that_is_not_there(keeping: Keeping) -> None:
    """In memory it begins when it is asked for, as it always did; elsewhere there is none."""
    async with keeping.histories() as service:
        found = await service.get_session("u", "new")
        if keeping.redis is None:
            assert found == Session(id="new", user_id="u")
        else:
            assert found is None
        assert len(await service.list_sessions("u")) == (1 if keeping.redis is None else 0)


async def test_a_service_that_does_not_run_says_so(keeping: Keeping) -> None:
    """Before the start and after the stop."""
    service = keeping.histories()
    assert not await service.health()
    with pytest.raises(RuntimeError, match="Service not started"):
        await service.create_session("u")
    async with service:
        assert await service.health()
    with pytest.raises(RuntimeError, match="Service not started"):
        await service.list_sessions("u")
