"""Builds on a real engine, of images so small that they take a second."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import docker.errors
import pytest

from agentscope_runtime.sandbox_manager.builder import debian
from agentscope_runtime.sandbox_manager.builder.build import INPUTS, STAGE, Builder, Plan, build_arguments
from agentscope_runtime.sandbox_manager.builder.certificates import Authorities
from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed, UnverifiedTLS
from agentscope_runtime.sandbox_manager.builder.progress import Progress
from agentscope_runtime.sandbox_manager.builder.recipes import Recipe

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nbWFkZSB1cA==\n-----END CERTIFICATE-----\n"


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    """Connect to the engine."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def plan(engine: docker.DockerClient, tmp_path: Path) -> Iterator[Plan]:
    """Plan an image on the Debian base, in a folder of images that the test may change."""
    recipe = Recipe("small", f"builder-test-{tmp_path.name.lower()}")
    folder = tmp_path / "images"
    (folder / "small").mkdir(parents=True)
    (folder / "small" / "greeting.txt").write_text("hello")
    write(folder, "COPY small/greeting.txt /greeting.txt")
    yield Plan(recipe, folder, debian.find(engine, Progress(io.StringIO()), tmp_path / "debian.log"))
    for image in engine.images.list(recipe.uri.rpartition(":")[0]):
        engine.images.remove(str(image.id), force=True)


def write(folder: Path, *lines: str) -> None:
    """Write the Dockerfile."""
    (folder / "small" / "Dockerfile").write_text("\n".join(["ARG BASE", "FROM ${BASE}", *lines]))


def builder(engine: docker.DockerClient, plan: Plan) -> Builder:
    """Make a builder that says nothing."""
    return Builder(engine, Progress(io.StringIO()), plan.folder.parent / "logs")


def output(engine: docker.DockerClient, plan: Plan, command: str) -> str:
    """Run a command in the image that was built."""
    container = engine.containers.create(plan.recipe.uri, ["sh", "-c", command], network_mode="none")
    try:
        container.start()
        container.wait(timeout=60)  # only then are the logs complete
        return bytes(container.logs(stderr=False)).decode()
    finally:
        container.remove(force=True)


@pytest.mark.docker
def test_an_image_is_built_once_and_again_after_a_change(engine: docker.DockerClient, plan: Plan) -> None:
    """Unchanged inputs need no build; a changed one does, and the image that it replaces goes."""
    build = builder(engine, plan)
    assert not build.up_to_date(plan)
    first = build.build(plan)
    assert build.up_to_date(plan)
    assert output(engine, plan, "cat /greeting.txt") == "hello"

    (plan.folder / "small" / "greeting.txt").write_text("good-bye")
    assert not build.up_to_date(plan)
    second = build.build(plan)
    assert second != first
    assert output(engine, plan, "cat /greeting.txt") == "good-bye"
    with pytest.raises(docker.errors.ImageNotFound):
        engine.images.get(first)


@pytest.mark.docker
def test_stages_of_earlier_builds_go_and_the_last_ones_stay_as_cache(engine: docker.DockerClient, plan: Plan) -> None:
    """An engine does not fill up with what nobody uses, and the next build need not do everything again."""
    name = f"stage-{plan.recipe.image}"
    plan = replace(plan, recipe=replace(plan.recipe, name=name))
    (plan.folder / "small").rename(plan.folder / name)
    dockerfile = plan.folder / name / "Dockerfile"
    made = f"FROM ${{BASE}} AS made\nCOPY {name}/greeting.txt /made\nRUN cat /made >/copied\n"
    dockerfile.write_text(f"ARG BASE\n{made}FROM ${{BASE}}\nCOPY --from=made /copied /copied\n")

    def stages() -> set[str]:
        dangling = engine.images.list(filters={"dangling": True, "label": f"{STAGE}={name}"})
        return {str(image.id) for image in dangling}

    build = builder(engine, plan)
    build.build(plan)
    first = stages()
    assert len(first) == 1
    build.build(replace(plan, revision="the same stage, found in the cache"))
    assert stages() == first
    (plan.folder / name / "greeting.txt").write_text("good-bye")
    build.build(plan)
    second = stages()
    assert len(second) == 1
    assert second != first
    assert output(engine, plan, "cat /copied") == "good-bye"
    engine.images.remove(second.pop())


@pytest.mark.docker
def test_with_node_is_another_image(engine: docker.DockerClient, plan: Plan) -> None:
    """Where the one without it is up to date; images that are laid on it have it from there."""
    write(plan.folder, "ARG NODE", "RUN echo ${NODE:-without} >/node.txt")
    shutil.copytree(plan.folder / plan.recipe.name, plan.folder / "base")
    base = replace(plan, recipe=replace(plan.recipe, name="base"))
    build, with_node = builder(engine, plan), replace(base, with_node=True)
    build.build(base)
    assert output(engine, base, "cat /node.txt") == "without\n"
    assert build.up_to_date(base) and not build.up_to_date(with_node)
    build.build(with_node)
    assert output(engine, with_node, "cat /node.txt") == "yes\n"
    assert build.up_to_date(with_node) and not build.up_to_date(base)
    assert build.fingerprint(plan) == build.fingerprint(replace(plan, with_node=True))


@pytest.mark.docker
def test_an_image_says_what_it_was_made_from(engine: docker.DockerClient, plan: Plan) -> None:
    """Labels carry the hash of the inputs, the revision and the time."""
    build = builder(engine, plan)
    build.build(replace(plan, revision="abc123"))
    labels = engine.images.get(plan.recipe.uri).labels
    assert labels[INPUTS] == build.fingerprint(plan)
    assert labels["org.opencontainers.image.revision"] == "abc123"
    assert "org.opencontainers.image.created" in labels


@pytest.mark.docker
def test_a_failing_step_is_named_with_its_output(engine: docker.DockerClient, plan: Plan) -> None:
    """The failure holds the end of the output, and the log all of it."""
    write(plan.folder, "RUN echo about to fail && false")
    with pytest.raises(BuildFailed, match="RUN echo about to fail") as failure:
        builder(engine, plan).build(plan)
    assert "about to fail" in failure.value.tail
    assert failure.value.log is not None
    assert "non-zero code" in failure.value.log.read_text()


@pytest.mark.docker
def test_a_step_that_cannot_verify_a_server_is_told_apart(engine: docker.DockerClient, plan: Plan) -> None:
    """It works as soon as the build is given the CA."""
    write(
        plan.folder,
        "COPY .build/ca.pem /tmp/ca.pem",
        "RUN test -s /tmp/ca.pem || { echo SSL: certificate verify failed; exit 1; }",
    )
    build = builder(engine, plan)
    with pytest.raises(UnverifiedTLS):
        build.build(plan)
    build.build(replace(plan, authorities=Authorities(CERTIFICATE)))


@pytest.mark.docker
def test_a_ca_stays_only_if_it_is_kept(engine: docker.DockerClient, plan: Plan) -> None:
    """With keep_ca it is laid on top, and the image keeps its user; keeping it or not makes another image."""
    write(plan.folder, "USER 1000:1000")
    build = builder(engine, plan)
    with_ca = replace(plan, authorities=Authorities(CERTIFICATE))
    kept = replace(with_ca, keep_ca=True)
    look = "cat /usr/local/share/ca-certificates/*.crt 2>/dev/null; id -u"
    build.build(with_ca)
    assert output(engine, plan, look) == "1000\n"
    assert build.up_to_date(plan)
    assert not build.up_to_date(kept)
    build.build(kept)
    assert output(engine, plan, look) == CERTIFICATE.decode() + "1000\n"
    assert build.up_to_date(kept)


def test_build_arguments_are_those_that_the_dockerfile_knows() -> None:
    """Proxies always; the index only where it is declared; nothing else of the environment."""
    environ = {"https_proxy": "http://proxy:3128", "PIP_INDEX_URL": "https://index", "SECRET": "no"}
    proxies = {"https_proxy": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128"}
    assert build_arguments("debian", {"BASE"}, environ) == {"BASE": "debian", **proxies}
    assert build_arguments("debian", {"PIP_INDEX_URL"}, environ) == {"PIP_INDEX_URL": "https://index", **proxies}
