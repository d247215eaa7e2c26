"""Images of one's own: what they are called, and what they are laid on."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox_manager.builder.failures import BuildFailed
from agentscope_runtime.sandbox_manager.builder.own import own_recipe, parent_of
from agentscope_runtime.sandbox_manager.builder.recipes import input_files


@pytest.mark.parametrize(
    ("dockerfile", "parent"),
    [
        ("ARG BASE\nFROM ${BASE}\n", "base"),
        ("ARG BASE=agentscope/runtime-sandbox-browser:latest\nFROM $BASE\n", "browser"),
        ("# mine\nFROM --platform=linux/amd64 registry.example.org:5000/us/runtime-sandbox-base:2 AS box\n", "base"),
        ("FROM debian:bookworm-slim\n", None),
        ("ARG BASE=debian:bookworm\nFROM ${BASE}\n", "base"),
    ],
)
def test_what_it_is_laid_on(dockerfile: str, parent: str | None) -> None:
    """One of ours is made first, or left alone, as for our own images."""
    assert parent_of(dockerfile) == parent


def test_a_dockerfile_without_from_is_refused() -> None:
    """With what to write."""
    with pytest.raises(BuildFailed, match="has no FROM"):
        parent_of("RUN true\n")


def test_the_name_is_the_registrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of ours may be made from another Dockerfile, too; a folder means the Dockerfile in it."""
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    monkeypatch.delenv("RUNTIME_SANDBOX_IMAGE_TAG", raising=False)
    SandboxRegistry.register("acme/robot:1", sandbox_type="robot")
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    recipe = own_recipe("robot", tmp_path)
    assert (recipe.uri, recipe.file, recipe.dockerfile) == ("acme/robot:1", "Dockerfile", tmp_path / "Dockerfile")
    assert own_recipe("base", tmp_path / "Dockerfile").uri == "agentscope/runtime-sandbox-base:latest"


def test_the_context_is_the_folder_of_the_dockerfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it for `COPY .`, and nothing outside of it."""
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    SandboxRegistry.register("acme/robot:1", sandbox_type="robot")
    folder = tmp_path / "robot"
    (folder / "tools").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("tools/a.toml", "b.py", ".git/config"):
        (folder / name).write_text(name)
    (folder / "Dockerfile").write_text("FROM x\nCOPY . /robot/\n")
    recipe = own_recipe("robot", folder)
    assert list(input_files(folder, recipe)) == ["Dockerfile", "b.py", "tools/a.toml"]
    (folder / "Dockerfile").write_text("FROM x\nCOPY ../outside /robot/\n")
    with pytest.raises(BuildFailed, match=r"Dockerfile copies \.\./outside, and robot/ has no such file"):
        input_files(folder, recipe)
