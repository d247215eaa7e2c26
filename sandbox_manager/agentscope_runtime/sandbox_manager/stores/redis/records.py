"""Records as they are kept in Redis: names and strings, and what is false, zero, empty or None left out.

Numbers are written as Python writes them, and come back as they were; options and MCP servers are JSON that no script
ever looks into.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox_manager.states import NO_OPTIONS, Address, LeaseKey, SandboxRecord, State

Kept = dict[str, str]
SERVER = "mcp:"
"""What a field begins with that holds an MCP server."""
OWN = "own"
"""The field that says whether the options need a sandbox of the lease's own, for the scripts."""


def dump(record: SandboxRecord) -> Kept:
    """Return a record as it is kept."""
    kept = {name: write(value) for name, (write, _) in _FIELDS.items() if (value := getattr(record, name))}
    # Zero is a time like any other.
    kept |= {name: repr(value) for name in TIMES if (value := getattr(record, name)) is not None}
    if record.options != NO_OPTIONS:
        kept["options"] = dump_options(record.options)
        if record.options.needs_own:
            kept[OWN] = "1"
    return kept | dump_servers(record.mcp_servers)


def load(kept: Mapping[str, str]) -> SandboxRecord:
    """Return the record that is kept like this."""
    values: dict[str, Any] = {name: read(kept[name]) for name, (_, read) in _FIELDS.items() if name in kept}
    values |= {name: float(kept[name]) for name in TIMES if name in kept}
    if options := kept.get("options"):
        values["options"] = load_options(options)
    values["mcp_servers"] = {
        name.removeprefix(SERVER): json.loads(config) for name, config in kept.items() if name.startswith(SERVER)
    }
    return SandboxRecord(**{"token": ""} | values)


def dump_key(key: LeaseKey) -> str:
    """Return the text that stands for a key."""
    return json.dumps([key.user_id, key.session_id])


def load_key(text: str) -> LeaseKey:
    """Return the key that a text stands for."""
    return LeaseKey(*json.loads(text))


def dump_options(options: wire.LeaseOptions) -> str:
    """Return options as text; no text for none."""
    said = {name: value for name, value in options.model_dump(mode="json").items() if value is not None}
    return json.dumps(said) if said else ""


def load_options(text: str) -> wire.LeaseOptions:
    """Return the options that a text stands for."""
    # Read by what wrote it: another reader of JSON takes less, and a record that cannot be read stops every loop.
    return wire.LeaseOptions.model_validate(json.loads(text)) if text else NO_OPTIONS


def dump_servers(servers: Mapping[str, Any]) -> Kept:
    """Return MCP servers as fields of a record."""
    return {SERVER + name: json.dumps(config) for name, config in servers.items()}


def _load_address(text: str) -> Address:
    return Address(**json.loads(text))


def _flag(_: object) -> str:
    return "1"


_Field = tuple[Callable[[Any], str], Callable[[str], Any]]
_TEXT: _Field = (str, str)
_FIELDS: dict[str, _Field] = {
    **dict.fromkeys(("sandbox_id", "sandbox_type", "image", "token"), _TEXT),
    **dict.fromkeys(("container_id", "image_id", "volume", "manager"), _TEXT),
    "state": (lambda state: str(state.value), State),
    "address": (lambda address: json.dumps(asdict(address)), _load_address),
    "key": (dump_key, load_key),
    **dict.fromkeys(("warm", "restored", "paused"), (_flag, bool)),
    **dict.fromkeys(("generation", "memory"), (str, int)),
}
TIMES = ("created_at", "leased_at", "last_active_at", "suspended_at", "expires_at")
