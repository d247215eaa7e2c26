"""Ways out of the user land by way of the screen and of Chromium: all of these were open once, and must stay closed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from browser_box import BrowserBox, browser_box, witness
from managers import eventually
from playwright.sync_api import sync_playwright
from real_box import RealBox, stderr, stdout
from rfb_viewer import CONTROL, META, viewer

pytestmark = pytest.mark.docker

WINDOW_MANAGER = ("pgrep", "-o", "matchbox-window")
CHROMIUM = ("pgrep", "-of", "^/usr/lib/chromium/chromium --user-data-dir")
PLACES = ("/tmp/.X11-unix/X1", "\\0/tmp/.X11-unix/X1")

KNOCK = """
import socket, sys
for place in sys.argv[1:]:
    place, client = place.replace("\\\\0", "\\0"), socket.socket(socket.AF_UNIX)
    try:
        client.connect(place)
        client.sendall(b"l\\0\\x0b\\0\\0\\0\\0\\0\\0\\0\\0\\0")
        print("connected" if client.recv(8)[0] == 1 else "refused")
    except OSError as e:
        print(type(e).__name__)
"""
WATCH = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
inotify = libc.inotify_init1(os.O_NONBLOCK)
names = {}
for folder in sys.argv[1:]:
    os.makedirs(folder, exist_ok=True)
    names[libc.inotify_add_watch(inotify, folder.encode(), 0x20 | 0x1)] = folder  # opened, read
open("/workspace/watching", "w").close()
with open("/workspace/opened", "w", buffering=1) as log:
    while True:
        try:
            data = os.read(inotify, 65536)
        except BlockingIOError:
            time.sleep(0.02)
            continue
        while data:
            watch, size = int.from_bytes(data[:4], "little"), int.from_bytes(data[12:16], "little")
            name, data = data[16 : 16 + size].rstrip(b"\\0").decode(), data[16 + size :]
            print(names[watch], name, file=log)
"""
FOLDERS = (".config", ".config/gtk-3.0", ".pki/nssdb", ".matchbox", ".local/share", ".cache", ".themes", ".icons")
FILL = """
import os, sys
folder = sys.argv[1]
try:
    with open(folder + "/full", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
except OSError as e:
    print(e.strerror)
try:
    for number in range(10**6):
        os.mknod(f"{folder}/{number}")
except OSError as e:
    print(e.strerror)
"""


@pytest.fixture(scope="module")
def own_box() -> Iterator[BrowserBox]:
    """A box for tests that end programs of its desktop."""
    with browser_box() as box:
        yield box


def write(box: RealBox, path: str, text: str) -> None:
    """Put a file into the workspace."""
    box.http.put("/files/content", params={"path": path}, content=text).raise_for_status()


def pid_of(box: RealBox, command: tuple[str, ...], not_: str = "") -> str:
    """Wait for a program, other than the one with the pid `not_`, and return its pid."""
    found: list[str] = []

    def there() -> bool:
        code, output = box.container.exec_run(list(command))
        assert isinstance(output, bytes)
        found[:] = output.decode().split()
        return code == 0 and found[0] != not_

    eventually(there, 10, f"{command[-1]} runs")
    return found[0]


def test_the_screen_is_out_of_reach(web: BrowserBox) -> None:
    """No socket of the X server can be reached from the user land, with a cookie or without."""
    write(web, "knock.py", KNOCK)
    places = " ".join(f"'{place}'" for place in PLACES)
    said = stdout(web.shell(f"python3 knock.py {places}")).split()
    assert said == ["PermissionError", "ConnectionRefusedError"]
    take = "import socket; socket.socket(socket.AF_UNIX).bind('\\0/tmp/.X11-unix/X1')"
    assert "Address already in use" in stderr(web.shell(f'python3 -c "{take}"'))
    for command in ("rmdir /tmp/.X11-unix", "rm -rf /tmp/.X11-unix", "mv /tmp/.X11-unix /tmp/aside"):
        assert web.shell(command)["isError"], command


def test_the_screen_asks_for_the_cookie(web: BrowserBox) -> None:
    """Also outside of the user land, where its socket is."""
    write(web, "knock.py", KNOCK)
    assert web.outside("python3", "/workspace/knock.py", PLACES[0]).split() == ["refused"]


def test_no_key_runs_a_program(own_box: BrowserBox) -> None:
    """Whatever the user has configured, and whoever presses it, after the window manager was started again, too."""
    keys = "<ctrl><alt>x=!touch /workspace/escaped\\n"
    own_box.shell(f"mkdir -p ~/.matchbox && printf '{keys}' >~/.matchbox/kbdconfig")
    before = pid_of(own_box, WINDOW_MANAGER)
    own_box.outside("kill", before)
    pid_of(own_box, WINDOW_MANAGER, not_=before)
    with viewer(own_box.desktop_url(), own_box.token) as person:
        eventually(lambda: len(person.screen().getcolors(1 << 24) or ()) > 1, 5, "the screen shows a window")
        person.press(CONTROL, META, ord("x"))
        person.screen()
    own_box.ok("browser_wait_for", time=1)
    assert stdout(own_box.shell("ls escaped 2>/dev/null; true")) == ""


def test_nothing_of_the_user_configures_what_runs_outside(own_box: BrowserBox) -> None:
    """Chromium and the window manager, started again, open no file of the folders where settings and modules are."""
    write(own_box, "watch.py", WATCH)
    own_box.shell("mkdir -p ~/.config/gtk-3.0 ~/.pki/nssdb ~/.matchbox; touch ~/.matchbox/kbdconfig")
    own_box.shell("printf '[Settings]\\ngtk-modules=/home/agent/evil.so\\n' >~/.config/gtk-3.0/settings.ini")
    own_box.shell("printf 'library=/home/agent/evil.so\\nname=evil\\n\\n' >~/.pki/nssdb/pkcs11.txt")
    folders = " ".join(f"~/{folder}" for folder in FOLDERS)
    own_box.shell(f"nohup python3 watch.py {folders} >/dev/null 2>&1 & until [ -e watching ]; do sleep 0.02; done")
    manager, browser = pid_of(own_box, WINDOW_MANAGER), pid_of(own_box, CHROMIUM)
    own_box.outside("kill", "-9", manager, browser)
    pid_of(own_box, WINDOW_MANAGER, not_=manager)
    pid_of(own_box, CHROMIUM, not_=browser)
    own_box.ok("browser_navigate", url="about:blank")
    assert stdout(own_box.shell("cat opened")) == ""
    own_box.shell("cat ~/.config/gtk-3.0/settings.ini >/dev/null")
    eventually(lambda: "settings.ini" in stdout(own_box.shell("cat opened")), 3, "the watch works")


def test_a_download_cannot_configure_chromium(own_box: BrowserBox) -> None:
    """Whoever speaks CDP chooses where downloads go, but not into the folder of its settings."""
    folder = "/run/desktop/home/.config/gtk-3.0"
    with sync_playwright() as playwright, witness(playwright, own_box) as looking:
        browser = looking.context.browser
        assert browser is not None
        session = browser.new_browser_cdp_session()
        for path in (folder, "/workspace/allowed"):
            session.send("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": path})
            looking.page().evaluate(
                """() => { const a = document.createElement('a'); a.download = 'settings.ini';
                    a.href = URL.createObjectURL(new Blob(['[Settings]'])); a.click() }"""
            )
        # While its driver is there: Chromium forgets what a driver chose when that one leaves.
        eventually(lambda: "settings.ini" in stdout(own_box.shell("ls allowed")).split(), 15, "the allowed one arrives")
    assert own_box.outside("sh", "-c", f"ls {folder} 2>/dev/null; true") == ""


def test_chromium_loads_code_from_no_place_that_can_be_written(web: BrowserBox) -> None:
    """Whatever makes it try: all of them are mounted so; of its own folder only the state can be written."""
    mounts = {}
    for line in web.outside("cat", f"/proc/{pid_of(web, CHROMIUM)}/mountinfo").splitlines():
        fields = line.split()
        mounts[fields[4]] = set(fields[5].split(","))  # the last one mounted at a place is the one that is seen
    for place in ("/tmp", "/home/agent", "/workspace", "/run/desktop", "/run/desktop/state", "/dev/shm"):
        assert "noexec" in mounts[place], place
    assert "ro" in mounts["/run/desktop"] and "rw" in mounts["/run/desktop/state"]


def test_chromium_sees_no_process_but_its_own(web: BrowserBox) -> None:
    """So that even code in it could neither signal the server nor trace it."""
    outside = web.outside("readlink", "/proc/self/ns/pid")
    assert web.outside("readlink", f"/proc/{pid_of(web, CHROMIUM)}/ns/pid") != outside
    status = web.outside("cat", f"/proc/{pid_of(web, CHROMIUM)}/status")
    assert next(line for line in status.splitlines() if line.startswith("NSpid")).split()[-1] == "1"
    web.call("browser_navigate", url="file:///proc/1/cmdline")
    shown = json.dumps(web.call("browser_snapshot"))
    assert "sandbox_server" not in shown and "docker-init" not in shown


def test_the_token_is_in_no_file(web: BrowserBox) -> None:
    """Neither the user's code, nor Chromium, nor the window manager can find it: it is in the server's memory only."""
    search = ["grep", "-rslF", web.token, "/run", "/tmp", "/home", "/workspace", "/etc", "/var", "/dev/shm"]
    _, output = web.container.exec_run(search, user="1000")
    assert output == b""
    assert stdout(web.shell(" ".join(search) + "; true", timeout=60)) == ""
    for path in ("/run/box/desktop.token", "/run/desktop/cookie", "/proc/1/environ", "/proc/self/environ"):
        web.call("browser_navigate", url=f"file://{path}")
        assert web.token not in json.dumps(web.call("browser_snapshot"))


def test_full_folders_in_memory_are_an_error_and_not_the_end(fresh_box: RealBox) -> None:
    """All that the user can fill, with bytes and then with files, fits into the smallest box, beside the rest of it."""
    write(fresh_box, "fill.py", FILL)
    fresh_box.cell("kept = 42")
    for folder in ("/tmp", "~", "/dev/shm"):
        result = fresh_box.shell(f"python3 fill.py {folder}", timeout=60)
        assert stdout(result) == "No space left on device\n" * 2, (folder, result)
    assert stderr(fresh_box.shell("echo more >>/tmp/full2")) != ""
    assert stdout(fresh_box.cell("print(kept)")) == "42\n"
    assert fresh_box.http.get("/health").status_code == 200
    fresh_box.container.reload()
    assert fresh_box.container.attrs["State"]["OOMKilled"] is False
