"""The life of an application: stages entered in order, left in the opposite one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.lifespan import Lifespan, Stage, Told, around, kept
from agentscope_runtime.engine.services.base import Service

APP = FastAPI(title="Friday")


class Diary:
    """Writes down what happens in which order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage(self, name: str, *, fails: str = "", told: Told = None) -> Stage:
        """Make a stage that notes its coming and going, and fails at one of them if it is to."""

        @asynccontextmanager
        async def stage(app: FastAPI) -> AsyncIterator[Told]:
            self.lines.append(f"+{name}")
            if fails == "+":
                raise OSError(name)
            try:
                yield told
            finally:
                self.lines.append(f"-{name}")
            if fails == "-":
                raise OSError(name)

        return stage

    def service(self, *, fails: str = "", runs: bool = False) -> DiaryService:
        """Make a service that notes the same."""
        return DiaryService(self, fails, runs)


class DiaryService(Service):
    """A service that writes a diary."""

    def __init__(self, diary: Diary, fails: str, runs: bool) -> None:
        self._diary = diary
        self._fails = fails
        self._runs = runs

    async def start(self) -> None:
        """Begin."""
        self._diary.lines.append("start")
        if self._fails == "start":
            raise OSError("start")
        self._runs = True

    async def stop(self) -> None:
        """End."""
        self._diary.lines.append("stop")
        self._runs = False
        if self._fails == "stop":
            raise OSError("stop")

    async def health(self) -> bool:
        """Tell whether it runs."""
        return self._runs


@pytest.fixture
def diary() -> Diary:
    """An empty one."""
    return Diary()


async def test_stages_are_left_in_the_opposite_order(diary: Diary) -> None:
    """What was opened last is closed first; the phase tells where it is."""
    life = Lifespan([diary.stage("a"), diary.stage("b", told={"k": 1}), diary.stage("c")])
    assert str(life.phase) == "stopped"
    async with life(APP) as told:
        assert str(life.phase) == "ready"
        assert told == {"k": 1}
    assert diary.lines == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert str(life.phase) == "stopped"


async def test_a_life_can_be_lived_again(diary: Diary) -> None:
    """Tests start one application many times."""
    life = Lifespan([diary.stage("a")])
    for _ in range(2):
        async with life(APP):
            pass
    assert diary.lines == ["+a", "-a"] * 2


async def test_but_not_twice_at_once(diary: Diary) -> None:
    """Two servers over one application would run its hooks twice; the first goes on undisturbed."""
    life = Lifespan([diary.stage("a")])
    async with life(APP):
        with pytest.raises(InvalidOption, match="Friday is ready already"):
            async with life(APP):
                raise AssertionError
        assert str(life.phase) == "ready"


@pytest.mark.parametrize("failing", range(3))
async def test_a_stage_that_fails_to_open_fails_the_start(diary: Diary, failing: int) -> None:
    """Those before it are left, those after it never entered."""
    stages = [diary.stage(name, fails="+" if index == failing else "") for index, name in enumerate("abc")]
    life = Lifespan(stages)
    with pytest.raises(OSError, match="abc"[failing]):
        async with life(APP):
            raise AssertionError
    entered = "abc"[: failing + 1]
    assert diary.lines == [f"+{name}" for name in entered] + [f"-{name}" for name in reversed(entered[:-1])]
    assert str(life.phase) == "stopped"


async def test_a_stage_that_fails_to_close_does_not_keep_the_others_open(diary: Diary) -> None:
    """The failure comes out at the end, as the server is to hear of it."""
    life = Lifespan([diary.stage("a"), diary.stage("b", fails="-")])
    with pytest.raises(OSError, match="b"):
        async with life(APP):
            pass
    assert diary.lines[-2:] == ["-b", "-a"]
    assert str(life.phase) == "stopped"


async def test_phases_are_told_while_it_starts_and_stops() -> None:
    """Probes that come in between say the truth."""
    seen: list[str] = []

    @asynccontextmanager
    async def stage(app: FastAPI) -> AsyncIterator[None]:
        seen.append(str(life.phase))
        yield
        seen.append(str(life.phase))

    life = Lifespan([stage])
    async with life(APP):
        pass
    assert seen == ["starting", "stopping"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_hooks_may_be_plain_or_async(is_async: bool) -> None:
    """Both get the application, and may take whatever else there will be."""
    seen: list[Any] = []

    def note(app: FastAPI, **kwargs: Any) -> None:
        seen.append((app, kwargs))

    async def note_async(app: FastAPI, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        note(app, **kwargs)

    hook = note_async if is_async else note
    async with around(hook, hook, "it")(APP):
        assert seen == [(APP, {})]
    assert seen == [(APP, {})] * 2
    async with around(None, None, "it")(APP):
        pass


async def test_a_failure_before_the_start_fails_it_and_nothing_is_finished() -> None:
    """What `before_start` did not begin, `after_finish` is not to end."""

    def fail(app: FastAPI) -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        async with around(fail, pytest.fail, "it")(APP):
            raise AssertionError


async def test_endings_are_done_when_later_stages_fail(diary: Diary) -> None:
    """A lifespan that fails to open must not leave open what `before_start` opened."""
    before, after = (lambda app, line=line: diary.lines.append(line) for line in ("before", "after"))
    life = Lifespan([diary.stage("inner"), around(before, after, "it"), diary.stage("user", fails="+")])
    with pytest.raises(OSError, match="user"):
        async with life(APP):
            raise AssertionError
    assert diary.lines == ["+inner", "before", "+user", "after", "-inner"]


async def test_failures_of_endings_are_logged(diary: Diary, caplog: pytest.LogCaptureFixture) -> None:
    """A hook that fails at the end does not keep the services from being stopped, and is not forgotten."""

    def fail(app: FastAPI) -> None:
        raise OSError("no disk")

    async def make() -> DiaryService:
        return diary.service(fails="stop")

    app = FastAPI()
    life = Lifespan([kept("diary", make), around(None, fail, "after_finish")])
    with caplog.at_level(logging.ERROR):
        async with life(app):
            pass
    assert diary.lines == ["start", "stop"]
    logged = [record.message for record in caplog.records]
    assert logged == [
        "after_finish failed; the application ends all the same",
        "stopping diary failed; the application ends all the same",
    ]


async def test_a_cancelled_life_ends_in_order(diary: Diary) -> None:
    """A server that is cancelled still ends what it began."""
    life = Lifespan([diary.stage("inner"), around(None, lambda app: diary.lines.append("after"), "it")])
    lives = asyncio.Event()

    async def live() -> None:
        async with life(APP):
            lives.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(live())
    await lives.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert diary.lines == ["+inner", "after", "-inner"]


async def test_a_service_is_made_and_kept_for_one_life(diary: Diary) -> None:
    """It is on the application's state while that lives, and gone afterwards: the next life makes its own."""
    app = FastAPI()

    async def make() -> DiaryService:
        return diary.service()

    stage = kept("state_service", make)
    for _ in range(2):
        async with stage(app):
            assert await app.state.state_service.health()
        assert not hasattr(app.state, "state_service")
    assert diary.lines == ["start", "stop"] * 2


async def test_a_service_that_the_application_set_is_taken(diary: Diary) -> None:
    """It is started and stopped like one that the engine made, and stays where it is."""
    app = FastAPI()
    app.state.state_service = mine = diary.service()
    async with kept("state_service", pytest.fail)(app):
        assert diary.lines == ["start"]
    assert diary.lines == ["start", "stop"]
    assert app.state.state_service is mine


async def test_a_service_that_runs_already_is_left_alone(diary: Diary) -> None:
    """Whoever started it may need it longer."""
    app = FastAPI()
    app.state.state_service = diary.service(runs=True)
    async with kept("state_service", pytest.fail)(app):
        pass
    assert diary.lines == []
