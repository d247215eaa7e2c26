"""Any sequence of Msgs, as hypothesis makes them up."""

from __future__ import annotations

from typing import Any

from agentscope.message import Msg
from growing_msgs import call, picture, read, result, text, thought
from hypothesis import given, settings
from hypothesis import strategies as st

BLOCKS = st.one_of(
    st.builds(text, st.text(max_size=6)),
    st.builds(thought, st.text(max_size=6)),
    st.builds(call, st.sampled_from(["", "1", "2"]), raw_input=st.text(max_size=4)),
    st.builds(call, st.sampled_from(["1", "2"]), input=st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)),
    st.builds(call, st.just("3"), tool_type=st.just("mcp")),
    st.builds(
        result, st.one_of(st.text(max_size=4), st.lists(st.just(picture()) | st.builds(text, st.text()))), st.just("3")
    ),
    st.just(picture()),
    st.just({"type": "audio", "source": {"type": "url", "url": "http://a/b.wav"}}),
    st.just({"type": "card"}),
)


@st.composite
def outputs(draw: st.DrawFn) -> list[Any]:
    """Make Msgs of a few ids in any order, with content that grows, shrinks or changes."""
    made: list[Any] = []
    for _ in range(draw(st.integers(0, 8))):
        msg = Msg(
            "a",
            draw(st.text(max_size=8) | st.lists(BLOCKS, max_size=4)),
            draw(st.sampled_from(["user", "assistant", "system"])),
        )
        msg.id = draw(st.sampled_from("xyz"))
        made.append(draw(st.sampled_from([msg, (msg, True), (msg, False), (msg, False), "bare"])))
    return made


@settings(max_examples=400, deadline=None)
@given(outputs())
def test_no_sequence_of_msgs_breaks_the_stream(made: list[Any]) -> None:
    """Whatever agents do, clients read a stream in which everything that begins ends."""
    read(*made)
