"""What importing the package offers, loads and costs."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import agentscope_runtime.sandbox as package

HEAVY = ("aiodocker", "aiohttp", "docker", "fastapi", "httpx", "rich", "starlette", "uvicorn")


def python(code: str) -> str:
    """Run code in a fresh interpreter that finds modules as this one does, and return what it prints."""
    program = f"import sys; sys.path[:0] = {sys.path!r}\n{code}"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.strip()


def test_all_names_exist() -> None:
    """Each public name can be had, is listed, and is kept."""
    for name in package.__all__:
        assert getattr(package, name) is getattr(package, name)
        assert name in dir(package)


@pytest.mark.parametrize("classes", ["BaseSandbox, BrowserSandbox", "BaseSandboxAsync, BrowserSandboxAsync"])
def test_importing_the_classes_loads_nothing_heavy(classes: str) -> None:
    """Neither HTTP nor servers nor engines are loaded before they are used, and nothing is printed."""
    loaded = python(
        f"from agentscope_runtime.sandbox import {classes}\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "print([name for name in sys.modules if name.startswith('agentscope_runtime.') "
        "and not name.startswith('agentscope_runtime.sandbox')])\n"
        "print([name for name in sys.modules if name.startswith('agentscope_runtime.sandbox_manager')])"
    )
    assert loaded.splitlines() == ["[]"] * 3


def test_importing_the_package_alone_loads_almost_nothing() -> None:
    """Types and errors need no pydantic."""
    assert python("import agentscope_runtime.sandbox\nprint('pydantic' in sys.modules)") == "False"


def test_the_sync_classes_need_no_event_loop() -> None:
    """Using a sync class loads httpx, and neither asyncio nor anything that runs a loop."""
    seen = python(
        "from agentscope_runtime.sandbox import BaseSandbox, SandboxError\n"
        "try:\n    BaseSandbox(base_url='http://127.0.0.1:9', bearer_token='k').start()\n"
        "except SandboxError as error:\n    print(error.code, 'httpx' in sys.modules, 'asyncio' in sys.modules)"
    )
    assert seen == "manager_unreachable True False"


def test_what_is_not_there_yet_says_what_is() -> None:
    """A class that other runtimes have is refused with the list of ours."""
    with pytest.raises(ImportError, match=r"no MobileSandbox yet; there are: BaseSandbox, BaseSandboxAsync, Browser"):
        from agentscope_runtime.sandbox import MobileSandbox  # noqa: F401
    with pytest.raises(AttributeError, match="no attribute 'Toaster'; it has: BaseSandbox"):
        package.Toaster  # noqa: B018
    assert not hasattr(package, "Toaster")


def test_paths_of_code_for_other_runtimes() -> None:
    """Base classes, the dummy, components, kinds, the registry and small functions are where such code finds them."""
    from agentscope_runtime.sandbox.box.components import SandboxFS, SandboxFSAsync
    from agentscope_runtime.sandbox.box.dummy import DummySandbox, DummySandboxAsync
    from agentscope_runtime.sandbox.box.sandbox import Sandbox, SandboxAsync, SandboxBase
    from agentscope_runtime.sandbox.enums import DynamicEnum, SandboxType
    from agentscope_runtime.sandbox.registry import SandboxConfig, SandboxRegistry
    from agentscope_runtime.sandbox.utils import build_image_uri, dynamic_import, get_platform, http_to_ws

    assert issubclass(package.BaseSandbox, Sandbox)
    assert issubclass(package.BaseSandboxAsync, SandboxAsync)
    box = DummySandbox()
    assert isinstance(box, SandboxBase)
    assert isinstance(DummySandboxAsync(), SandboxBase)
    assert isinstance(box.fs, SandboxFS)
    assert isinstance(DummySandboxAsync().fs, SandboxFSAsync)
    assert issubclass(SandboxType, DynamicEnum)
    assert isinstance(SandboxRegistry.get_config_by_type("base"), SandboxConfig)
    assert all(map(callable, (build_image_uri, dynamic_import, get_platform, http_to_ws)))


def test_the_managers_insides_are_no_path() -> None:
    """What other runtimes have there is a service of its own here."""
    for path in ("agentscope_runtime.sandbox.manager", "agentscope_runtime.common.collections"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(path)


def test_the_base_of_the_two_is_no_base_of_ones_own() -> None:
    """Whoever derives from it alone is told what to derive from."""
    from agentscope_runtime.sandbox.box.sandbox import SandboxBase

    with pytest.raises(TypeError, match="derive it from Sandbox or SandboxAsync"):
        type("Mine", (SandboxBase,), {})
