"""What functions say of themselves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field
from recorded_box import RecordedBox, RecordedBoxAsync

from agentscope_runtime.adapters.functions import (
    argument_descriptions,
    arguments_model,
    description_of,
    parameters_of,
    schema_of,
)

if TYPE_CHECKING:
    from decimal import Decimal


def documented(
    first: int, second: Literal["a", "b"] = "a", *rest: str, third: Annotated[str, Field(min_length=1)]
) -> str:
    """Do something.

    In two paragraphs: this is the second.

    Args:
        first: The first one.
        second (str): The second one, which goes on
            here: with a colon.
        *rest: Never seen.
        third: The third one.

    Returns:
        first: not an argument.
    """
    return f"{first}{second}{rest}{third}"


def silent(value, other: Any = None):  # type: ignore[no-untyped-def]  # noqa: D103 – it says nothing
    return value, other


def unresolvable(amount: Decimal, currency: str) -> None:
    """Pay."""


def test_the_purpose_is_what_comes_before_the_sections() -> None:
    """Models are told what a tool is for; its arguments are described in the schema."""
    assert description_of(documented) == "Do something.\n\nIn two paragraphs: this is the second."
    assert description_of(silent) == ""


def test_arguments_are_described() -> None:
    """Descriptions may go on in the next line, and name the type, as Google's style has it."""
    assert argument_descriptions(documented) == {
        "first": "The first one.",
        "second": "The second one, which goes on here: with a colon.",
        "rest": "Never seen.",
        "third": "The third one.",
    }


def test_the_schema_has_types_defaults_and_bounds() -> None:
    """Parameters that cannot be given by name are not in it."""
    assert schema_of(arguments_model(documented, "documented")) == {
        "type": "object",
        "properties": {
            "first": {"type": "integer", "description": "The first one."},
            "second": {
                "type": "string",
                "enum": ["a", "b"],
                "default": "a",
                "description": "The second one, which goes on here: with a colon.",
            },
            "third": {"type": "string", "minLength": 1, "description": "The third one."},
        },
        "required": ["first", "third"],
    }


def test_what_has_no_type_may_be_anything() -> None:
    """A function without annotations is a tool, too; so is one whose annotations cannot be resolved here."""
    assert schema_of(arguments_model(silent, "silent")) == {
        "type": "object",
        "properties": {"value": {}, "other": {"default": None}},
        "required": ["value"],
    }
    assert [parameter.annotation for parameter in parameters_of(unresolvable)] == [Any, Any]


@pytest.mark.parametrize("box", [RecordedBox(), RecordedBoxAsync()])
def test_every_method_of_a_browser_has_a_schema(box: RecordedBox | RecordedBoxAsync) -> None:
    """None takes `self`, and each argument is described."""
    methods = [getattr(box, name) for name in dir(box) if name.startswith(("browser_", "run_"))]
    assert len(methods) > 20
    for method in methods:
        schema = schema_of(arguments_model(method, method.__name__))
        assert "self" not in schema["properties"]
        assert all(property.get("description") for property in schema["properties"].values()), method.__name__
        assert description_of(method), method.__name__


def test_a_partial_hides_what_it_gives() -> None:
    """Models are told of the rest, in the words of the function itself."""
    given = partial(documented, second="b")
    assert [parameter.name for parameter in parameters_of(given)] == ["first", "third"]
    assert description_of(given).startswith("Do something.")
