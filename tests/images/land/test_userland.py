"""What code of the user can reach: everything here tries to get at the server, and must fail."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from real_box import RealBox, stderr, stdout

pytestmark = pytest.mark.docker


def test_it_sees_only_itself(shared_box: RealBox) -> None:
    """Its /proc has its own processes only, none of the server's."""
    commands = stdout(shared_box.shell("ps -eo args="))
    assert "ps -eo args=" in commands and "box_kernel" in commands
    assert "sandbox_server" not in commands and "docker-init" not in commands


def test_it_has_no_privilege_to_gain(shared_box: RealBox) -> None:
    """No capability, no way to a new one, and every system call filtered."""
    status = dict(
        line.split(":\t", 1) for line in stdout(shared_box.shell("cat /proc/self/status")).splitlines() if ":\t" in line
    )
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0000000000000000"}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert status["Uid"].split() == ["1000"] * 4 and status["Gid"].split() == ["1000"] * 4


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        ("unshare --user true", "No space left on device"),
        ("unshare --mount true", "Operation not permitted"),
        ("unshare --net true", "Operation not permitted"),
        ("mount -t tmpfs none /tmp", ""),
        ("umount /run/box", ""),
        ("mount -o remount,rw /proc/sys", ""),
        ("/usr/sbin/chroot / true", "Operation not permitted"),
        ("echo 9 > /proc/sys/user/max_user_namespaces", "Read-only file system"),
        ("touch /etc/x", "Read-only file system"),
        ("touch /opt/box/x", "Read-only file system"),
        ("mknod /tmp/disk b 8 0", "Operation not permitted"),
        ("nsenter --target 1 --user true", ""),
    ],
)
def test_namespaces_and_mounts_are_closed(shared_box: RealBox, command: str, refusal: str) -> None:
    """Nothing that would make a namespace, a mount or a device works."""
    result = shared_box.shell(command)
    assert result["isError"] is True and refusal in stderr(result), result


def test_it_cannot_use_up_what_the_host_counts_for_all_boxes(shared_box: RealBox) -> None:
    """The kernel counts watches by uid, and all boxes have the same: one could keep the others from watching."""
    take = "import ctypes; f = ctypes.CDLL(None).inotify_init1; print(sum(f(0) >= 0 for _ in range(200)))"
    assert stdout(shared_box.shell(f"python3 -c '{take}'")) == "16\n"
    assert "Read-only" in stderr(shared_box.shell("echo 999 > /proc/sys/user/max_inotify_instances"))


def test_secrets_are_masked(shared_box: RealBox) -> None:
    """The server's folder cannot even be listed, and holds nothing when mapped; the token is nowhere to be read."""
    assert "Permission denied" in stderr(shared_box.shell("ls /run/box"))
    assert stdout(shared_box.shell("stat -f -c %T /run/box")) == "tmpfs\n"
    places = "/run /tmp /home /workspace /etc /opt /dev/shm"
    found = shared_box.shell(f"grep -rslF {shared_box.token} {places}; env | grep -c TOKEN || true", timeout=60)
    assert stdout(found) == "0\n"


def test_masked_files_of_proc(shared_box: RealBox) -> None:
    """What a container engine masks is masked here, where it exists."""
    for path in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sysrq-trigger", "/proc/kmsg"):
        kind = stdout(shared_box.shell(f"stat -c %F {path} 2>/dev/null || echo missing")).strip()
        assert kind in ("character special file", "missing"), f"{path} is a {kind}"
    assert (
        stdout(shared_box.shell("ls -A /sys/firmware /proc/acpi /proc/scsi 2>/dev/null | grep -v : | wc -w")) == "0\n"
    )


ATTEMPTS = """
import ctypes, glob, json, os
trace = ctypes.CDLL(None, use_errno=True).ptrace
trace.restype = ctypes.c_long
reached = []
own = {int(path.split("/")[4]) for path in glob.glob("/proc/[0-9]*/task/*")}  # threads have numbers, too
for pid in own:
    if "sandbox_server" in open(f"/proc/{pid}/cmdline").read():
        reached.append(["its command line", pid])
for pid in set(range(1, 2000)) - own:
    for what, attempt in {
        "signal": lambda: os.kill(pid, 0),
        "memory": lambda: open(f"/proc/{pid}/mem"),
        "environment": lambda: open(f"/proc/{pid}/environ"),
        "files": lambda: os.listdir(f"/proc/{pid}/fd"),
        "handle": lambda: os.pidfd_open(pid),
    }.items():
        try:
            attempt()
        except OSError:
            continue
        reached.append([what, pid])
    if trace(16, pid, 0, 0) != -1:
        reached.append(["trace", pid])
os.kill(1, 9); os.kill(1, 15)
print(json.dumps(reached))
"""


def test_it_cannot_signal_or_trace_the_server(shared_box: RealBox) -> None:
    """No process outside of its namespace can be named, let alone traced, and its own PID 1 does not hear it."""
    result = shared_box.cell(ATTEMPTS)
    assert stdout(result) == "[]\n" and result["isError"] is False, result
    assert shared_box.http.get("/health").status_code == 200
    assert stdout(shared_box.shell("echo here")) == "here\n"


def test_killing_everything_it_can_harms_only_itself(fresh_box: RealBox) -> None:
    """`kill -9 -1` ends the kernel and the shell; the server, and the next calls, work."""
    server = fresh_box.server_pid()
    fresh_box.shell("kill -9 -1", timeout=5)
    if (first := fresh_box.cell("print('back')"))["isError"]:  # it reached the kernel in the moment of its end
        assert "the kernel was killed (signal 9)" in stderr(first)
    assert stdout(fresh_box.cell("print('back')")) == "back\n"
    assert stdout(fresh_box.shell("echo back")) == "back\n"
    assert fresh_box.server_pid() == server


@pytest.mark.parametrize("program", ["nsenter", "sh", "bash", "unshare"])
def test_its_programs_are_not_run_outside(fresh_box: RealBox, program: str) -> None:
    """A program of the user's own that is called like one on the way into the land is not taken for it."""
    trap = f'#!/bin/sh\nls /run/box >/workspace/seen 2>/dev/null\nexec /usr/bin/{program} "$@"\n'
    fresh_box.http.put("/files/content", params={"path": "trap"}, content=trap).raise_for_status()
    fresh_box.shell(f"mkdir -p ~/.local/bin && install -m 755 trap ~/.local/bin/{program}")
    assert stdout(fresh_box.shell("echo in")) == "in\n"
    fresh_box.cell("import os; os._exit(0)")
    assert stdout(fresh_box.cell("print('in')")) == "in\n"
    assert stdout(fresh_box.shell("cat seen 2>/dev/null; true")) == ""


def test_server_is_closed_to_its_own_uid(shared_box: RealBox) -> None:
    """Even outside of the user land, a process of the same uid cannot read the server's memory or environment."""
    pid = shared_box.server_pid()
    code, output = shared_box.container.exec_run(["cat", f"/proc/{pid}/environ"], user="1000")
    assert code != 0 and b"Permission denied" in output
    code, output = shared_box.container.exec_run(["sh", "-c", f": < /proc/{pid}/mem"], user="1000")
    assert code != 0


def test_the_token_is_in_no_environment_or_argument(shared_box: RealBox) -> None:
    """Who may inspect the container learns no secret from it."""
    inspected = json.dumps(shared_box.container.attrs)
    assert shared_box.token not in inspected
    assert shared_box.token not in shared_box.outside("ps", "-eo", "args")


def test_user_land_that_ends_is_made_anew(fresh_box: RealBox) -> None:
    """When its PID 1 is killed from outside, shell and kernel come back by themselves."""
    fresh_box.cell("gone = 1")
    fresh_box.outside("pkill", "-9", "-f", "sleep 86400 & wait")
    deadline = time.monotonic() + 10
    while fresh_box.shell("true", timeout=5)["isError"]:
        assert time.monotonic() < deadline, "the user land did not come back"
    result = fresh_box.cell("print('gone' in globals())")
    assert stdout(result) == "False\n" and "its variables are gone" in stderr(result)


def test_fork_bomb_is_bounded(fresh_box: RealBox) -> None:
    """The user's processes have a limit below the container's: the server goes on answering, and starts processes."""
    bomb = "b() { b | b & }; b; sleep 60"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(fresh_box.shell, bomb, 4)
        end, slowest = time.monotonic() + 3, 0.0
        while time.monotonic() < end:
            began = time.monotonic()
            assert fresh_box.http.get("/health", timeout=5).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        result = running.result()
    assert result["isError"] is True and "timed out after 4 s" in stderr(result)
    assert slowest < 1
    processes = len(fresh_box.outside("ps", "-eo", "pid=").split())
    assert processes <= 512
    assert fresh_box.http.get("/health").status_code == 200


def test_a_land_without_room_is_replaced(fresh_box: RealBox) -> None:
    """Where so many processes stay that nothing can start, they are ended, the result says so, and work goes on."""
    storm = "import os, time\nfor _ in range(600):\n  try: child = os.fork()\n  except OSError: break\n"
    storm += "  if not child:\n    os.setsid(); time.sleep(1000)"
    fresh_box.cell(storm, timeout=10)
    full = fresh_box.shell("ps; ps", timeout=3)
    assert full["isError"] is True and "all processes of the sandbox were ended" in stderr(full)
    assert stdout(fresh_box.shell("true; echo again", timeout=10)) == "again\n"
    result = fresh_box.cell("print('up')")
    assert stdout(result) == "up\n" and "left no room" in stderr(result) and "memory" not in stderr(result)


def test_shared_memory_is_its_own(shared_box: RealBox) -> None:
    """Shared memory works, and is not the one that other programs of the box use."""
    code = "from multiprocessing import shared_memory as s; m = s.SharedMemory(create=True, size=64); print(m.name)"
    name = stdout(shared_box.cell(code)).strip()
    assert stdout(shared_box.shell("ls /dev/shm")).strip() == name
    assert shared_box.outside("ls", "/dev/shm") == ""
    shared_box.cell("m.close(); m.unlink()")


def test_programs_that_need_much_of_the_kernel_work(shared_box: RealBox) -> None:
    """Threads, processes, file locks, inotify and debuggers are no victims of the system call filter."""
    code = """
import concurrent.futures as f, fcntl, subprocess, sys, tempfile
with f.ProcessPoolExecutor(2) as pool: print(sum(pool.map(abs, range(10))))
with f.ThreadPoolExecutor(2) as pool: print(sum(pool.map(abs, range(10))))
with tempfile.TemporaryFile() as file: fcntl.flock(file, fcntl.LOCK_EX); print("locked")
"""
    assert stdout(shared_box.cell(code)) == "45\n45\nlocked\n"


def test_pip_installs_into_the_users_own_folder(shared_box: RealBox) -> None:
    """A package that is there as a folder can be installed although the root is read-only, and the kernel finds it."""
    setup = "mkdir -p own/ownpkg && echo 'value = 7' > own/ownpkg/__init__.py"
    wheel = (
        "cd own && python - <<'E'\n"
        "import zipfile\n"
        "with zipfile.ZipFile('ownpkg-1-py3-none-any.whl', 'w') as w:\n"
        "    w.writestr('ownpkg/__init__.py', 'value = 7')\n"
        "    w.writestr('ownpkg-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: ownpkg\\nVersion: 1\\n')\n"
        "    w.writestr('ownpkg-1.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any')\n"
        "    w.writestr('ownpkg-1.dist-info/RECORD', '')\n"
        "E\n"
        "pip install --no-index ./ownpkg-1-py3-none-any.whl"
    )
    assert shared_box.shell(setup)["isError"] is False
    installed = shared_box.shell(wheel, timeout=60)
    assert installed["isError"] is False, installed
    assert stdout(shared_box.cell("import ownpkg; print(ownpkg.value, ownpkg.__file__)")).startswith(
        "7 /home/agent/.local/"
    )
