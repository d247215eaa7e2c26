"""Taking the address that a manager serves on."""

from __future__ import annotations

import errno
import os
import socket

from agentscope_runtime.sandbox_manager.settings import SettingsError

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def listen(host: str, port: int) -> socket.socket:
    """Take the address, before anything else is started on its behalf.

    Raises:
        SettingsError: It cannot be had; the message says why and what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, unlike by socket.create_server: asyncio turns Nagle's algorithm off only then, and with
    # it on, small answers wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere this would let two programs take one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        cures = {
            errno.EADDRINUSE: "something listens there already: stop it, or choose another port with --port or PORT",
            errno.EACCES: "ports below 1024 are for root: choose another with --port or PORT",
            errno.EADDRNOTAVAIL: "this machine has no such address: choose another with --host or HOST",
        }
        cure = cures.get(error.errno or 0, f"{error.strerror or error}: choose another with HOST and PORT")
        raise SettingsError(f"cannot listen on {host}:{port}: {cure}") from error
    return listener
