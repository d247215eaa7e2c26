"""One image, made by the engine's classic builder from a context in memory.

The classic builder is in every engine since the first; BuildKit is not, and needs a client that the SDK does not have.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import docker
import docker.errors

from agentscope_runtime.sandbox_manager.builder.certificates import PUBLIC, Authorities
from agentscope_runtime.sandbox_manager.builder.failures import explain
from agentscope_runtime.sandbox_manager.builder.progress import Progress, Steps
from agentscope_runtime.sandbox_manager.builder.recipes import (
    CA_IN_CONTEXT,
    Recipe,
    arguments,
    fingerprint,
    input_files,
    mark_stages,
    pack,
)

INPUTS = "agentscope_runtime.inputs"
"""Label with the hash of what an image was made from."""

STAGE = "agentscope_runtime.stage"
"""Label with the recipe's name, on the final image and on those that stages before it leave as cache."""

_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"})
_INDEXES = frozenset({"PIP_INDEX_URL", "PIP_TRUSTED_HOST", "NPM_CONFIG_REGISTRY"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be built, and how."""

    recipe: Recipe
    folder: Path
    """images/."""
    below: str
    """The image that it is laid on."""
    authorities: Authorities = PUBLIC
    keep_ca: bool = False
    no_cache: bool = False
    with_node: bool = False
    """Whether the base image has Node, and so all that are laid on it."""
    platform: str | None = None
    """Another one than the engine's own, such as `linux/arm64`."""
    revision: str = "unknown"


class Builder:
    """Makes images on one engine."""

    def __init__(self, engine: docker.DockerClient, progress: Progress, logs: Path) -> None:
        """Build on `engine`, tell `progress`, and keep each build's output in the folder `logs`."""
        self._engine = engine
        self._progress = progress
        self._logs = logs

    def up_to_date(self, plan: Plan) -> bool:
        """Tell whether the engine has the image, made from the inputs as they are now."""
        try:
            present = self._engine.images.get(plan.recipe.uri)
        except docker.errors.ImageNotFound:
            return False
        return present.labels.get(INPUTS) == self.fingerprint(plan)

    def fingerprint(self, plan: Plan) -> str:
        """Return the hash of what the image is to be made from."""
        below = (self._id(plan.below) or plan.below) + (plan.platform or "")
        # A CA that only build steps see changes nothing in the image; one that stays does.
        kept = plan.authorities.pem.decode("latin-1") if plan.keep_ca else ""
        return fingerprint(
            input_files(plan.folder, plan.recipe), below + kept + ("node" if self._with_node(plan) else "")
        )

    @staticmethod
    def _with_node(plan: Plan) -> bool:
        """Tell whether this image is the one that Node is put into."""
        return plan.with_node and plan.recipe.name == "base"

    def build(self, plan: Plan) -> str:
        """Make the image and give it its name; return its id.

        Raises:
            UnverifiedTLS: a step could not verify a server.
            BuildFailed: anything else went wrong.
        """
        recipe, began = plan.recipe, time.monotonic()
        files = input_files(plan.folder, recipe)
        dockerfile = recipe.file
        instructions = files.pop(dockerfile).read_text(encoding="utf-8")
        previous = self._id(recipe.uri)
        self._progress.line(f"{recipe.name:8} building {recipe.uri} on {plan.below}")
        marked = {dockerfile: mark_stages(instructions, f"{STAGE}={recipe.name}")}
        context = pack(files, plan.authorities.pem, marked)
        values = build_arguments(plan.below, arguments(instructions))
        if self._with_node(plan):
            values["NODE"] = "yes"
        layers = self._run(plan, context, dockerfile, values)
        if plan.keep_ca and plan.authorities.pem:
            self._add_ca(plan)
        image = self._engine.images.get(recipe.uri)
        took = f"{time.monotonic() - began:.0f} s"
        self._progress.line(f"{recipe.name:8} made {recipe.uri}: {size(self._engine, recipe.uri)} in {took}")
        if previous and previous != image.id:
            self._forget(previous)
        self._forget_stages(recipe, layers)
        return str(image.id)

    def _run(self, plan: Plan, context: io.BytesIO, dockerfile: str, values: Mapping[str, str]) -> set[str]:
        """Let the engine build, and name what it made; return the short ids of all that it made on the way."""
        path = self._logs / f"image-{plan.recipe.name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        labels = {
            INPUTS: self.fingerprint(plan),
            "org.opencontainers.image.created": datetime.now(UTC).isoformat(timespec="seconds"),
            "org.opencontainers.image.revision": plan.revision,
            "org.opencontainers.image.title": plan.recipe.image,
        }
        with path.open("w", encoding="utf-8") as log, self._progress.doing(plan.recipe.name):
            steps = Steps(self._progress, log)
            events = self._engine.api.build(
                fileobj=context,
                custom_context=True,
                dockerfile=dockerfile,
                tag=plan.recipe.uri,
                buildargs=dict(values),
                labels=labels,
                nocache=plan.no_cache,
                platform=plan.platform,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for event in events:
                steps.take(event)
            if not steps.error:
                steps.finish_step()
        if steps.error:
            what = f"the image {plan.recipe.name} could not be built, at: {steps.current}"
            raise explain(what, path.read_text(encoding="utf-8"), path)
        return steps.layers

    def _add_ca(self, plan: Plan) -> None:
        """Lay the CA bundle on the image that was just made, for those who want it to stay."""
        user = self._engine.images.get(plan.recipe.uri).attrs["Config"].get("User") or "root"
        lines = [
            f"FROM {plan.recipe.uri}",
            "USER root",
            f"COPY {CA_IN_CONTEXT} /usr/local/share/ca-certificates/build-ca.crt",
            "RUN update-ca-certificates",
            f"USER {user}",
        ]
        context = pack({}, plan.authorities.pem, {"Dockerfile": "\n".join(lines).encode()})
        self._run(plan, context, "Dockerfile", build_arguments(plan.below, set()))

    def _id(self, name: str) -> str | None:
        try:
            return str(self._engine.images.get(name).id)
        except docker.errors.ImageNotFound:
            return None

    def _forget_stages(self, recipe: Recipe, used: set[str]) -> None:
        """Remove what stages of earlier builds left, over a gigabyte each time; what this one used is its cache."""
        left = {"dangling": True, "label": f"{STAGE}={recipe.name}"}
        for image in self._engine.images.list(filters=left):
            image_id = str(image.id)
            if image_id.removeprefix("sha256:")[:12] not in used:
                self._forget(image_id)

    def _forget(self, image_id: str) -> None:
        """Remove the image that the new one replaces, unless somebody still uses it."""
        try:
            self._engine.images.remove(image_id)
        except docker.errors.APIError:
            return  # a running sandbox, or a tag of the user's own, holds it


def size(engine: docker.DockerClient, name: str) -> str:
    """Return how large an image is, as people say it."""
    megabytes = int(engine.images.get(name).attrs["Size"]) / 1e6
    return f"{megabytes:.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"


def build_arguments(below: str, declared: set[str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the build arguments: the image below, and of this host's environment what a step may need.

    Proxies are known to every build, and the engine keeps them out of the image. The others reach a step only where
    its Dockerfile declares them; an engine warns of those that it does not.
    """
    given = {"BASE": below} | {name: environ[name] for name in _INDEXES if environ.get(name)}
    given = {name: value for name, value in given.items() if name in declared}
    for name in _PROXIES:
        if value := environ.get(name) or environ.get(name.lower()):
            given |= {name: value, name.lower(): value}
    return given
