"""What the engine's listings tell of containers and volumes: pure, from its JSON to what a backend finds."""

from __future__ import annotations

from typing import Any, Protocol

from agentscope_runtime.sandbox_manager.backends import BOX_PORT, DESKTOP_PORT, Found, Labels
from agentscope_runtime.sandbox_manager.states import Address

UP = ("running", "paused")
"""What the engine calls containers that run."""


class Item(Protocol):
    """One of a listing."""

    def __getitem__(self, member: str, /) -> Any:
        """Return a member of its JSON."""


def listed_volume(item: Item) -> Found:
    """Return what is known of a volume."""
    labels = item["Labels"]
    return Found(
        sandbox_id=labels.get(Labels.SANDBOX_ID, ""),
        manager=labels.get(Labels.MANAGER, ""),
        created_at=float(labels.get(Labels.CREATED_AT, "0")),
        running=False,
    )


def listed_container(item: Item, *, publish: bool) -> Found:
    """Return what is known of a container; `publish`: its box is reached through ports of 127.0.0.1."""
    labels = item["Labels"]
    running = item["State"] in UP
    return Found(
        sandbox_id=labels.get(Labels.SANDBOX_ID, ""),
        manager=labels.get(Labels.MANAGER, ""),
        created_at=float(labels.get(Labels.CREATED_AT, "0")),
        running=running,
        sandbox_type=labels.get(Labels.SANDBOX_TYPE, ""),
        container_id=item["Id"],
        image_id=item["ImageID"],
        address=_address(item, publish=publish) if running else None,
    )


def _address(item: Item, *, publish: bool) -> Address | None:
    if publish:
        ports = {port["PrivatePort"]: port["PublicPort"] for port in item["Ports"] if "PublicPort" in port}
        return Address("127.0.0.1", ports[BOX_PORT], ports.get(DESKTOP_PORT)) if BOX_PORT in ports else None
    hosts = [network["IPAddress"] for network in item["NetworkSettings"]["Networks"].values() if network["IPAddress"]]
    # The listing does not tell whether the box has a desktop: its kind does.
    return Address(hosts[0], BOX_PORT, DESKTOP_PORT) if len(hosts) == 1 else None
