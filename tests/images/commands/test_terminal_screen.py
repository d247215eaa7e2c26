"""Who waits for whom at a terminal, and what a late viewer is shown, without a program behind it."""

from __future__ import annotations

import asyncio

from sandbox_server.commands.terminal_screen import AHEAD, CHUNK, KEPT, REPLAY, RESET, Screen, Viewer


def drained(viewer: Viewer) -> bytes:
    """Take all that there is for a viewer, and say so."""
    data = b""
    while piece := viewer.next():
        data += piece
        viewer.sent()
    return data


def write(screen: Screen, data: bytes) -> None:
    """Let a program write."""
    for begin in range(0, len(data), CHUNK):
        screen.add(data[begin : begin + CHUNK])


async def test_a_late_viewer_sees_the_end_of_the_past() -> None:
    """From the beginning of a line where something is left out, all of it where nothing is."""
    screen = Screen(lambda _: None)
    write(screen, b"short\n")
    with screen.viewed() as viewer:
        assert drained(viewer) == b"short\n"
    write(screen, b"0123456789\n" * 100_000)
    with screen.viewed() as viewer:
        data = drained(viewer)
        assert REPLAY - 20 < len(data) <= REPLAY
        assert data.startswith(b"0123456789\n") and data.endswith(b"0123456789\n")
    assert screen.kept <= KEPT


async def test_a_viewer_who_is_behind_holds_the_program_up() -> None:
    """Until it has taken enough; and a viewer who leaves holds nobody up."""
    held: list[bool] = []
    screen = Screen(held.append)
    with screen.viewed() as viewer:
        write(screen, b"x" * (AHEAD + CHUNK))
        assert held == [True]
        assert len(drained(viewer)) == AHEAD + CHUNK
        assert held == [True, False]
        write(screen, b"x" * (AHEAD + CHUNK))
        assert held == [True, False, True]
    assert held == [True, False, True, False]


async def test_a_viewer_who_confirms_is_sent_no_more_than_it_can_show() -> None:
    """From its first word on only its word counts."""
    screen = Screen(lambda _: None)
    with screen.viewed() as viewer:
        viewer.confirm(0)
        write(screen, b"x" * (3 * CHUNK))
        sent = len(drained(viewer))
        assert AHEAD < sent <= AHEAD + CHUNK
        viewer.confirm(sent)
        assert sent + len(drained(viewer)) == 3 * CHUNK
        viewer.confirm(10**9)
        assert viewer.behind == 0


async def test_who_sleeps_holds_nobody_up_and_is_shown_the_screen_anew() -> None:
    """Two seconds without a sign are enough; what was dropped meanwhile is made up by what is kept."""
    held: list[bool] = []
    waited = asyncio.Event()

    def hold(wait: bool) -> None:
        held.append(wait)
        if not wait:
            waited.set()

    screen = Screen(hold)
    with screen.viewed() as viewer:
        viewer.confirm(0)
        write(screen, b"a" * (AHEAD + CHUNK))
        shown = drained(viewer)
        write(screen, b"b" * CHUNK)
        async with asyncio.timeout(5):
            await waited.wait()
        assert (viewer.asleep, held) == (True, [True, False])
        write(screen, b"c\n" * KEPT)
        assert held == [True, False] and viewer.next() == b""
        viewer.confirm(len(shown))
        assert viewer.behind > 0
        again = drained(viewer)
        assert again.startswith(RESET + b"c\n") and not again.count(b"a")


async def test_waiting_ends_with_a_change() -> None:
    """Or with patience."""
    screen = Screen(lambda _: None)
    waiting = asyncio.create_task(screen.change(60))
    await asyncio.sleep(0)
    screen.add(b"x")
    async with asyncio.timeout(5):
        await waiting
    await screen.change(0.01)
