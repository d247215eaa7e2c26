"""Which images there are, which is made on which, and what each is made from.

An image's inputs are its Dockerfile, the files that its COPY lines name, and the image below it. Their hash, kept as a
label, tells whether an image has to be made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agentscope_runtime.sandbox.registry import build_image_uri
from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed

CA_IN_CONTEXT = ".build/ca.pem"
"""Where a Dockerfile finds the CA bundle for its build steps: always there, empty when none is needed."""

_LEFT_OUT = {".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one image is made."""

    name: str
    """The folder below images/, and what the command calls it."""
    image: str
    """The image's name without registry, namespace and tag."""
    parent: str | None = None
    """The recipe of the image below; None is Debian itself."""
    product: str | None = None
    """A file that is wanted out of the image, instead of the image."""
    dockerfile: Path | None = None
    """Of an image of one's own: where it is made from; its folder is the build context, and `image` the full name."""

    @property
    def uri(self) -> str:
        """The full image name, by the environment of this moment."""
        return build_image_uri(self.image) if self.dockerfile is None else self.image

    @property
    def file(self) -> str:
        """The Dockerfile, as a path in the build context."""
        return f"{self.name}/Dockerfile" if self.dockerfile is None else self.dockerfile.name


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("base", "runtime-sandbox-base"),
        Recipe("browser", "runtime-sandbox-browser", parent="base"),
        Recipe("filesystem", "runtime-sandbox-filesystem", parent="base"),
        Recipe("gui", "runtime-sandbox-gui", parent="browser"),
        Recipe("novnc", "runtime-novnc-bundle", product="/novnc.js"),
        Recipe("xterm", "runtime-xterm-bundle", product="/xterm.js"),
    )
}
"""In an order in which each finds its parent made."""


def images_folder() -> Path:
    """Return the folder with the Dockerfiles: of the checkout, else the copy that the wheel carries."""
    here = Path(__file__).resolve()
    for folder in (here.parents[4] / "images", here.with_name("images")):
        if (folder / "sandbox_server").is_dir():
            return folder
    raise BuildFailed("the image folders are not there", "Reinstall the package, or run this in a checkout.")


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yield the instructions as (name, rest), comments left out and continued lines joined."""
    lines = (line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\s*\n", " ", "\n".join(lines)).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name:
            yield name.upper(), rest.strip()


def copied(dockerfile: str) -> list[str]:
    """Return what the COPY and ADD lines take from the build context."""
    found: list[str] = []
    for name, rest in _instructions(dockerfile):
        if name not in {"COPY", "ADD"} or "--from=" in rest:
            continue
        rest = re.sub(r"--\S+\s+", "", rest)
        words: list[str] = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
        found += [word.removeprefix("./").rstrip("/") for word in words[:-1]]
    return [source for source in found if source != CA_IN_CONTEXT]


def arguments(dockerfile: str) -> set[str]:
    """Return the names of the build arguments that it declares."""
    return {rest.partition("=")[0].strip() for name, rest in _instructions(dockerfile) if name == "ARG"}


def mark_stages(dockerfile: str, label: str) -> bytes:
    """Return the Dockerfile with a label on each of its stages, by which what they leave on the engine is found."""
    return re.sub(r"^(FROM .*)$", rf"\1\nLABEL {label}", dockerfile, flags=re.MULTILINE).encode()


def input_files(folder: Path, recipe: Recipe) -> dict[str, Path]:
    """Return the files that the image is made from, by their path in the build context, sorted."""
    dockerfile = folder / recipe.file
    if not dockerfile.is_file():
        raise BuildFailed(f"there is no {dockerfile}", f"The images are: {', '.join(RECIPES)}.")
    found = {recipe.file: dockerfile}
    for source in copied(dockerfile.read_text(encoding="utf-8")):
        matches = _matches(folder, source)
        if not matches:
            raise BuildFailed(f"{recipe.file} copies {source}, and {folder.name}/ has no such file", "Correct one.")
        for match in matches:
            for path in sorted(match.rglob("*")) if match.is_dir() else [match]:
                inside = path.relative_to(folder)
                if path.is_file() and not _LEFT_OUT & set(inside.parts):
                    found[inside.as_posix()] = path
    return dict(sorted(found.items()))


def _matches(folder: Path, source: str) -> list[Path]:
    """Return what a source of COPY names in the build context; nothing outside of it."""
    if ".." in Path(source).parts:
        return []
    return [folder] if source in ("", ".") else sorted(folder.glob(source.lstrip("/")))


def _mode(path: Path) -> int:
    """Return 0755 for what is executable, else 0644: a checkout's other bits depend on who made it."""
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def fingerprint(files: Mapping[str, Path], below: str) -> str:
    """Return a hash of the inputs; `below` identifies the image that they are laid on."""
    digest = hashlib.sha256(below.encode())
    for inside, path in files.items():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{inside}\0{_mode(path):o}\0{content}\n".encode())
    return digest.hexdigest()


def pack(files: Mapping[str, Path], ca: bytes, made_up: Mapping[str, bytes] | None = None) -> io.BytesIO:
    """Return the build context as a tar: the inputs and the CA bundle, the same bytes for the same inputs.

    Args:
        files: The inputs, by their path in the context.
        ca: The CA bundle, empty where none is needed.
        made_up: Further files, which are on no disk.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for inside, path in files.items():
            _add(tar, inside, path.read_bytes(), _mode(path))
        for inside, content in (made_up or {}).items():
            _add(tar, inside, content, 0o644)
        _add(tar, CA_IN_CONTEXT, ca, 0o644)
    buffer.seek(0)
    return buffer


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
