"""What an image is made from: which files count, when their hash changes, what the build context holds."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed
from agentscope_runtime.sandbox_manager.builder.recipes import (
    CA_IN_CONTEXT,
    RECIPES,
    Recipe,
    arguments,
    copied,
    fingerprint,
    images_folder,
    input_files,
    pack,
)

DOCKERFILE = """
ARG BASE
FROM ${BASE} AS tools
# COPY nothing /here
COPY --chown=1000:1000 .build/ca.pem \\
     box/one.txt shared/ /opt/
COPY ["box/two.txt", "/opt/two.txt"]
FROM ${BASE}
ARG PIP_INDEX_URL=none
COPY --from=tools /opt /opt
"""

RECIPE = Recipe("box", "box")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of images with one image in it."""
    for name, text in {
        "box/Dockerfile": DOCKERFILE,
        "box/one.txt": "one",
        "box/two.txt": "two",
        "box/notes.txt": "not copied",
        "shared/deep/three.txt": "three",
        "shared/__pycache__/three.pyc": "leftover",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_inputs_are_what_the_dockerfile_copies(folder: Path) -> None:
    """Comments, other stages and the CA are no inputs; folders are taken whole, without Python's caches."""
    assert copied(DOCKERFILE) == ["box/one.txt", "shared", "box/two.txt"]
    assert list(input_files(folder, RECIPE)) == [
        "box/Dockerfile",
        "box/one.txt",
        "box/two.txt",
        "shared/deep/three.txt",
    ]


def test_declared_arguments_are_found() -> None:
    """An argument with a default counts as declared."""
    assert arguments(DOCKERFILE) == {"BASE", "PIP_INDEX_URL"}


@pytest.mark.parametrize("change", ["box/one.txt", "shared/deep/three.txt", "box/Dockerfile"])
def test_the_hash_changes_with_each_input(folder: Path, change: str) -> None:
    """A change in any input, and in no other file, makes another image."""
    before = fingerprint(input_files(folder, RECIPE), "debian")
    (folder / "box/notes.txt").write_text("changed")
    assert fingerprint(input_files(folder, RECIPE), "debian") == before
    (folder / change).write_text((folder / change).read_text() + "\n")
    assert fingerprint(input_files(folder, RECIPE), "debian") != before


def test_the_hash_changes_with_the_image_below_and_the_mode(folder: Path) -> None:
    """What is executable, and what an image stands on, are part of it; a group's write bit is not."""
    before = fingerprint(input_files(folder, RECIPE), "debian")
    assert fingerprint(input_files(folder, RECIPE), "another") != before
    (folder / "box/one.txt").chmod(0o664)
    assert fingerprint(input_files(folder, RECIPE), "debian") == before
    (folder / "box/one.txt").chmod(0o755)
    assert fingerprint(input_files(folder, RECIPE), "debian") != before


def test_a_missing_input_is_named(folder: Path) -> None:
    """A Dockerfile that copies what is not there is told of before the engine is asked."""
    (folder / "box/two.txt").unlink()
    with pytest.raises(BuildFailed, match=r"box/two\.txt"):
        input_files(folder, RECIPE)


def test_the_context_always_holds_the_ca_file(folder: Path) -> None:
    """A COPY of it works on every network: where no CA is needed, it is empty."""
    files = input_files(folder, RECIPE)
    for ca in (b"", b"a certificate"):
        with tarfile.open(fileobj=pack(files, ca)) as tar:
            assert set(tar.getnames()) == {*files, CA_IN_CONTEXT}
            member = tar.extractfile(CA_IN_CONTEXT)
            assert member is not None
            assert member.read() == ca


def test_the_context_is_the_same_for_the_same_inputs(folder: Path) -> None:
    """Times and owners of the checkout do not reach the image."""
    first = pack(input_files(folder, RECIPE), b"").getvalue()
    (folder / "box/one.txt").touch()
    assert pack(input_files(folder, RECIPE), b"").getvalue() == first


def test_the_projects_own_images_have_their_inputs() -> None:
    """Every COPY of our Dockerfiles finds its file, and each image's parent is made before it."""
    made: set[str] = set()
    for recipe in RECIPES.values():
        assert recipe.parent is None or recipe.parent in made
        made.add(recipe.name)
        assert input_files(images_folder(), recipe)
        assert "BASE" in arguments((images_folder() / recipe.name / "Dockerfile").read_text())
