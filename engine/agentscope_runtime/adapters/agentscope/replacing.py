"""Replacing methods of agentscope's classes, once in a process, where handlers call them as agentscope has them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

_MADE = "__made_by_agentscope_runtime__"


def replace_once(owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a method of a class by what `make` makes of it; called again, do nothing."""
    method = getattr(owner, name)
    if vars(method).get(_MADE):
        return
    made = functools.wraps(method)(make(method))
    vars(made)[_MADE] = True
    setattr(owner, name, made)
