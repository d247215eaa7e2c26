"""What the scripts are given and what they answer, as the manager's own things. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentscope_runtime.sandbox.errors import SandboxError, SandboxNotFound
from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager.states import (
    Census,
    Ending,
    Lease,
    LeaseKey,
    Limits,
    SandboxRecord,
    State,
    Wish,
)
from agentscope_runtime.sandbox_manager.stores import GivenBack, refusals
from agentscope_runtime.sandbox_manager.stores.news import Failed, News, Room, Stopped, Taken, Woken
from agentscope_runtime.sandbox_manager.stores.redis.records import load, load_key, load_options


def limits_of(limits: Limits) -> dict[str, Any]:
    """Return limits as scripts take them."""
    return {
        "total": limits.total,
        "per_user": limits.per_user,
        "types": dict(limits.types),
        "memory": limits.memory,
    }


def ending_of(ending: Ending) -> dict[str, Any]:
    """Return an ending as scripts take it; they keep the text, and only look at whether it is a death."""
    return {"json": json.dumps([ending.reason, ending.died]), "died": ending.died}


def load_ending(text: str) -> Ending:
    """Return the ending that a text stands for."""
    reason, died = json.loads(text)
    return Ending(reason, died)


def record(said: Mapping[str, Any]) -> SandboxRecord | None:
    """Return the record in an answer, if there is one."""
    return load(said["record"]) if "record" in said else None


def records(said: Mapping[str, Any], name: str = "records") -> tuple[SandboxRecord, ...]:
    """Return the records in an answer."""
    return tuple(map(load, said.get(name) or ()))


def found(sandbox_id: str, said: Mapping[str, Any]) -> SandboxRecord:
    """Return the record in an answer.

    Raises:
        SandboxNotFound, SandboxDied: There is none.
    """
    if "record" in said:
        return load(said["record"])
    if said.get("ending"):
        raise load_ending(said["ending"]).to_error(sandbox_id)
    raise SandboxNotFound(f"there is no sandbox {sandbox_id}")


def lease(kept: Mapping[str, Any]) -> Lease:
    """Return a lease in an answer."""
    return Lease(load_key(kept["key"]), records(kept))


def given_back(said: Mapping[str, Any]) -> GivenBack:
    """Return what became of promises."""
    return GivenBack(tuple(map(load_key, said.get("served") or ())), records(said, "ended"))


def agreed(wish: Wish, held: str) -> LeaseOptions:
    """Return what is agreed upon with a session that holds sandboxes with these options.

    Raises:
        InvalidRequest: The wish contradicts them.
    """
    return wish.agreed([SandboxRecord("", "", State.LEASED, "", 0.0, "", options=load_options(held))])


def refusal(said: Mapping[str, Any], key: LeaseKey, limits: Limits) -> SandboxError:
    """Return the error for a claim that does not fit."""
    match said["refused"]:
        case "user":
            return refusals.over_quota(key, limits)
        case "type":
            return refusals.full_of(said["kind"], limits)
        case "memory":
            return refusals.out_of_memory(limits)
        case _:
            return refusals.full(limits)


def census(counts: Mapping[str, int]) -> Census:
    """Return the numbers of one kind."""
    ready = counts["free_warm"]
    return Census(
        starting=counts.get("starting", 0) + counts.get("warm", 0) - ready,
        ready=ready,
        leased=counts.get("leased", 0),
        suspending=counts.get("suspending", 0),
        suspended=counts.get("suspended", 0),
        stopping=counts.get("stopping", 0),
        unclaimed=ready + counts["free_starting"],
        taken=counts.get("taken", 0),
    )


def news(message: str, me: str) -> Iterator[News]:
    """Return what a message tells to the manager `me`: nothing, if it is its own."""
    said = json.loads(message)
    items: Sequence[Mapping[str, str]] = said["news"] if said["from"] != me else ()
    for item in items:
        match item["what"]:
            case "woken":
                yield Woken(load_key(item["key"]))
            case "stopped":
                ending, key = load_ending(item["ending"]), load_key(item["key"]) if "key" in item else None
                yield Stopped(item["id"], item["kind"], key, ending.reason, ending.died)
            case "failed":
                yield Failed(load_key(item["key"]), item["kind"], item["code"], json.loads(item["detail"]))
            case "taken":
                yield Taken(item["kind"])
            case "room":
                yield Room()
