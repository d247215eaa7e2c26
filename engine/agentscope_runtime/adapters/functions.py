"""What a Python function says of itself: what it is for, and what it takes, as models are told it.

Sandbox methods are documented in Google's style, and so are the tools of most users; what is not documented is told
by name and type alone.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any, get_type_hints

from pydantic import BaseModel, Field, create_model

_SECTION = re.compile(r"(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?):\s*$")
_ARGUMENT = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


def description_of(function: Callable[..., Any]) -> str:
    """Return what a function is for: its docstring without the sections about arguments and the like."""
    lines = (inspect.getdoc(inner_of(function)) or "").splitlines()
    end = next((number for number, line in enumerate(lines) if _SECTION.match(line)), len(lines))
    return "\n".join(lines[:end]).strip()


def argument_descriptions(function: Callable[..., Any]) -> dict[str, str]:
    """Return what the docstring says of each argument."""
    described: dict[str, str] = {}
    inside, name, level = False, "", 0
    for line in (inspect.getdoc(inner_of(function)) or "").splitlines():
        if _SECTION.match(line):
            inside = line.startswith(("Args", "Arguments", "Parameters"))
        elif inside and line.strip():
            indent = len(line) - len(line.lstrip())
            found = _ARGUMENT.match(line.strip())
            if found and (not name or indent <= level):
                name, level = found[1], indent
                described[name] = found[2]
            elif name:
                described[name] += f" {line.strip()}"
    return described


def arguments_model(function: Callable[..., Any], name: str) -> type[BaseModel]:
    """Return a model with a field for each parameter: its type, its default, and what the docstring says of it."""
    described = argument_descriptions(function)
    fields: dict[str, Any] = {}
    for parameter in parameters_of(function):
        default = ... if parameter.default is parameter.empty else parameter.default
        about = described.get(parameter.name)
        fields[parameter.name] = (parameter.annotation, Field(default, description=about))
    return create_model(name, **fields)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters that can be given by name, their annotations resolved; without one it is anything.

    What a partial gives is nobody else's to give.
    """
    try:
        hints = get_type_hints(inner_of(function), include_extras=True)
    except NameError:  # names that are imported for type checkers only
        hints = {}
    given = function.keywords if isinstance(function, partial) else {}
    return [
        parameter.replace(annotation=_known(hints.get(parameter.name, parameter.annotation)))
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and parameter.name not in given
    ]


def inner_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function itself, where a partial of it is given, or an object that can be called."""
    inner = function.func if isinstance(function, partial) else function
    return inner if inspect.isroutine(inner) or inspect.isclass(inner) else type(inner).__call__


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a model without the titles that pydantic makes of names."""
    schema = model.model_json_schema()
    for part in [schema, *schema.get("properties", {}).values()]:
        part.pop("title", None)
    return {"type": "object", "properties": {}, "required": [], **schema}


def _known(annotation: Any) -> Any:
    """Return an annotation that says something; a name that could not be resolved does not."""
    return Any if annotation is inspect.Parameter.empty or isinstance(annotation, str) else annotation
