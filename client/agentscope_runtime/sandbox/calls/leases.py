"""Leasing sandboxes to sessions, giving them back, and asking about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.calls.base import Call, at, invalid, json_call, nothing
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.types import plain_type

START_ALLOWANCE = 60.0
"""Seconds that a connect may take on top of a call's time, because a sandbox may have to be started for it."""

RELEASE_TIMEOUT = 10.0
"""Seconds for giving back: the manager destroys in the background, and leaving a `with` should not hang."""


def connect(
    session_id: str,
    user_id: str = "",
    sandbox_types: Sequence[str] = ("base",),
    options: wire.LeaseOptions | None = None,
    wait_s: float = 0.0,
) -> Call[wire.LeaseInfo]:
    """Lease one sandbox of each kind to a session of a user; repeating it gives the same ones.

    Args:
        session_id: The session.
        user_id: Whose session it is.
        sandbox_types: The kinds, each once.
        options: What the lease shall be beyond that; see `lease_options`.
        wait_s: Seconds to wait in line for room where the manager's limits leave none.
    """
    kinds = [sandbox_types] if isinstance(sandbox_types, str) else sandbox_types
    plain = [plain_type(name) for name in kinds]
    if twice := sorted({name for name in plain if plain.count(name) > 1}):
        raise InvalidRequest(f"asked twice for {', '.join(twice)}: a session holds one sandbox of each type")
    try:
        request = wire.ConnectRequest(session_id=session_id, user_id=user_id, sandbox_types=plain, wait_s=wait_s)
    except ValidationError as error:
        raise invalid(error) from error
    said = {} if options is None else options.model_dump(exclude_none=True)
    # What is not asked for is not said: a manager that does not know it yet would refuse it.
    silent = {"options"} if wait_s else {"options", "wait_s"}
    body = {**request.model_dump(exclude=silent), **({"options": said} if said else {})}
    call = json_call(f"connect {', '.join(plain)}", "POST", "/v1/leases", body, wire.LeaseInfo)
    filling = wire.SNAPSHOT_SECONDS if "from_snapshot" in said else 0.0
    return replace(call, allowance=START_ALLOWANCE + wait_s + filling)


def lease_options(whose: str, said: Mapping[str, Any]) -> wire.LeaseOptions:
    """Read options that were given as arguments by name.

    Raises:
        TypeError: One has a name that no option has.
        InvalidRequest: A value is not what the option may be.
    """
    known = wire.LeaseOptions.model_fields
    if unknown := [name for name in said if name not in known]:
        raise TypeError(f"{whose} got an unexpected keyword argument {unknown[0]!r}; options are: {', '.join(known)}")
    try:
        return wire.LeaseOptions.model_validate(said)
    except ValidationError as error:
        raise invalid(error) from error


def waiting_time(wait_s: float) -> float:
    """Check the seconds to wait in line for room.

    Raises:
        InvalidRequest: They cannot be.
    """
    if not isinstance(wait_s, (int, float)) or not 0 <= wait_s <= wire.WAIT_MAX:
        raise InvalidRequest(f"wait_s is {wait_s}; it must be at least 0 and at most {wire.WAIT_MAX:g} seconds")
    return float(wait_s)


def release(session_id: str, user_id: str = "") -> Call[None]:
    """Give back all that a session of a user holds; nothing to give back is fine."""
    query = urlencode({"session_id": session_id, "user_id": user_id})
    what = f"release session {session_id!r}"
    return Call(what, "DELETE", f"/v1/leases?{query}", nothing, timeout=RELEASE_TIMEOUT)


def renew(session_id: str, user_id: str = "", seconds: float | None = None) -> Call[wire.LeaseInfo]:
    """Let the lease of a session end so many seconds from now, by default as late as a new one would; counts as use."""
    try:
        request = wire.RenewRequest(session_id=session_id, user_id=user_id, seconds=seconds)
    except ValidationError as error:
        raise invalid(error) from error
    body = request.model_dump(exclude_none=True)
    return json_call(f"renew session {session_id!r}", "POST", "/v1/leases/renew", body, wire.LeaseInfo)


def touch(sandbox_id: str) -> Call[wire.SandboxInfo]:
    """Keep a sandbox, and so its lease, from being idle, without any other effect; one that is suspended stays so."""
    return Call(f"keep {sandbox_id}", "POST", at(sandbox_id, "touch"), wire.SandboxInfo.model_validate_json)


def sandbox(sandbox_id: str) -> Call[wire.SandboxInfo]:
    """Describe one sandbox."""
    return Call(f"look up {sandbox_id}", "GET", at(sandbox_id), wire.SandboxInfo.model_validate_json)


def pool() -> Call[wire.PoolReport]:
    """Report how the pools stand."""
    return Call("ask for the pool", "GET", "/v1/pool", wire.PoolReport.model_validate_json)
