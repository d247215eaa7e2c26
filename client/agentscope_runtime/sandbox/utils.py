"""Small functions that code written for other runtimes imports from here."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import sys
from pathlib import Path
from types import ModuleType

from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.registry import build_image_uri

__all__ = ["build_image_uri", "dynamic_import", "get_platform", "http_to_ws"]

_MACHINES = {"x86_64": "linux/amd64", "amd64": "linux/amd64", "aarch64": "linux/arm64", "arm64": "linux/arm64"}


def dynamic_import(extension: str) -> ModuleType:
    """Import a module by its name, or a Python file by its path; what it registers is known from then on.

    Raises:
        InvalidRequest: There is no such file or module.
    """
    if extension.endswith(".py"):
        return _import_file(Path(extension).expanduser().resolve())
    try:
        return importlib.import_module(extension)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{extension}.".startswith(f"{error.name}."):
            raise  # it is there, and something that it imports is not
        raise InvalidRequest(f"there is no module {extension!r}; a file is named with its .py") from error


def get_platform() -> str:
    """Return this machine's platform as container engines call it: `linux/amd64` or `linux/arm64`."""
    machine = platform.machine().lower()
    return _MACHINES.get(machine, f"linux/{machine}")


def http_to_ws(url: str) -> str:
    """Return the address of a WebSocket at an HTTP address: `ws://` for `http://`, `wss://` for `https://`."""
    scheme, separator, rest = url.partition("://")
    secure = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if not separator or scheme.lower() not in secure:
        raise InvalidRequest(f"{url!r} is not an address that begins with http:// or https://")
    return f"{secure[scheme.lower()]}://{rest}"


def _import_file(path: Path) -> ModuleType:
    name = path.stem
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InvalidRequest(f"there is no file {path}")
    if loaded is not None:
        raise InvalidRequest(f"{path} cannot be imported: there is a module {name!r} already; rename the file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
