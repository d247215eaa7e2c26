"""The filter for viewers that may only watch: what they need passes, what would change anything never does."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentscope_runtime.sandbox_manager.api.rfb import ProtocolViolation, WatchOnly

VERSION = b"RFB 003.008\n"
HELLO = VERSION + b"\x01\x01"


def sized(length: int) -> st.SearchStrategy[bytes]:
    """Make exactly so many bytes."""
    return st.binary(min_size=length, max_size=length)


def u16(number: int) -> bytes:
    """Encode as RFB does."""
    return number.to_bytes(2, "big")


PASSED = st.one_of(
    sized(19).map(lambda rest: b"\x00" + rest),
    st.lists(sized(4), max_size=40).map(lambda codes: b"\x02\x00" + u16(len(codes)) + b"".join(codes)),
    sized(9).map(lambda rest: b"\x03" + rest),
    sized(9).map(lambda rest: b"\x96" + rest),
    st.tuples(sized(7), st.binary(max_size=64)).map(
        lambda fence: b"\xf8" + fence[0] + bytes([len(fence[1])]) + fence[1]
    ),
)
DROPPED = st.one_of(
    sized(7).map(lambda rest: b"\x04" + rest),
    sized(5).map(lambda rest: b"\x05" + rest),
    st.binary(max_size=300).map(lambda text: b"\x06\x00\x00\x00" + len(text).to_bytes(4, "big") + text),
    st.binary(min_size=4, max_size=300).map(
        lambda text: b"\x06\x00\x00\x00" + (-len(text)).to_bytes(4, "big", signed=True) + text
    ),
    st.lists(sized(16), max_size=4).map(
        lambda screens: b"\xfb\x00\x05\x00\x04\x00" + bytes([len(screens), 0]) + b"".join(screens)
    ),
    sized(10).map(lambda rest: b"\xff\x00" + rest),
    sized(3).map(lambda rest: b"\xfa" + rest),
    st.just(b"\xff\x01\x00\x00"),
    sized(6).map(lambda rest: b"\xff\x01\x00\x02" + rest),
)


def fed(filter_: WatchOnly, stream: bytes, cuts: list[int]) -> bytes:
    """Feed a stream, cut at these places."""
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    return b"".join(filter_.feed(stream[begin:end]) for begin, end in itertools.pairwise(places))


@given(
    messages=st.lists(st.tuples(st.booleans(), PASSED, DROPPED), max_size=12),
    cuts=st.lists(st.integers(0, 2000), max_size=30),
)
def test_exactly_the_harmless_messages_pass(messages: list[tuple[bool, bytes, bytes]], cuts: list[int]) -> None:
    """However the stream is cut into frames, what comes out is the harmless messages, whole and in order."""
    stream = HELLO + b"".join(good if harmless else bad for harmless, good, bad in messages)
    expected = HELLO + b"".join(good for harmless, good, _ in messages if harmless)
    assert fed(WatchOnly(), stream, cuts) == expected


LENGTHS = {0: 20, 3: 10, 150: 10}


def only_harmless(stream: bytes) -> bool:
    """Read the stream as the desktop would: is it a row of whole harmless messages?"""
    while stream:
        kind = stream[0]
        if kind in LENGTHS:
            length = LENGTHS[kind]
        elif kind == 2:
            length = 4 + 4 * int.from_bytes(stream[2:4], "big")
        elif kind == 248:
            length = 9 + stream[8]
        else:
            return False
        if len(stream) < length:
            return False
        stream = stream[length:]
    return True


@given(noise=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=20))
def test_no_bytes_smuggle_anything_past(noise: bytes, cuts: list[int]) -> None:
    """Whatever a viewer makes up, the desktop sees harmless messages only."""
    filter_, passed = WatchOnly(), b""
    places = sorted({min(cut, len(noise)) for cut in cuts} | {0, len(noise)})
    passed += filter_.feed(HELLO)
    try:
        for begin, end in itertools.pairwise(places):
            passed += filter_.feed(noise[begin:end])
    except ProtocolViolation:
        pass
    assert only_harmless(passed.removeprefix(HELLO))


@given(stream=st.binary(max_size=100).filter(lambda stream: not stream.startswith(VERSION[:10])))
def test_a_stream_that_is_no_rfb_gets_nothing_through(stream: bytes) -> None:
    """What does not begin with a version ends the connection as soon as there is enough of it to tell."""
    if len(stream) < len(VERSION):
        assert WatchOnly().feed(stream) == b""
    else:
        with pytest.raises(ProtocolViolation):
            WatchOnly().feed(stream)


def test_a_viewer_cannot_throw_out_the_others() -> None:
    """A ClientInit that asks for the desktop alone is changed into one that shares it."""
    assert WatchOnly().feed(VERSION + b"\x01\x00") == VERSION + b"\x01\x01"


@pytest.mark.parametrize(
    "words",
    [
        b"RFB 003.003\n",
        b"GET / HTTP/1",
        VERSION + b"\x02",
        HELLO + b"\x07",
        HELLO + b"\xff\x09",
        HELLO + b"\xf8" + bytes(7) + b"\x41",
    ],
    ids=["old version", "no RFB", "password", "unknown message", "unknown QEMU message", "long fence"],
)
def test_unknown_words_end_the_connection(words: bytes) -> None:
    """What the filter does not understand, it does not guess."""
    with pytest.raises(ProtocolViolation):
        WatchOnly().feed(words)


def test_a_huge_clipboard_is_never_held() -> None:
    """Two gibibytes that are announced are skipped as they come, and what follows them is read."""
    filter_ = WatchOnly()
    filter_.feed(HELLO)
    assert filter_.feed(b"\x06\x00\x00\x00\x7f\xff\xff\xff") == b""
    chunk = bytes(1 << 20)
    for _ in range(2047):
        assert filter_.feed(chunk) == b""
    assert len(filter_._buffer) == 0
    request = b"\x03" + bytes(9)
    assert filter_.feed(bytes((1 << 20) - 1) + request) == request
