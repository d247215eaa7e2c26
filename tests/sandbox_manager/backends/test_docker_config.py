"""What a container is given and denied, as it is asked for."""

from __future__ import annotations

import json
from dataclasses import replace

from agentscope_runtime.sandbox_manager.backends import Blueprint, Order, Owner
from agentscope_runtime.sandbox_manager.backends.docker_config import container_config, seccomp_profile

BROWSER = Blueprint("browser", "image", memory=2 << 30, nano_cpus=10**9, shm=256 << 20, has_desktop=True)
OWNER = Owner("installation-1", "mgr-1")
ORDER = Order("sbx-1", BROWSER, created_at=1234.5678, token="the-secret")


def test_the_token_is_nowhere_in_it() -> None:
    """`docker inspect` shows all of this to whoever may ask the engine."""
    assert "the-secret" not in json.dumps(container_config(ORDER, OWNER, network="n", publish=True, seccomp="{}"))


def test_the_labels_say_whose_it_is() -> None:
    """On the container and on its volume, for the day when all records are lost."""
    config = container_config(ORDER, OWNER, network="n", publish=False, seccomp="{}")
    assert config["Labels"] == {
        "agentscope_runtime.installation": "installation-1",
        "agentscope_runtime.manager": "mgr-1",
        "agentscope_runtime.sandbox_id": "sbx-1",
        "agentscope_runtime.sandbox_type": "browser",
        "agentscope_runtime.created_at": "1234.568",
    }
    (workspace,) = config["HostConfig"]["Mounts"]
    assert workspace["VolumeOptions"]["Labels"] == config["Labels"]
    assert "Source" not in workspace  # anonymous: it goes with the container


def test_a_shared_workspace_has_labels_of_its_own() -> None:
    """It belongs to no container, and is found by its name."""
    order = replace(ORDER, volume="vol-1")
    (workspace,) = container_config(order, OWNER, network="n", publish=False, seccomp="{}")["HostConfig"]["Mounts"]
    assert (workspace["Source"], workspace["Target"]) == ("vol-1", "/workspace")
    assert workspace["VolumeOptions"]["Labels"]["agentscope_runtime.sandbox_id"] == "vol-1"
    assert workspace["VolumeOptions"]["Labels"]["agentscope_runtime.installation"] == "installation-1"


def test_variables_of_a_lease_are_on_the_line_only() -> None:
    """They may be secrets; they are stronger than those of the kind."""
    blueprint = replace(BROWSER, environment={"A": "kind", "B": "kind"})
    order = replace(ORDER, blueprint=blueprint, environment={"A": "the-key"})
    assert order.start_line()["options"] == {"environment": {"A": "the-key", "B": "kind"}}
    assert "the-key" not in json.dumps(container_config(order, OWNER, network="n", publish=False, seccomp="{}"))
    assert "the-key" not in repr(order)


def test_a_box_gets_no_rights_that_it_does_not_need() -> None:
    """No new privileges and our own list of system calls; AppArmor's profile would forbid the user land its mounts."""
    host = container_config(ORDER, OWNER, network="n", publish=False, seccomp="{}")["HostConfig"]
    assert host["SecurityOpt"] == ["no-new-privileges", "seccomp={}", "apparmor=unconfined"]
    assert (host["CapDrop"], host["ReadonlyRootfs"]) == (["ALL"], True)


def test_ports_are_published_on_loopback_only_where_they_must_be() -> None:
    """On Linux the manager talks to the container's address, and nothing is published."""
    bridged = container_config(ORDER, OWNER, network="n", publish=False, seccomp="{}")
    assert bridged["HostConfig"]["PortBindings"] == {} == bridged["ExposedPorts"]
    published = container_config(ORDER, OWNER, network="n", publish=True, seccomp="{}")
    bindings = published["HostConfig"]["PortBindings"]
    assert set(bindings) == {"7000/tcp", "7001/tcp"} == set(published["ExposedPorts"])
    assert {binding["HostIp"] for port in bindings.values() for binding in port} == {"127.0.0.1"}


def test_the_seccomp_profile_denies_by_default() -> None:
    """It is a list of what is allowed, on one line for the API."""
    profile = seccomp_profile()
    assert "\n" not in profile
    assert json.loads(profile)["defaultAction"] in ("SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS")
