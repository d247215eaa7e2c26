"""Services made of what the environment says: which backend, and with what arguments.

STATE_BACKEND=redis
STATE_REDIS_REDIS_URL=redis://cache:6379/0
STATE_REDIS_TTL_SECONDS=86400          # `none` for no limit

service = await StateServiceFactory.create()               # the Redis one
service = await StateServiceFactory.create("in_memory")    # an argument is stronger than a variable
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, Unpack, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.services.base import Service

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=Service)


class ServiceFactory(Generic[S]):
    """Makes services of one kind; each subclass is a kind, with names of its own.

        class StateServiceFactory(ServiceFactory[StateService], prefix="STATE_", backends={"in_memory": …}): …

    The first of the backends is taken where nobody says which.
    """

    _prefix: ClassVar[str] = ""
    _default: ClassVar[str] = ""
    _backends: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init_subclass__(cls, *, prefix: str = "", backends: Mapping[str, Callable[..., S]] | None = None) -> None:
        super().__init_subclass__()
        cls._prefix = prefix or cls._prefix
        cls._backends = dict(cls._backends)
        for name, constructor in (backends or {}).items():
            cls.register_backend(name, constructor)

    @classmethod
    def register_backend(cls, name: str, constructor: Callable[..., S]) -> None:
        """Know a backend by a name, in capitals or not; a second one of the same name replaces the first."""
        cls._default = cls._default or _plain(name)
        cls._backends[_plain(name)] = constructor

    @classmethod
    async def create(cls, backend_type: str | None = None, **kwargs: Any) -> S:
        """Make a service; whoever asked starts and stops it.

        Args:
            backend_type: Which; else what `<PREFIX>BACKEND` says, else the default.
            kwargs: Arguments of the backend, stronger than its variables `<PREFIX><BACKEND>_<ARGUMENT>`. What it does
                not take is left out, so that callers need not know which backend it will be.

        Raises:
            InvalidOption: there is no such backend, or a variable cannot be read.
        """
        name = _plain(backend_type or os.environ.get(f"{cls._prefix}BACKEND") or cls._default)
        constructor = cls._backends.get(name)
        if constructor is None:
            known = ", ".join(sorted(cls._backends)) or "none is registered"
            where = "" if backend_type else f" in {cls._prefix}BACKEND"
            raise InvalidOption(f"Unsupported backend type {name!r}{where}: it must be one of {known}")
        accepted = _parameters(constructor)
        given = {**_environment(f"{cls._prefix}{name.upper()}_"), **kwargs}
        if accepted is not None:
            if left_out := sorted(given.keys() - accepted.keys()):
                logger.info("%s: the backend %s takes no %s", cls.__name__, name, ", ".join(left_out))
            given = {argument: value for argument, value in given.items() if argument in accepted}
        for argument in given.keys() - kwargs.keys():
            variable = f"{cls._prefix}{name.upper()}_{argument.upper()}"
            given[argument] = _read(variable, given[argument], (accepted or {}).get(argument, str))
        service: S = constructor(**given)
        return service


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _environment(prefix: str) -> dict[str, Any]:
    """Return the variables that begin so, under the rest of their names; empty ones are none."""
    found = ((name.upper(), value) for name, value in os.environ.items() if value)
    return {name.removeprefix(prefix).lower(): value for name, value in found if name.startswith(prefix)}


def _parameters(constructor: Callable[..., Any]) -> dict[str, Any] | None:
    """Return what a constructor can be given, with the types; None if it takes anything."""
    try:
        hints = get_type_hints(
            vars(constructor).get("__init__", object) if isinstance(constructor, type) else constructor
        )
    except (NameError, TypeError):  # types that only type checkers see: then text stays text
        hints = {}
    accepted: dict[str, Any] = {}
    for name, one in inspect.signature(constructor).parameters.items():
        if one.kind is not one.VAR_KEYWORD:
            accepted[name] = hints.get(name, str)
        elif get_origin(hints.get(name)) is Unpack:
            accepted |= get_type_hints(get_args(hints[name])[0])
        else:
            return None
    return accepted


def _read(variable: str, text: str, kind: Any) -> Any:
    """Read what a variable says as a value of this type; `none` is None where there may be none."""
    try:
        adapter = TypeAdapter(kind)
    except PydanticSchemaGenerationError:
        return text
    for value in (None, text) if text.strip().lower() == "none" else (text,):
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
    raise InvalidOption(f"{variable} is {text!r}: {reason}")
