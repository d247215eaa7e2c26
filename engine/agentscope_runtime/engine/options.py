"""What the constructor of `AgentApp` is given, beside its settings: objects, and FastAPI's options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from fastapi import FastAPI

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.interrupts import BaseInterruptBackend
from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.settings import check_kind, without_unbuilt

_KINDS: dict[str, tuple[Any, str]] = {
    "runner": (Runner, "a Runner"),
    "interrupt_backend": (BaseInterruptBackend, "a BaseInterruptBackend"),
    "before_start": (Callable, "a function, which is called with the application"),
    "after_finish": (Callable, "a function, which is called with the application"),
    "lifespan": (Callable, "a function, as FastAPI's lifespan is"),
    "custom_endpoints": (Iterable, "a list, as another application has it"),
    "max_body_size": (int, "a number of bytes"),
}


class Unbuilt:
    """A method that code for this API may call, and that does not exist yet."""

    def __init__(self, feature: str) -> None:
        self._feature = feature
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(f"{owner.__name__}.{self._name} is for {self._feature}, which this version does not have")


def check_objects(**given: object) -> None:
    """See that options that are objects are of the right kind, or None.

    Raises:
        InvalidOption: one is not.
    """
    for name, value in given.items():
        if value is not None:
            check_kind(name, value, *_KINDS[name])


def native(others: Mapping[str, Any], *, own: Callable[..., None]) -> dict[str, Any]:
    """Return what FastAPI is given of the options that are not the constructor's own.

    Args:
        others: What they are.
        own: The constructor, for its names may be what was meant.

    Raises:
        InvalidOption: one is unknown, or asks for what does not exist yet.
    """
    others = without_unbuilt(others)
    _check_names(others, {*inspect.signature(FastAPI.__init__).parameters, *inspect.signature(own).parameters})
    return others


def _check_names(options: Iterable[str], known: Collection[str]) -> None:
    """See that all options are known.

    Raises:
        InvalidOption: one is not; the message has the one that was probably meant.
    """
    for name in options:
        if name not in known:
            meant = "".join(f": is {close}= meant?" for close in get_close_matches(name, known, 1))
            raise InvalidOption(f"there is no option {name}={meant}")
