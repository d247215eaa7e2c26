"""Which image, limits and classes serve each kind of sandbox.

The manager asks it what to start, the engine which class to hand out. the built-in kinds are known as soon as this
module is imported; their classes attach when they are imported, and a kind of your own is known once its class is::

    @SandboxRegistry.register("acme/robot:1.4", sandbox_type="robot", resource_limits={"memory": "3g", "cpu": "1.5"})
    class RobotSandbox(BaseSandbox):
        ...

Not here: anything that talks to a container engine or a manager.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, TypeVar

from agentscope_runtime.sandbox.errors import InvalidRequest, UnknownSandboxType
from agentscope_runtime.sandbox.types import SandboxType, plain_type

_TYPE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

ROOM = {"base": ("1g", "64m"), "browser": ("2g", "256m"), "filesystem": ("1g", "64m"), "gui": ("2g", "256m")}
"""Memory and shm of the built-in kinds, and of those that are based on them and say nothing else; each has two CPUs."""

RESOURCE_LIMITS = {"memory": "a size", "cpu": "a number of CPUs", "shm": "a size"}
RUNTIME_CONFIG = {
    "mem_limit": "bytes of memory, as a size",
    "nano_cpus": "billionths of a CPU",
    "shm_size": "bytes of /dev/shm, as a size",
    "environment": "variables of what users run in it",
    "based_on": "the built-in kind on whose image this one is laid, and whose tools and desktop it has",
    "kernel": "'eager': ready only with a Python kernel that runs; 'lazy': the first cell starts it",
    "desktop": "whether it has a screen to watch",
    "mcp_servers": "MCP servers that start with each box, by name",
}
"""What `runtime_config` may have, and what it means."""

DANGEROUS = frozenset(
    {"privileged", "cap_add", "cap_drop", "security_opt", "devices", "device_cgroup_rules", "device_requests"}
    | {"volumes", "mounts", "volumes_from", "tmpfs", "network", "network_mode", "ports", "links", "extra_hosts"}
    | {"pid_mode", "ipc_mode", "uts_mode", "userns_mode", "cgroupns", "cgroup_parent", "group_add", "user", "runtime"}
    | {"sysctls", "read_only", "security_context", "oom_kill_disable", "oom_score_adj", "entrypoint", "command"}
)
"""Settings of containers that would open a sandbox, or replace what guards it."""

_Cls = TypeVar("_Cls", bound=type)


def build_image_uri(
    name: str, tag: str | None = None, registry: str | None = None, namespace: str | None = None
) -> str:
    """Return the full name of one of our images: `[registry/]namespace/name:tag`.

    Args:
        name: The image, such as `runtime-sandbox-base`.
        tag: Else `RUNTIME_SANDBOX_IMAGE_TAG`, else `latest`.
        registry: Else `RUNTIME_SANDBOX_REGISTRY`, else none, so the engine's own images.
        namespace: Else `RUNTIME_SANDBOX_IMAGE_NAMESPACE`, else `agentscope`.
    """
    registry = os.environ.get("RUNTIME_SANDBOX_REGISTRY", "") if registry is None else registry
    namespace = namespace or os.environ.get("RUNTIME_SANDBOX_IMAGE_NAMESPACE") or "agentscope"
    tag = tag or os.environ.get("RUNTIME_SANDBOX_IMAGE_TAG") or "latest"
    return "/".join(part.strip("/") for part in (registry, namespace, f"{name}:{tag}") if part)


def parse_size(value: str | float) -> int:
    """Return a size such as `512m`, `5.06gb` or `1GiB` as bytes; units are powers of 1024, as Docker's are."""
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise InvalidRequest(f"{value!r} is not a size; write bytes, or a number with k, m, g or t: '512m', '1.5g'")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _check_known(where: str, given: Mapping[str, Any] | None, known: Mapping[str, str]) -> None:
    """Raise InvalidRequest if a setting is one that is not honoured: ignored, it would only seem to be in force."""
    for name in given or {}:
        if name in DANGEROUS:
            raise InvalidRequest(
                f"{where}: {name!r} is refused: it gives code in a sandbox rights over this machine, or opens a guard"
            )
        if name not in known:
            raise InvalidRequest(f"{where}: {name!r} is not known; there are: {', '.join(known)}")


def _check_variables(given: Mapping[str, str]) -> dict[str, str]:
    """Return variables as texts; raise InvalidRequest where one cannot be a variable."""
    for name, value in given.items():
        if not _VARIABLE.fullmatch(name) or not isinstance(value, (str, int, float)) or "\0" in str(value):
            raise InvalidRequest(f"environment: {name!r} is not the name of a variable, or its value no text")
    return {name: str(value) for name, value in given.items()}


def _nano_cpus(given: Any, each: int = 1_000_000_000) -> int:
    try:
        value = int(float(given) * each)
    except (TypeError, ValueError, OverflowError):
        value = 0
    if value < 10_000_000:
        raise InvalidRequest(f"{given!r} is no share of the CPUs: 0.01 of one is the least that can be given")
    return value


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sandbox may use, in the units of the engine."""

    memory: int
    """Bytes, with no swap on top."""
    nano_cpus: int
    """Billionths of a CPU: 2_000_000_000 is two."""
    shm: int
    """Bytes of /dev/shm; Chromium draws through it and crashes when it is short."""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """What is known of one kind of sandbox."""

    image: str | Callable[[], str] = field(repr=False)
    """The full image name; a callable is asked each time, so that the environment may name another tag."""
    sandbox_type: SandboxType
    resource_limits: Mapping[str, Any] = field(default_factory=dict)
    """`memory` and `shm` as sizes, `cpu` as a number of CPUs; `limits` has them parsed and complete."""
    security_level: str = "medium"
    timeout: float | None = None
    """Seconds for one tool call that names none; the tools' own where None."""
    description: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of what users run in the sandbox."""
    runtime_config: Mapping[str, Any] = field(default_factory=dict)
    """Further settings for the container, by the names that Docker's Python client has for them; `RUNTIME_CONFIG` says
    which ones there are."""

    @property
    def image_name(self) -> str:
        """The full image name, by the environment of this moment."""
        return self.image if isinstance(self.image, str) else self.image()

    @property
    def based_on(self) -> str:
        """The built-in kind whose parts it has: itself, what it was registered with, or `base`."""
        otherwise = self.sandbox_type if self.sandbox_type in ROOM else "base"
        return str(self.runtime_config.get("based_on") or otherwise)

    @property
    def limits(self) -> Limits:
        """What it may use, in the engine's units; what is not said is as with the kind that it is based on."""
        given, more, (memory, shm) = self.resource_limits, self.runtime_config, ROOM[self.based_on]
        return Limits(
            memory=parse_size(given.get("memory") or more.get("mem_limit") or memory),
            nano_cpus=_nano_cpus(more["nano_cpus"], 1) if "nano_cpus" in more else _nano_cpus(given.get("cpu", 2)),
            shm=parse_size(given.get("shm") or more.get("shm_size") or shm),
        )


class SandboxRegistry:
    """The kinds of sandbox that this process knows."""

    _configs: ClassVar[dict[str, SandboxConfig]] = {}
    _classes: ClassVar[dict[str, list[type]]] = {}

    @classmethod
    def register(  # noqa: PLR0913, PLR0917 - the signature is what existing code calls
        cls,
        image_name: str | Callable[[], str],
        sandbox_type: SandboxType | str,
        resource_limits: Mapping[str, Any] | None = None,
        security_level: str = "medium",
        timeout: float | None = None,
        description: str = "",
        environment: Mapping[str, str] | None = None,
        runtime_config: Mapping[str, Any] | None = None,
    ) -> Callable[[_Cls], _Cls]:
        """Make a kind of sandbox known, and return a class decorator for what serves it.

        The synchronous and the asynchronous class of one kind share it: `robot` and `robot_async` are the same kind.

        Args:
            image_name: The full image name (`build_image_uri` makes ours), or a callable that returns it.
            sandbox_type: The name of the kind: lower-case letters, digits, `-` and `_`.
            resource_limits: `{"memory": "512m", "cpu": "0.5", "shm": "256m"}`, or some of these.
            security_level: How much this kind is shielded, in a word; for people, nothing acts on it.
            timeout: Seconds for one tool call that names none; by default each tool has its own.
            description: What it is for, in a sentence.
            environment: Variables for what users run in it.
            runtime_config: Further settings for the container: `RUNTIME_CONFIG` has their names.

        Raises:
            InvalidRequest: One of these cannot be; the message says which, and what can.
        """
        name = plain_type(sandbox_type)
        if not _TYPE_NAME.fullmatch(name):
            raise InvalidRequest(f"{sandbox_type!r} is not a sandbox type; use lower-case letters, digits, '-' and '_'")
        if timeout is not None and not 0 < timeout <= 3600:
            raise InvalidRequest(f"timeout is {timeout:g} s; it must be more than 0 and at most 3600")
        _check_known("resource_limits", resource_limits, RESOURCE_LIMITS)
        _check_known("runtime_config", runtime_config, RUNTIME_CONFIG)
        variables = {**(runtime_config or {}).get("environment", {}), **(environment or {})}
        config = SandboxConfig(
            image=image_name,
            sandbox_type=SandboxType(name),
            resource_limits=dict(resource_limits or {}),
            security_level=security_level,
            timeout=timeout,
            description=description,
            environment=_check_variables(variables),
            runtime_config=dict(runtime_config or {}),
        )
        if config.based_on not in ROOM:
            raise InvalidRequest(f"runtime_config: based_on is {config.based_on!r}; there are: {', '.join(ROOM)}")
        _ = config.limits  # a wrong size is an error here, not when the first sandbox starts
        if (kernel := config.runtime_config.get("kernel", "eager")) not in ("eager", "lazy"):
            raise InvalidRequest(f"runtime_config: kernel is {kernel!r}, not 'eager' or 'lazy'")
        cls._configs[name] = config
        with suppress(ValueError):  # `a-b` and `a_b` are two kinds, and one attribute
            SandboxType.add_member(name)
        return cls.attach(name)

    @classmethod
    def attach(cls, sandbox_type: SandboxType | str) -> Callable[[_Cls], _Cls]:
        """Return a class decorator that makes the class serve a kind which is known already."""
        name = cls.get_config_by_type(sandbox_type).sandbox_type

        def decorate(served_by: _Cls) -> _Cls:
            cls._classes.setdefault(name, []).append(served_by)
            return served_by

        return decorate

    @classmethod
    def get_config_by_type(cls, sandbox_type: SandboxType | str) -> SandboxConfig:
        """Return what is known of a kind of sandbox.

        Raises:
            UnknownSandboxType: nobody registered it; the message lists the kinds that are known.
        """
        try:
            return cls._configs[plain_type(sandbox_type)]
        except KeyError:
            known = ", ".join(sorted(cls._configs))
            raise UnknownSandboxType(
                f"no sandbox type {str(sandbox_type)!r}; there are: {known}", sandbox_type=str(sandbox_type)
            ) from None

    @classmethod
    def get_image_by_type(cls, sandbox_type: SandboxType | str) -> str:
        """Return the full image name of a kind, by the environment of this moment."""
        return cls.get_config_by_type(sandbox_type).image_name

    @classmethod
    def get_classes_by_type(cls, sandbox_type: SandboxType | str) -> tuple[type, ...]:
        """Return the imported classes that serve a kind, the newest first."""
        return tuple(reversed(cls._classes.get(plain_type(sandbox_type), [])))

    @classmethod
    def get_config(cls, served_by: type) -> SandboxConfig:
        """Return what is known of the kind that a class serves; a subclass serves its parent's."""
        for ancestor in served_by.__mro__:
            for name, classes in cls._classes.items():
                if ancestor in classes:
                    return cls._configs[name]
        raise UnknownSandboxType(f"class {served_by.__name__} serves no sandbox type; decorate it with register(…)")

    @classmethod
    def get_image(cls, served_by: type) -> str:
        """Return the full image name of the kind that a class serves."""
        return cls.get_config(served_by).image_name

    @classmethod
    def list_all_sandboxes(cls) -> dict[str, SandboxConfig]:
        """Return all that are known, by name."""
        return dict(cls._configs)


_BUILT_IN = {
    SandboxType.BASE: "Python cells and shell commands in a workspace.",
    SandboxType.BROWSER: "A Chromium that tools drive and a person can watch, beside Python cells and shell commands.",
    SandboxType.FILESYSTEM: "Tools for files, beside Python cells and commands; a person can watch its file manager.",
    SandboxType.GUI: "A desktop with programs that `computer_use` drives and a person can watch.",
}
for _kind, _description in _BUILT_IN.items():
    _image = partial(build_image_uri, f"runtime-sandbox-{_kind}")
    SandboxRegistry.register(_image, sandbox_type=_kind, description=_description)
