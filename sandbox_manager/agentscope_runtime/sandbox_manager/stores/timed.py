"""A store whose verbs are timed, for metrics; it changes nothing of what they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.stores import Store

Observer = Callable[[str, float, bool], None]
"""Is told of each verb: its name, the seconds it took, whether the store served it at all."""


class _Timed:
    def __init__(self, store: Store, observe: Observer) -> None:
        self._store = store
        self._observe = observe

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)
        if not iscoroutinefunction(verb):
            return verb

        @wraps(verb)
        async def timed(*args: Any, **options: Any) -> Any:
            began = time.perf_counter()
            served = True
            try:
                return await verb(*args, **options)
            except StoreUnavailable:
                served = False
                raise
            finally:
                self._observe(name, time.perf_counter() - began, served)

        setattr(self, name, timed)  # the next call finds it at once
        return timed


def timed(store: Store, observe: Observer) -> Store:
    """Return the store, with `observe` told of each of its verbs."""
    return cast(Store, _Timed(store, observe))
