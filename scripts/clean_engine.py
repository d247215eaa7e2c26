"""Remove from the container engine what this installation left there, and the images that we made.

Only what carries this installation's label: another user's sandboxes on the same engine are not ours to end.
"""

from __future__ import annotations

import sys

import docker
import docker.errors

from agentscope_runtime.sandbox_manager.backends.docker_network import NAME
from agentscope_runtime.sandbox_manager.builder import debian
from agentscope_runtime.sandbox_manager.builder.build import INPUTS, STAGE
from agentscope_runtime.sandbox_manager.keys import installation_id
from agentscope_runtime.sandbox_manager.settings import default_state_dir


def remove_sandboxes(engine: docker.DockerClient) -> None:
    """Remove containers, then the volumes that they used, and the network unless somebody else uses it."""
    ours: dict[str, str | list[str] | bool] = {
        "label": f"agentscope_runtime.installation={installation_id(default_state_dir())}"
    }
    for container in engine.containers.list(all=True, filters=ours):
        print(f"clean    removing container {container.name}")
        container.remove(force=True, v=True)
    for volume in engine.volumes.list(filters=ours):
        print(f"clean    removing volume {volume.name}")
        volume.remove(force=True)
    for network in engine.networks.list(names=[f"^{NAME}$"]):
        if not network.attrs.get("Containers") and not engine.containers.list(all=True, filters={"network": NAME}):
            print(f"clean    removing network {network.name}")
            network.remove()


def remove_images(engine: docker.DockerClient) -> None:
    """Remove the images that carry our label, the youngest first, since later ones stand on earlier ones."""
    images = engine.images.list(filters={"label": INPUTS})
    images.sort(key=lambda image: str(image.attrs["Created"]), reverse=True)
    for name in [tag for image in images for tag in image.tags] + [debian.bootstrapped(), debian.PULLED]:
        try:
            engine.images.remove(name)
        except docker.errors.ImageNotFound:
            continue
        except docker.errors.APIError as error:
            print(f"clean    image {name} stays: {error.explanation}")
            continue
        print(f"clean    removed image {name}")
    freed = engine.images.prune(filters={"dangling": True, "label": STAGE})["SpaceReclaimed"]
    print(f"clean    removed what builds left as cache: {int(freed) / 1e6:.0f} MB")


def main() -> int:
    """Remove it all; return the exit status."""
    try:
        engine = docker.from_env()
        engine.ping()
    except (docker.errors.DockerException, OSError):
        print("clean    no container engine answers")
        return 0
    try:
        remove_sandboxes(engine)
        remove_images(engine)
    except docker.errors.APIError as error:
        print(f"clean    the engine refused: {error.explanation}", file=sys.stderr)
        return 1
    finally:
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
