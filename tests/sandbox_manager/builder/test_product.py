"""A file that is built in an image and kept beside the code."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from agentscope_runtime.sandbox_manager.builder import debian, product
from agentscope_runtime.sandbox_manager.builder.build import Builder, Plan
from agentscope_runtime.sandbox_manager.builder.progress import Progress
from agentscope_runtime.sandbox_manager.builder.recipes import RECIPES, Recipe, images_folder


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Plan an image that makes one file, which belongs into a folder of the test."""
    recipe = Recipe("bundle", f"builder-test-{tmp_path.name.lower()}", product="/bundle.js")
    folder = tmp_path / "images"
    (folder / "bundle").mkdir(parents=True)
    (folder / "bundle" / "Dockerfile").write_text("ARG BASE\nFROM scratch\nCOPY bundle/source.js /bundle.js\n")
    (folder / "bundle" / "source.js").write_text("export default 1;\n")
    monkeypatch.setattr(product, "place", lambda _: tmp_path / "bundle.js")
    return Plan(recipe, folder, below="")


@pytest.fixture
def engine(plan: Plan) -> Iterator[docker.DockerClient]:
    """Connect to the engine, and leave no image of the test behind."""
    client = docker.from_env()
    yield client
    for image in client.images.list(plan.recipe.uri.rpartition(":")[0]):
        client.images.remove(str(image.id), force=True)
    client.close()


@pytest.mark.docker
def test_a_product_is_copied_out_and_knows_its_inputs(engine: docker.DockerClient, plan: Plan, tmp_path: Path) -> None:
    """It is up to date until an input changes."""
    below = debian.find(engine, Progress(io.StringIO()), tmp_path / "debian.log")
    plan = Plan(plan.recipe, plan.folder, below)
    assert not product.up_to_date(plan.folder, plan.recipe)
    Builder(engine, Progress(io.StringIO()), tmp_path).build(plan)
    path = product.take_out(engine, plan.folder, plan.recipe)
    header, content = path.read_text().split("\n", 1)
    assert header.startswith("/* Built from images/bundle by `make images`")
    assert content == "export default 1;\n"
    assert product.up_to_date(plan.folder, plan.recipe)
    (plan.folder / "bundle" / "source.js").write_text("export default 2;\n")
    assert not product.up_to_date(plan.folder, plan.recipe)


def test_a_file_without_a_hash_is_out_of_date(plan: Plan, tmp_path: Path) -> None:
    """Whatever it is, it was not made here."""
    (tmp_path / "bundle.js").write_text("export default 1;\n")
    assert not product.up_to_date(plan.folder, plan.recipe)


@pytest.mark.docker
def test_the_packages_bundle_fits_its_inputs() -> None:
    """`make images`, which every test on an engine is run after, made it from images/novnc as it is now."""
    for recipe in RECIPES.values():
        assert recipe.product is None or product.up_to_date(images_folder(), recipe)
