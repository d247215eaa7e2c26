"""The desktops that users' programs make: when they start, what keeps them, and the ways out that must stay closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser_box import text_of
from gui_box import GuiBox
from managers import eventually
from real_box import RealBox, real_box, stderr, stdout
from rfb_viewer import viewer

from agentscope_runtime.sandbox_manager.backends import DESKTOP_PORT

pytestmark = pytest.mark.docker

XVNC = ("pgrep", "-fo", "^Xvnc")
CHROMIUM = ("pgrep", "-of", "^/usr/lib/chromium/chromium --user-data-dir")
DRAW = """
import socket, struct, sys
cookie = open("/tmp/.X11-unix/cookie", "rb").read()[-16:]
client = socket.socket(socket.AF_UNIX)
client.connect("/tmp/.X11-unix/X1")
name = b"MIT-MAGIC-COOKIE-1"
shown = cookie if sys.argv[1:] != ["wrong"] else bytes(16)
client.sendall(b"l\\0" + struct.pack("<HHHHxx", 11, 0, len(name), 16) + name + b"\\0\\0" + shown)
print("in" if client.recv(8)[0] == 1 else "out")
"""


@pytest.fixture(scope="module")
def watched() -> Iterator[RealBox]:
    """A filesystem box."""
    with real_box("filesystem") as box:
        yield box


def desktop_url(box: RealBox) -> str:
    """Return the address of a desktop's WebSocket."""
    return f"ws://{box.host}:{DESKTOP_PORT}/websockify"


def programs(box: RealBox) -> set[str]:
    """Return the names of what runs in a container."""
    return set(box.outside("ps", "-eo", "comm=").split())


def test_nothing_of_a_desktop_runs_before_somebody_watches(watched: RealBox) -> None:
    """An idle filesystem box is a base box; announced, a viewer sees files of the workspace, and again at once."""
    assert not programs(watched) & {"Xvnc", "openbox", "pcmanfm"}
    assert watched.http.get("/screen").json() == {"width": 1280, "height": 800}
    assert watched.http.put("/screen", json={"width": 1440, "height": 900}).status_code == 200
    assert "Xvnc" not in programs(watched), "a size is no reason to start"
    assert watched.http.post("/desktop", timeout=30).status_code == 204
    assert {"Xvnc", "openbox", "pcmanfm"} <= programs(watched)
    with viewer(desktop_url(watched), watched.token) as watching:
        assert (watching.width, watching.height) == (1440, 900)
        eventually(lambda: watching.screen().getpixel((720, 600)) == (255, 255, 255), 10, "a window shows the files")
    assert watched.http.post("/desktop", timeout=5).status_code == 204


def test_programs_that_end_are_started_again(watched: RealBox) -> None:
    """Window manager and file manager, also when the user's code ends them all."""
    assert watched.http.post("/desktop", timeout=30).status_code == 204
    before = watched.outside("pgrep", "-o", "openbox")
    watched.shell("pkill openbox; pkill pcmanfm")

    def back() -> bool:
        return {"openbox", "pcmanfm"} <= programs(watched) and watched.outside("pgrep", "-o", "openbox") != before

    eventually(back, 15, "they run again")


def test_the_users_programs_draw_with_a_cookie_of_their_own(gui: GuiBox) -> None:
    """Found where the environment says; without it, the screen lets nobody in."""
    gui.http.put("/files/content", params={"path": "draw.py"}, content=DRAW).raise_for_status()
    assert gui.text("python3 draw.py") == "in"
    assert gui.text("python3 draw.py wrong") == "out"
    assert gui.text("echo $DISPLAY $XAUTHORITY") == ":1 /tmp/.X11-unix/cookie"
    ours = gui.outside("sha256sum", "/run/desktop/cookie").split()[0]
    assert gui.text("sha256sum $XAUTHORITY").split()[0] != ours


def test_nobody_is_taken_for_the_screen(gui: GuiBox) -> None:
    """Socket, cookie and folder cannot be replaced by the user, and the name that programs try first is held."""
    for command in ("rm -f /tmp/.X11-unix/X1", "mv /tmp/.X11-unix /tmp/aside", "touch /tmp/.X11-unix/X2"):
        assert gui.shell(command)["isError"], command
    assert gui.text("echo >/tmp/.X11-unix/cookie; stat -c %s /tmp/.X11-unix/cookie") == "44"
    take = "import socket; socket.socket(socket.AF_UNIX).bind('\\0/tmp/.X11-unix/X1')"
    assert "Address already in use" in stderr(gui.shell(f'python3 -c "{take}"'))
    take = take.replace("/tmp/.X11-unix/X1", "agentscope/web-browser")
    assert "Address already in use" in stderr(gui.shell(f'python3 -c "{take}"'))


def test_the_secrets_of_the_desktop_stay_hidden(gui: GuiBox) -> None:
    """The user sees the screen's socket, and nothing else of what is in the server's and the desktop's folders."""
    for place in ("/run/box", "/run/desktop"):
        assert stdout(gui.shell(f"ls -A {place} 2>&1")) == f"ls: cannot open directory '{place}': Permission denied\n"
    search = ["grep", "-rslF", gui.token, "/run", "/tmp", "/home", "/workspace", "/etc", "/var", "/dev/shm"]
    assert gui.container.exec_run(search, user="1000")[1] == b""


def test_the_x_server_is_apart_from_the_box(gui: GuiBox) -> None:
    """Taken over by a program that it serves, it would find no process, no secret and no capability."""
    pid = gui.outside(*XVNC).split()[0]
    own = gui.outside("pgrep", "-P", pid).split()[0] if "unshare" in gui.outside("cat", f"/proc/{pid}/comm") else pid
    spaces = [gui.outside("readlink", f"/proc/{own}/ns/{kind}") for kind in ("pid", "mnt", "user", "ipc")]
    outside = [gui.outside("readlink", f"/proc/self/ns/{kind}") for kind in ("pid", "mnt", "user", "ipc")]
    assert not set(spaces) & set(outside)
    status = dict(
        line.split(":\t", 1) for line in gui.outside("cat", f"/proc/{own}/status").splitlines() if ":\t" in line
    )
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    mounts = {line.split()[4]: line.split()[5] for line in gui.outside("cat", f"/proc/{own}/mountinfo").splitlines()}
    assert mounts["/run/box"].startswith("ro") and mounts["/run/desktop"].startswith("ro")


def test_what_the_desktop_starts_is_in_the_user_land(gui: GuiBox) -> None:
    """Window manager, panel, and file manager, with what their keys and configurations start."""
    land = gui.text("readlink /proc/self/ns/pid")
    for program in ("openbox", "tint2", "pcmanfm"):
        pid = gui.outside("pgrep", "-o", program).split()[0]
        assert gui.outside("readlink", f"/proc/{pid}/ns/pid").strip() == land, program


def test_chromium_opens_what_it_is_asked_for(gui: GuiBox) -> None:
    """A file of the workspace, from the user land; out of its reach it keeps its own sandbox; then a second window."""
    page = "<title>mine</title><body style='background: rgb(12, 200, 99)'>"
    gui.http.put("/files/content", params={"path": "page.html"}, content=page).raise_for_status()
    assert gui.shell("web-browser page.html", timeout=40)["isError"] is False
    eventually(lambda: gui.picture().getpixel((640, 500)) == (12, 200, 99), 20, "the page is on the screen")
    pid = gui.outside(*CHROMIUM).split()[0]
    assert gui.outside("readlink", f"/proc/{pid}/ns/pid").strip() != gui.text("readlink /proc/self/ns/pid")
    assert "--no-sandbox" not in gui.outside("cat", f"/proc/{pid}/cmdline")
    gui.use("key", text="ctrl+w")  # the last tab, so the browser
    eventually(lambda: gui.container.exec_run(list(CHROMIUM))[0] != 0, 10, "it ended with its last window")
    assert gui.shell("xdg-open page.html || chromium page.html", timeout=40)["isError"] is False
    eventually(lambda: gui.picture().getpixel((640, 500)) == (12, 200, 99), 20, "it is there again")


@pytest.mark.parametrize(
    "line",
    ["javascript:alert(1)", "--no-sandbox", "chrome://settings", "data:text/html,x", "http://" + "a" * 9000, "\\xff"],
)
def test_a_line_is_an_address_or_refused(gui: GuiBox, line: str) -> None:
    """Who speaks to the launcher directly gets a reason, and nothing is started by it."""
    ask = (
        "import socket; c = socket.socket(socket.AF_UNIX); c.connect('\\0agentscope/web-browser'); "
        f"c.sendall(b'{line}\\n'); print(c.makefile(errors='replace').read())"
    )
    answer = text_of(gui.call("run_ipython_cell", code=ask))
    assert "it opens addresses that begin with" in answer or "limit" in answer, answer
