"""The system call profile: the committed file is what the script makes, and it says what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "sandbox_manager/agentscope_runtime/sandbox_manager/backends/seccomp.json"


def rules(name: str) -> list[dict[str, Any]]:
    """Return the rules that name a call."""
    profile = json.loads(PROFILE.read_text())
    return [rule for rule in profile["syscalls"] if name in rule["names"]]


def test_the_file_is_up_to_date() -> None:
    """Who changes the script runs it."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/make_seccomp.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_what_is_not_named_is_refused() -> None:
    """The profile is a list of what is allowed, for both kinds of machine, and no 32-bit ones."""
    profile = json.loads(PROFILE.read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {entry["architecture"] for entry in profile["archMap"]} == {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}
    assert not any(entry["subArchitectures"] for entry in profile["archMap"])


def test_the_dangerous_ones_are_not_named() -> None:
    """Keyrings, bpf, io_uring, userfaultfd, inode handles, foreign memory, modules, the new mount API, …"""
    for name in [
        "add_key",
        "keyctl",
        "request_key",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "open_by_handle_at",
        "name_to_handle_at",
        "process_vm_readv",
        "process_vm_writev",
        "kcmp",
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "kexec_file_load",
        "reboot",
        "swapon",
        "swapoff",
        "fsopen",
        "fsmount",
        "move_mount",
        "open_tree",
        "mount_setattr",
        "quotactl",
        "settimeofday",
        "clock_settime",
        "sethostname",
        "syslog",
        "acct",
        "iopl",
        "ioperm",
        "lookup_dcookie",
        "nfsservctl",
    ]:
        assert rules(name) == [], name


def test_clone3_makes_libraries_fall_back() -> None:
    """Only clone's flags can be seen by a filter, so clone3 must not seem to be forbidden, but missing."""
    (rule,) = rules("clone3")
    assert rule["action"] == "SCMP_ACT_ERRNO" and rule["errnoRet"] == 38


def test_conditions() -> None:
    """No cgroup namespaces, no sockets to the hypervisor."""
    for name in ("clone", "unshare"):
        (rule,) = rules(name)
        assert rule["args"][0]["op"] == "SCMP_CMP_MASKED_EQ" and rule["args"][0]["value"] & 0x02000000
        assert rule["args"][0]["valueTwo"] == 0
    (rule,) = rules("socket")
    assert rule["args"] == [{"index": 0, "value": 40, "valueTwo": 0, "op": "SCMP_CMP_NE"}]
