"""What a model's answers cost, added up over a run."""

from __future__ import annotations

from typing import Any, cast

import pytest
from agentscope.message import Msg
from agentscope.model import ChatModelBase
from scripted_chat import ScriptedChat, Turn

from agentscope_runtime.adapters.agentscope.counting import CountingModel


@pytest.mark.parametrize("stream", [True, False])
async def test_every_answer_counts_once(stream: bool) -> None:
    """However many chunks it comes in: each has the usage of the whole so far."""
    model = CountingModel(ScriptedChat([Turn("a b c"), Turn("d")], stream))
    assert model.usage is None
    for _ in range(2):
        answer = await model([])
        if stream:
            assert len([chunk async for chunk in answer]) in (1, 3)
    assert model.usage == {"input_tokens": 20, "output_tokens": 2, "total_tokens": 22}


async def test_an_answer_that_is_broken_off_counts_as_far_as_it_came() -> None:
    """Whoever stops has paid, too."""
    model = CountingModel(ScriptedChat([Turn("a b c")]))
    answer = await model([])
    await anext(answer)
    await answer.aclose()
    assert model.usage == {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}


async def test_a_model_that_does_not_say_costs_nothing_known() -> None:
    """No usage is not a usage of zero."""

    class Silent(ChatModelBase):
        async def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return Msg("a", "b", "assistant")

    model = CountingModel(Silent("silent", stream=False))
    await model([])
    assert model.usage is None


def test_it_is_the_model_in_everything_else() -> None:
    """Agents read its attributes, and change them."""
    real = ScriptedChat([])
    model = CountingModel(real)
    cast(Any, model).stream = False
    assert real.stream is False and cast(Any, model).model_name == "scripted"
