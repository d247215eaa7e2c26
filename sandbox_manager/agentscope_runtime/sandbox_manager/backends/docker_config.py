"""What a container of ours is given, and what it is denied: the body of Docker's create call.

Nothing secret is in here: `docker inspect` shows all of it. Pure: no I/O but reading the packaged seccomp profile.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from agentscope_runtime.sandbox_manager.backends import BOX_PORT, DESKTOP_PORT, Labels, Order, Owner

USER = "1000:1000"
PIDS = 512
FILES = 16384
"""Open files; more than the hard limit of many hosts would keep the container from starting."""
LOG_SIZE = "1m"

_MINE = "uid=1000,gid=1000"
TMPFS = {
    # All of this is memory. Together, what users can fill (the user land's /dev/shm of 64 MiB, too) is well below the
    # smallest box's, in bytes and in files (1 KiB each), so that a full one is an error in the sandbox and not its end.
    # Users install into their home and run things from /tmp, hence exec there. Secrets are in /run/box, the browser's
    # profile is in /run/desktop, and the screen's socket is where X servers have it: nothing runs from these, and
    # users' code sees none of them.
    "/tmp": "rw,exec,nosuid,nodev,size=256m,nr_inodes=64k,mode=1777",  # noqa: S108 - the sandbox's own
    "/tmp/.X11-unix": f"rw,noexec,nosuid,nodev,size=64k,nr_inodes=16,mode=0700,{_MINE}",  # noqa: S108
    "/home/agent": f"rw,exec,nosuid,nodev,size=256m,nr_inodes=64k,mode=0700,{_MINE}",
    "/run/box": f"rw,noexec,nosuid,nodev,size=16m,nr_inodes=1k,mode=0700,{_MINE}",
    "/run/desktop": f"rw,noexec,nosuid,nodev,size=512m,nr_inodes=64k,mode=0700,{_MINE}",
}


@cache
def seccomp_profile() -> str:
    """Return our seccomp profile as one line of JSON: a list of what is allowed, made by `scripts/make_seccomp.py`."""
    profile = resources.files(__package__).joinpath("seccomp.json").read_text(encoding="utf-8")
    return json.dumps(json.loads(profile), separators=(",", ":"))


def labels(owner: Owner, sandbox_id: str, sandbox_type: str, created_at: float) -> dict[str, str]:
    """Return the labels of a container or volume: enough to know whose it is when all records are lost."""
    return {
        Labels.INSTALLATION: owner.installation,
        Labels.MANAGER: owner.manager,
        Labels.SANDBOX_ID: sandbox_id,
        Labels.SANDBOX_TYPE: sandbox_type,
        Labels.CREATED_AT: f"{created_at:.3f}",
    }


def container_config(
    order: Order, owner: Owner, *, network: str, publish: bool, seccomp: str, workspace: str = ""
) -> dict[str, Any]:
    """Return the body of the create call for one sandbox; `workspace` names the volume that it goes on with, if any."""
    blueprint = order.blueprint
    marks = labels(owner, order.sandbox_id, blueprint.sandbox_type, order.created_at)
    ports = [BOX_PORT, *([DESKTOP_PORT] if blueprint.has_desktop else [])] if publish else []
    return {
        "Image": blueprint.image,
        "User": USER,
        "Labels": marks,
        # The start-up line comes on standard input, once.
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {f"{port}/tcp": {} for port in ports},
        "HostConfig": {
            "AutoRemove": True,
            "Init": True,
            "NetworkMode": network,
            "PortBindings": {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}] for port in ports},
            "CapDrop": ["ALL"],
            # AppArmor's default profile for containers forbids every mount, those of the user land included.
            "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp}", "apparmor=unconfined"],
            "ReadonlyRootfs": True,
            # Users' code gets a /proc of its own in a nested namespace, which the kernel only allows where nothing of
            # the container's /proc is masked; the box server masks it there.
            "MaskedPaths": [],
            "ReadonlyPaths": [],
            "Tmpfs": TMPFS,
            "Mounts": [_workspace(order, owner, marks, workspace)],
            "PidsLimit": PIDS,
            "Memory": blueprint.memory,
            "MemorySwap": blueprint.memory,
            "NanoCpus": blueprint.nano_cpus,
            "ShmSize": blueprint.shm,
            "Ulimits": [
                {"Name": "nofile", "Soft": FILES, "Hard": FILES},
                {"Name": "core", "Soft": 0, "Hard": 0},
            ],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": LOG_SIZE, "max-file": "1"}},
        },
    }


def _workspace(order: Order, owner: Owner, marks: dict[str, str], kept: str) -> dict[str, Any]:
    """Return the mount of the workspace: the container's own, which goes with it, a kept one, or a shared one."""
    mount: dict[str, Any] = {"Type": "volume", "Target": "/workspace"}
    if kept:
        return {**mount, "Source": kept}
    if not order.volume:
        return {**mount, "VolumeOptions": {"Labels": marks}}
    # The engine makes it with the first container that names it.
    shared = labels(owner, order.volume, "", order.created_at)
    return {**mount, "Source": order.volume, "VolumeOptions": {"Labels": shared}}
