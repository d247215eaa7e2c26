"""Images of one's own: what `runtime-sandbox-builder NAME --dockerfile_path FILE` makes, and on what.

Their names are those that a registration gave; the Dockerfile stands where its maker wants it, and its folder is the
build context. Where it declares `ARG BASE`, it is laid on our image that the default names, `base` if it names none.
"""

from __future__ import annotations

import re
from pathlib import Path

from agentscope_runtime.sandbox.errors import UnknownSandboxType
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed
from agentscope_runtime.sandbox_manager.builder.recipes import RECIPES, Recipe

_BASE = re.compile(r"^\s*ARG\s+BASE\b(?:=(\S+))?", re.IGNORECASE | re.MULTILINE)
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)", re.IGNORECASE | re.MULTILINE)


def own_recipe(name: str, dockerfile: Path) -> Recipe:
    """Return how an image of one's own is made, or one of ours from another Dockerfile."""
    path = dockerfile.expanduser().resolve()
    if path.is_dir():
        path /= "Dockerfile"
    if not path.is_file():
        raise BuildFailed(f"there is no Dockerfile {path}", "Name the file with --dockerfile_path.")
    image = RECIPES[name].uri if name in RECIPES else _registered(name)
    return Recipe(name, image, parent=parent_of(path.read_text(encoding="utf-8")), dockerfile=path)


def parent_of(dockerfile: str) -> str | None:
    """Return which of our recipes makes the image that this one is laid on; None where none of them does."""
    if declared := _BASE.search(dockerfile):
        return _ours(declared[1] or "") or "base"
    return _ours(below(dockerfile))


def below(dockerfile: str) -> str:
    """Return the image that this one is laid on, as the Dockerfile names it."""
    if (found := _FROM.search(dockerfile)) is None:
        raise BuildFailed("the Dockerfile has no FROM", "Begin it with: FROM and the image that it is laid on.")
    return found[1]


def _ours(image: str) -> str | None:
    plain = image.strip("\"'").rpartition("/")[2].partition(":")[0]
    return next((recipe.name for recipe in RECIPES.values() if recipe.image == plain), None)


def _registered(name: str) -> str:
    try:
        return SandboxRegistry.get_image_by_type(name)
    except UnknownSandboxType as error:
        cure = "Name the Python file or module that registers it: --extension FILE|MODULE."
        raise BuildFailed(f"nobody has registered a sandbox type {name}", cure) from error
