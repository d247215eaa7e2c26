"""The command `runtime-sandbox-builder`: options in, images out, one exit status::

    runtime-sandbox-builder             make every image whose inputs changed
    runtime-sandbox-builder browser     make this one, and those below it
    runtime-sandbox-builder robot --extension robot.py --dockerfile_path robot/Dockerfile
                                        make the image of a type of one's own
    runtime-sandbox-builder --check     only tell whether noVNC's bundle fits its inputs; needs no engine

What each step does is in the modules beside this one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import docker
import docker.errors

from agentscope_runtime.sandbox.places import default_state_dir
from agentscope_runtime.sandbox.types import plain_type
from agentscope_runtime.sandbox.utils import dynamic_import
from agentscope_runtime.sandbox_manager.builder import certificates, debian, own, product
from agentscope_runtime.sandbox_manager.builder.build import Builder, Plan, size
from agentscope_runtime.sandbox_manager.builder.certificates import Authorities
from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed, UnverifiedTLS
from agentscope_runtime.sandbox_manager.builder.progress import Progress
from agentscope_runtime.sandbox_manager.builder.recipes import RECIPES, Recipe, images_folder

PLATFORMS = ("linux/amd64", "linux/arm64")
ENGINE_SECONDS = 1800
"""How long the engine may be silent: a step that compiles writes nothing for minutes."""


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    options = argparse.ArgumentParser(
        prog="runtime-sandbox-builder",
        description="Make the sandbox images on this container engine. What is up to date is left alone.",
    )
    options.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(RECIPES)} or all (the default)")
    options.add_argument("--no-cache", action="store_true", help="make them anew, even if nothing changed")
    options.add_argument(
        "--ca-bundle",
        metavar="FILE",
        help="CA certificates (PEM) that build steps trust; 'none' for the public ones only "
        "(default: this host's, if the package index cannot be verified without)",
    )
    options.add_argument("--keep-ca", action="store_true", help="leave that CA in the images; else nothing of it stays")
    options.add_argument("--with-node", action="store_true", help="with Node, npm and npx for users' code, 140 MB more")
    options.add_argument("--base", metavar="IMAGE", help="the Debian image to build on, instead of finding one")
    options.add_argument(
        "--dockerfile_path",
        "--dockerfile-path",
        type=Path,
        metavar="FILE",
        help="of the one image that is named; its folder is the build context",
    )
    options.add_argument(
        "--extension",
        action="append",
        default=[],
        metavar="FILE|MODULE",
        help="Python code that registers sandbox types of your own; may be repeated",
    )
    options.add_argument("--platform", choices=PLATFORMS, help="of the images (default: the engine's own)")
    options.add_argument("--check", action="store_true", help="make nothing; fail if noVNC's bundle is out of date")
    return options


@dataclass
class Run:
    """One call of the command."""

    engine: docker.DockerClient
    progress: Progress
    options: argparse.Namespace
    folder: Path
    logs: Path
    made: int = 0
    platform: str | None = None
    _below: str | None = None
    _authorities: Authorities | None = None
    _done: dict[str, bool] = field(default_factory=dict)

    def make(self, recipe: Recipe) -> None:
        """Make one image, and those below it, unless that is done."""
        if self._done.setdefault(recipe.name, False):
            return
        if recipe.parent is not None:
            self.make(RECIPES[recipe.parent])
        self._done[recipe.name] = True
        if recipe.product is not None and not self.options.no_cache and product.up_to_date(self.folder, recipe):
            return
        plan = Plan(
            recipe,
            self.folder if recipe.dockerfile is None else recipe.dockerfile.parent,
            self._image_below(recipe),
            keep_ca=self.options.keep_ca,
            with_node=self.options.with_node,
            platform=self.platform,
        )
        builder = Builder(self.engine, self.progress, self.logs)
        if self.options.keep_ca:
            plan = replace(plan, authorities=self._chosen())
        if self.options.no_cache or not builder.up_to_date(plan):
            self._build(builder, plan)
        if recipe.product is not None:
            path = product.take_out(self.engine, self.folder, recipe)
            self.progress.line(f"{recipe.name:8} wrote {path.name}: {path.stat().st_size / 1e3:.0f} kB")

    def _build(self, builder: Builder, plan: Plan) -> None:
        plan = replace(
            plan, authorities=self._chosen(), no_cache=self.options.no_cache, revision=_revision(plan.folder)
        )
        try:
            builder.build(plan)
        except UnverifiedTLS:
            if not plan.authorities.may_retry:
                raise
            # The package index was fine, another server was not.
            self._authorities = certificates.of_host()
            self.progress.line(f"ca       a step met an unknown issuer: again, with {self._authorities.origin}")
            builder.build(replace(plan, authorities=self._authorities))
        self.made += 1

    def _image_below(self, recipe: Recipe) -> str:
        if recipe.parent is not None:
            return RECIPES[recipe.parent].uri
        if recipe.dockerfile is not None:
            return own.below(recipe.dockerfile.read_text(encoding="utf-8"))
        if self._below is None:
            self._below = debian.find(
                self.engine, self.progress, self.logs / "debian.log", self.options.base, self.platform
            )
        return self._below

    def _chosen(self) -> Authorities:
        if self._authorities is None:
            self._authorities = certificates.choose(self.options.ca_bundle)
            self.progress.line(f"ca       host CA bundle for build steps: {self._authorities.origin}")
        return self._authorities


def _revision(folder: Path) -> str:
    """Return the commit that is built, with `+changes` if the work tree differs; `unknown` outside of git."""
    try:
        described = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"
    return described.stdout.strip() or "unknown"


def _connect() -> docker.DockerClient:
    try:
        engine = docker.from_env(timeout=ENGINE_SECONDS)
        engine.ping()
    except (docker.errors.DockerException, OSError) as error:
        raise BuildFailed(
            f"no container engine answers: {' '.join(str(error).split())[:200]}",
            "Start it (make docker installs and starts one on Debian and Ubuntu), or set DOCKER_HOST.",
        ) from error
    return engine


def _logs(folder: Path) -> Path:
    """Return the folder for the output of builds: in the checkout, else in this user's state folder."""
    if (folder.parent / "pyproject.toml").is_file():
        return folder.parent / "build" / "logs"
    return default_state_dir() / "logs"


def _chosen_recipes(names: Sequence[str], dockerfile: Path | None) -> list[Recipe]:
    if dockerfile is not None:
        if len(names) != 1 or names[0] == "all":
            raise BuildFailed("--dockerfile_path is of one image, and not one is named", "Name it: NAME, then options.")
        return [own.own_recipe(plain_type(names[0]), dockerfile)]
    if not names or "all" in names:
        return list(RECIPES.values())
    if unknown := [name for name in names if name not in RECIPES]:
        cure = f"There are: {', '.join(RECIPES)}, all. One of your own needs --dockerfile_path, and --extension."
        raise BuildFailed(f"there is no image {', '.join(unknown)}", cure)
    return [RECIPES[name] for name in names]


def _load(extension: str) -> None:
    try:
        dynamic_import(extension)
    except Exception as error:
        what = f"--extension {extension} failed: {type(error).__name__}: {error}"
        raise BuildFailed(what, "Correct it, or its name.") from error


def _foreign(engine: docker.DockerClient, platform: str | None) -> str | None:
    """Return the platform if it is another one than the engine's own."""
    version = engine.version()
    return platform if platform != f"{version['Os']}/{version['Arch']}" else None


def run(options: argparse.Namespace, progress: Progress) -> None:
    """Do what the options say; raise BuildFailed if it cannot be done."""
    folder = images_folder()
    for extension in options.extension:
        _load(extension)
    chosen = _chosen_recipes(options.names, options.dockerfile_path)
    if options.check:
        stale = [r.name for r in chosen if r.product is not None and not product.up_to_date(folder, r)]
        if stale:
            raise BuildFailed(f"out of date: {', '.join(stale)}", "Run make images.")
        return
    engine = _connect()
    try:
        job = Run(engine, progress, options, folder, _logs(folder), platform=_foreign(engine, options.platform))
        for recipe in chosen:
            job.make(recipe)
        if not job.made:
            sizes = [f"{r.name} {size(engine, r.uri)}" for r in chosen if r.product is None]
            progress.line(f"images   up to date: {', '.join(sizes)}" if sizes else "images   up to date")
    finally:
        engine.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    try:
        run(parser().parse_args(arguments), Progress())
    except BuildFailed as failure:
        if failure.tail:
            print("\n".join(f"         | {line}" for line in failure.tail.splitlines()), file=sys.stderr)
        print(f"images   failed: {failure}", file=sys.stderr)
        if failure.log:
            print(f"         the whole output: {failure.log}", file=sys.stderr)
        print(f"         {failure.cure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nimages   stopped; the steps that were done are kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
