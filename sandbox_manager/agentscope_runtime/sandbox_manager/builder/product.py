"""A file that is built in an image and wanted outside: noVNC's bundle, which the manager serves from its package.

It is made once per checkout and carried by the wheel, so no host needs Node. Its first line carries the hash of what it
was made from; when that differs, it is made again.
"""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import docker

from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed
from agentscope_runtime.sandbox_manager.builder.recipes import Recipe, fingerprint, input_files

_HEADER = "/* Built from images/{name} by `make images`; inputs {inputs} */\n"
_INPUTS = re.compile(rb"inputs ([0-9a-f]{64}) \*/")


def place(recipe: Recipe) -> Path:
    """Return where the product of an image belongs."""
    assert recipe.product is not None
    return Path(__file__).resolve().parent.parent / "pages" / Path(recipe.product).name


def wanted(folder: Path, recipe: Recipe) -> str:
    """Return the hash of what the product should be made from; of files alone, so the same on every machine."""
    return fingerprint(input_files(folder, recipe), "")


def up_to_date(folder: Path, recipe: Recipe) -> bool:
    """Tell whether the product is there and made from the inputs as they are now."""
    path = place(recipe)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        match = _INPUTS.search(file.readline())
    return match is not None and match[1].decode() == wanted(folder, recipe)


def take_out(engine: docker.DockerClient, folder: Path, recipe: Recipe) -> Path:
    """Copy the product out of its image to its place, whole or not at all; return the place."""
    assert recipe.product is not None
    # An image that was made for one file has nothing to run; the name is never used.
    container = engine.containers.create(recipe.uri, command=["never-started"])
    try:
        stream, _ = container.get_archive(recipe.product)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            member = tar.extractfile(Path(recipe.product).name)
            if member is None:
                raise BuildFailed(f"{recipe.product} of {recipe.uri} is no file", "Its Dockerfile has to make one.")
            content = member.read()
    finally:
        container.remove()
    path = place(recipe)
    draft = path.with_suffix(".draft")
    draft.write_bytes(_HEADER.format(name=recipe.name, inputs=wanted(folder, recipe)).encode() + content)
    draft.replace(path)
    return path
