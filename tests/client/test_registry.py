"""Kinds of sandbox: names, images, limits, classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agentscope_runtime.sandbox.errors import InvalidRequest, UnknownSandboxType
from agentscope_runtime.sandbox.registry import Limits, SandboxRegistry, build_image_uri, parse_size
from agentscope_runtime.sandbox.types import SandboxType

GIB = 1 << 30
MIB = 1 << 20


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Forget what a test registers."""
    configs, classes = dict(SandboxRegistry._configs), {k: list(v) for k, v in SandboxRegistry._classes.items()}
    yield
    SandboxRegistry._configs, SandboxRegistry._classes = configs, classes


def test_base_and_browser_are_known_without_their_classes() -> None:
    """Importing the registry is enough for the manager."""
    assert SandboxRegistry.get_config_by_type("base").limits == Limits(GIB, 2_000_000_000, 64 * MIB)
    assert SandboxRegistry.get_config_by_type(SandboxType.BROWSER).limits == Limits(2 * GIB, 2_000_000_000, 256 * MIB)
    assert set(SandboxRegistry.list_all_sandboxes()) == {"base", "browser", "filesystem", "gui"}


def test_an_asynchronous_type_is_the_same_kind() -> None:
    """`browser_async` has the image and the limits of `browser`."""
    assert SandboxRegistry.get_config_by_type(SandboxType.BROWSER_ASYNC).sandbox_type == "browser"


def test_an_unknown_type_names_the_known_ones() -> None:
    """The message lists what there is."""
    with pytest.raises(UnknownSandboxType, match="no sandbox type 'toaster'; there are: base, browser, filesystem"):
        SandboxRegistry.get_image_by_type("toaster")


def test_images_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registry, namespace and tag are read when asked, not when imported."""
    for name in ("REGISTRY", "IMAGE_NAMESPACE", "IMAGE_TAG"):
        monkeypatch.delenv(f"RUNTIME_SANDBOX_{name}", raising=False)
    assert SandboxRegistry.get_image_by_type("base") == "agentscope/runtime-sandbox-base:latest"
    monkeypatch.setenv("RUNTIME_SANDBOX_REGISTRY", "registry.example.com/")
    monkeypatch.setenv("RUNTIME_SANDBOX_IMAGE_NAMESPACE", "mine")
    monkeypatch.setenv("RUNTIME_SANDBOX_IMAGE_TAG", "7")
    assert SandboxRegistry.get_image_by_type("base") == "registry.example.com/mine/runtime-sandbox-base:7"
    assert build_image_uri("x", tag="1", registry="", namespace="n") == "n/x:1"


def test_a_kind_that_is_based_on_another_one() -> None:
    """It may use what that one may, unless it says otherwise; only built-in kinds can be what others are based on."""
    SandboxRegistry.register("acme/shop:1", sandbox_type="shop", runtime_config={"based_on": "browser"})
    assert SandboxRegistry.get_config_by_type("shop").limits == SandboxRegistry.get_config_by_type("browser").limits
    assert SandboxRegistry.get_config_by_type("shop").based_on == "browser"
    more = {"memory": "3g", "cpu": 1}
    SandboxRegistry.register("acme/desk:1", "desk", more, runtime_config={"based_on": "gui"})
    assert SandboxRegistry.get_config_by_type("desk").limits == Limits(3 * GIB, 1_000_000_000, 256 * MIB)
    for wrong in ("shop", "nothing", 5):
        with pytest.raises(InvalidRequest, match=r"based_on is .*there are: base, browser, filesystem, gui"):
            SandboxRegistry.register("acme/late:1", "late", runtime_config={"based_on": wrong})


def test_a_kind_of_ones_own() -> None:
    """Registering makes a kind known with all that was said, and its classes serve it, newest first."""

    @SandboxRegistry.register(
        "acme/robot:1.4",
        sandbox_type="robot_async",
        resource_limits={"memory": "512m", "cpu": "0.5"},
        environment={"A": "b"},
        runtime_config={"shm_size": "5.06gb"},
        description="Walks.",
        timeout=5,
    )
    class RobotAsync:
        pass

    @SandboxRegistry.attach("robot")
    class Robot(RobotAsync):
        pass

    class Walker(Robot):
        pass

    config = SandboxRegistry.get_config(RobotAsync)
    assert (config.sandbox_type, config.image_name, config.timeout) == ("robot", "acme/robot:1.4", 5)
    assert config.limits == Limits(512 * MIB, 500_000_000, int(5.06 * GIB))
    assert config.environment == {"A": "b"}
    assert SandboxRegistry.get_classes_by_type("robot") == (Robot, RobotAsync)
    assert SandboxRegistry.get_image(Walker) == "acme/robot:1.4"
    with pytest.raises(UnknownSandboxType, match="class int serves no sandbox type"):
        SandboxRegistry.get_config(int)


@pytest.mark.parametrize("name", ["", "Robot", "robot/1", "-robot", "r" * 64, "räuber"])
def test_a_name_that_cannot_travel_is_refused(name: str) -> None:
    """Names are checked where they are given."""
    with pytest.raises(InvalidRequest, match="is not a sandbox type"):
        SandboxRegistry.register("acme/robot:1", sandbox_type=name)


def test_a_wrong_size_is_refused_at_once() -> None:
    """Limits are checked where they are given, and nothing is registered."""
    with pytest.raises(InvalidRequest, match="'lots' is not a size"):
        SandboxRegistry.register("acme/robot:1", sandbox_type="robot", resource_limits={"memory": "lots"})
    assert "robot" not in SandboxRegistry.list_all_sandboxes()


def test_tools_have_their_own_time_unless_the_kind_says_one() -> None:
    """No kind of ours sets a time-out for all of its tools, and a wrong one is refused at once."""
    assert {config.timeout for config in SandboxRegistry.list_all_sandboxes().values()} == {None}
    for wrong in (0, -5, 3601, float("nan")):
        with pytest.raises(InvalidRequest, match="at most 3600"):
            SandboxRegistry.register("acme/robot:1", sandbox_type="robot", timeout=wrong)
    assert "robot" not in SandboxRegistry.list_all_sandboxes()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("512m", 512 * MIB),
        ("1g", GIB),
        ("1.5 GiB", 3 * GIB // 2),
        ("64MB", 64 * MIB),
        ("100", 100),
        (7, 7),
        ("2k", 2048),
    ],
)
def test_sizes(size: str | int, expected: int) -> None:
    """Sizes are read as Docker reads them."""
    assert parse_size(size) == expected


def refused(**arguments: Any) -> str:
    """Return why a registration is refused; nothing is registered by it."""
    with pytest.raises(InvalidRequest) as error:
        SandboxRegistry.register("acme/robot:1", sandbox_type="robot", **arguments)
    assert "robot" not in SandboxRegistry.list_all_sandboxes()
    return str(error.value)


@pytest.mark.parametrize("name", ["privileged", "cap_add", "volumes", "network_mode", "security_opt", "user"])
def test_what_would_open_the_sandbox_is_refused(name: str) -> None:
    """By its name, when it is registered; it is neither honoured nor silently left out."""
    assert f"runtime_config: '{name}' is refused" in refused(runtime_config={name: True})


def test_settings_that_nobody_knows_are_named_with_those_that_there_are() -> None:
    """A typing error would else be a limit that is not in force."""
    assert "runtime_config: 'shm' is not known; there are: mem_limit" in refused(runtime_config={"shm": "1g"})
    assert "resource_limits: 'mem' is not known; there are: memory, cpu, shm" in refused(resource_limits={"mem": "1g"})
    assert "kernel is 'purple'" in refused(runtime_config={"kernel": "purple"})
    assert "'much' is no share of the CPUs" in refused(resource_limits={"cpu": "much"})
    assert "'A B' is not the name of a variable" in refused(environment={"A B": "x"})


def test_what_is_honoured_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Docker's words and in ours, which are stronger."""
    monkeypatch.setattr(SandboxRegistry, "_configs", SandboxRegistry.list_all_sandboxes())
    docker = {"mem_limit": "3g", "nano_cpus": 500_000_000, "shm_size": "5.06gb", "environment": {"A": "1", "B": "1"}}
    SandboxRegistry.register("acme/robot:1", "robot", environment={"B": "2", "C": 3}, runtime_config=docker)  # type: ignore[dict-item]
    config = SandboxRegistry.get_config_by_type("robot")
    assert config.limits == Limits(3 * GIB, 500_000_000, int(5.06 * GIB))
    assert config.environment == {"A": "1", "B": "2", "C": "3"}
    SandboxRegistry.register("acme/robot:1", "robot", {"memory": "2g", "cpu": 1, "shm": "1g"}, runtime_config=docker)
    assert SandboxRegistry.get_config_by_type("robot").limits == Limits(2 * GIB, 500_000_000, GIB)
