"""Terminals in a real box: what is seen, typed and resized; several viewers; floods; and how they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from managers import eventually
from real_box import RealBox, stdout
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.docker

QUICK = "PS1='> '; bind 'set enable-bracketed-paste off'; clear\r"


@dataclass
class Seat:
    """One viewer, and what it was shown."""

    socket: ClientConnection
    shown: bytearray = field(default_factory=bytearray)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    async def until(self, text: str, within_s: float = 20) -> str:
        """Look until this is shown; return all that was shown up to then, and forget it."""
        wanted = text.encode()
        async with asyncio.timeout(within_s):
            while wanted not in self.shown[-100_000:]:
                await self._look()
        seen, self.shown = self.shown.decode(errors="replace"), bytearray()
        return seen

    async def ended(self) -> tuple[int, str]:
        """Look until it is closed; return code and reason."""
        try:
            async with asyncio.timeout(20):
                while True:
                    await self._look()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, closed.rcvd.reason

    async def type(self, keys: str) -> None:
        """Type."""
        await self.socket.send(keys.encode())

    async def _look(self) -> None:
        message = await self.socket.recv()
        if isinstance(message, str):
            size = json.loads(message)
            self.sizes.append((size["columns"], size["rows"]))
        else:
            self.shown += message


def start(box: RealBox, **wishes: object) -> str:
    """Start a terminal and return its id."""
    answer = box.http.post("/terminals", json=wishes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["terminal_id"])


@asynccontextmanager
async def seated(box: RealBox, terminal_id: str) -> AsyncIterator[Seat]:
    """Look at a terminal."""
    url = f"{box.base_url.replace('http', 'ws', 1)}/terminals/{terminal_id}/socket"
    headers = {"Authorization": f"Bearer {box.token}"}
    async with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
        yield Seat(socket)


async def test_a_shell_in_a_terminal(shared_box: RealBox) -> None:
    """It is an interactive bash of the user land, with colours, its folder, its size, and keys that interrupt."""
    async with seated(shared_box, start(shared_box, columns=100, rows=30, cwd="/tmp")) as seat:
        await seat.type(QUICK + "tty; echo $TERM; stty size; pwd; echo $((40+2))\r")
        seen = await seat.until("42")
        assert "/dev/pts/" in seen and "xterm-256color" in seen and "30 100" in seen and "/tmp" in seen
        assert seat.sizes == [(100, 30)]
        await seat.socket.send(json.dumps({"columns": 120, "rows": 40}))
        await seat.type("stty size\r")
        await seat.until("40 120")
        await seat.type("sleep 4444\r")
        eventually(lambda: stdout(shared_box.shell("pgrep -fc '^sleep 4444'")) == "1\n", 5, "it sleeps")
        await seat.type("\x03")
        await seat.type("echo in''terrupted\r")
        await seat.until("interrupted")
        await seat.type("exit 3\r")
        assert await seat.ended() == (4001, "The program has ended (exit code 3).")


async def test_viewers_see_the_same(shared_box: RealBox) -> None:
    """Who comes later sees what was there, then both see what either types; the size is everybody's."""
    terminal_id = start(shared_box)
    async with seated(shared_box, terminal_id) as one:
        await one.type(QUICK + "echo fir''st\r")
        await one.until("first")
        async with seated(shared_box, terminal_id) as two:
            await two.until("first")
            await two.type("echo sec''ond\r")
            await asyncio.gather(one.until("second"), two.until("second"))
            assert shared_box.http.get(f"/terminals/{terminal_id}").json()["viewers"] == 2
            await two.socket.send(json.dumps({"columns": 61, "rows": 17}))
            await two.type("stty size\r")
            await asyncio.gather(one.until("17 61"), two.until("17 61"))
        assert (one.sizes[-1], two.sizes[-1]) == ((61, 17), (61, 17))
    assert shared_box.http.delete(f"/terminals/{terminal_id}").status_code == 204


async def test_it_runs_on_when_nobody_looks(shared_box: RealBox) -> None:
    """The main terminal is the same for whoever asks for it, until its program has ended."""
    first = shared_box.http.put("/terminals/main", json={}).json()
    async with seated(shared_box, "main") as seat:
        await seat.type(QUICK + "left=here\r")
        await seat.until("left=here")
    assert shared_box.http.put("/terminals/main", json={}).json()["pid"] == first["pid"]
    async with seated(shared_box, "main") as seat:
        await seat.type("echo $left-again\r")
        await seat.until("here-again")
        await seat.type("exit\r")
        assert (await seat.ended())[0] == 4001
    async with seated(shared_box, "main") as seat:  # its last words are there, and why there are no more
        assert (await seat.ended())[0] == 4001
        assert b"here-again" in seat.shown
    second = shared_box.http.put("/terminals/main", json={}).json()
    assert (second["state"], second["pid"] != first["pid"]) == ("running", True)
    shared_box.http.delete("/terminals/main")


async def test_a_flood_reaches_every_viewer_who_takes_it(shared_box: RealBox) -> None:
    """One who says what they have taken gets all of it; one who takes nothing holds nobody up for long."""
    terminal_id = start(
        shared_box, command="read go; stty raw; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo over"
    )
    async with seated(shared_box, terminal_id) as idle, seated(shared_box, terminal_id) as seat:
        await idle.socket.send(json.dumps({"taken": 0}))
        await seat.type("\r")
        assert (await seat.ended())[0] == 4001
        assert seat.shown.count(b"x") == 5_000_000 and b"over" in seat.shown


async def test_a_command_with_colours_ends_with_all_it_started(shared_box: RealBox) -> None:
    """A terminal of a command of one's own; removing it kills what runs in it, and tells the viewers."""
    terminal_id = start(shared_box, command="echo $TERM $MINE; sleep 4445 & sleep 4445", environment={"MINE": "grün"})
    async with seated(shared_box, terminal_id) as seat:
        assert "xterm-256color grün" in await seat.until("grün")
        assert shared_box.http.delete(f"/terminals/{terminal_id}").status_code == 204
        assert (await seat.ended())[0] == 4001
    assert stdout(shared_box.shell("pgrep -fc '^sleep 4445'")) == "0\n"
    assert shared_box.http.get(f"/terminals/{terminal_id}").json()["code"] == "command_not_found"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"columns": 0}, "'columns' must be 2 or more"),
        ({"rows": "x"}, "'rows' must be an integer"),
        ({"cwd": "/nowhere"}, "there is no folder '/nowhere'"),
        ({"shell": "zsh"}, "'shell' is unknown"),
    ],
)
def test_what_is_wrong_is_named(shared_box: RealBox, body: dict[str, object], reason: str) -> None:
    """A terminal that cannot be is refused, with what is wrong with it."""
    answer = shared_box.http.post("/terminals", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert reason in answer.json()["detail"]
    assert shared_box.http.put("/terminals/a%20b", json={}).status_code == 422


@pytest.mark.parametrize("words", ["no JSON", "[]", '{"columns": 1}', '{"rows": 1e9}', '{"taken": -1}', '{"other": 1}'])
async def test_words_that_make_no_sense_end_the_visit(shared_box: RealBox, words: str) -> None:
    """With a reason, and only that visit: the terminal goes on."""
    terminal_id = start(shared_box)
    async with seated(shared_box, terminal_id) as seat:
        await seat.socket.send(words)
        code, reason = await seat.ended()
        assert code == 1003 and reason
    assert shared_box.http.get(f"/terminals/{terminal_id}").json()["state"] == "running"
    shared_box.http.delete(f"/terminals/{terminal_id}")
