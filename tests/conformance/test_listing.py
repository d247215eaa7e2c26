"""What a sandbox says of its tools is true: every schema is one, and what it forbids is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from driving import Driven, Subject
from jsonschema import Draft202012Validator

from agentscope_runtime.sandbox.errors import InvalidRequest, UnknownTool

pytestmark = pytest.mark.docker

GROUPS = {
    "base": {"generic"},
    "filesystem": {"generic", "filesystem"},
    "browser": {"generic", "playwright"},
    "gui": {"generic", "computer-use"},
}
WRONG: dict[str, Any] = {
    "string": 7,
    "integer": "seven",
    "number": "seven",
    "boolean": "yes",
    "array": "one",
    "object": "none",
}


def tools_reference() -> Any:
    """Load the script that makes docs/tools.md, which is no package."""
    path = Path(__file__).parents[2] / "scripts" / "tools_reference.py"
    spec = importlib.util.spec_from_file_location("tools_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def functions(box: Driven) -> dict[str, dict[str, Any]]:
    """Return the tools' descriptions as model providers take them, by name."""
    return {
        name: tool["json_schema"]["function"] for group in box.list_tools().values() for name, tool in group.items()
    }


def valid(schema: dict[str, Any]) -> Any:
    """Make a value that fits a property."""
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kinds[0] in ("integer", "number"):
        return schema.get("minimum", 1)
    if kinds[0] == "array":
        return [valid(schema["items"])] * schema.get("minItems", 1) if "items" in schema else []
    if kinds[0] == "object":
        return {name: valid(schema["properties"][name]) for name in schema.get("required", ())}
    return {"string": "x", "boolean": True}[kinds[0]]


def test_tools_are_listed_by_group(subject: Subject) -> None:
    """The listing has the contract's shape and the groups of the kind; one group alone can be asked for."""
    listed = subject.box.list_tools()
    assert set(listed) == GROUPS[subject.kind]
    assert {"run_ipython_cell", "run_shell_command"} <= set(listed["generic"])
    for group, found in listed.items():
        assert subject.box.list_tools(group) == {group: found}
        for name, tool in found.items():
            assert tool["name"] == name == tool["json_schema"]["function"]["name"]
            assert tool["json_schema"]["type"] == "function"
    assert subject.box.list_tools("nothing") == {"nothing": {}}


def test_the_reference_tells_the_truth(subject: Subject) -> None:
    """What docs/tools.md is made of is what the sandbox says: the same tools, groups, descriptions and schemas."""
    told = {
        (spec.group, spec.name): (spec.description, spec.schema()) for spec in tools_reference().specs_of(subject.kind)
    }
    listed = {
        (group, name): (tool["json_schema"]["function"]["description"], tool["json_schema"]["function"]["parameters"])
        for group, tools in subject.box.list_tools().items()
        for name, tool in tools.items()
    }
    assert listed == told


def test_every_schema_is_one(box: Driven) -> None:
    """Each schema is a JSON schema, closed, and each argument says what it is for."""
    for name, function in functions(box).items():
        parameters = function["parameters"]
        Draft202012Validator.check_schema(parameters)
        assert function["description"], name
        assert parameters["additionalProperties"] is False, name
        assert set(parameters["required"]) <= set(parameters["properties"]), name
        for argument, schema in parameters["properties"].items():
            assert schema.get("description"), f"{name}: {argument}"


def test_what_a_schema_forbids_is_refused(box: Driven) -> None:
    """A missing argument, an unknown one and one of a wrong type are each named, before anything is done."""
    for name, function in functions(box).items():
        parameters = function["parameters"]
        required = {each: valid(parameters["properties"][each]) for each in parameters["required"]}
        for missing in required:
            rest = {each: value for each, value in required.items() if each != missing}
            with pytest.raises(InvalidRequest, match=f"{name}.*{missing}"):
                box.call_tool(name, rest)
        with pytest.raises(InvalidRequest, match=f"{name}.*no_such_argument"):
            box.call_tool(name, {**required, "no_such_argument": 1})
        for argument, schema in parameters["properties"].items():
            kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            with pytest.raises(InvalidRequest, match=f"{name}.*{argument}"):
                box.call_tool(name, {**required, argument: WRONG[kinds[0]]})


def test_an_unknown_tool_is_named(box: Driven) -> None:
    """The message has the name that was asked for, and those that there are."""
    with pytest.raises(UnknownTool, match=r"no_such_tool.*run_shell_command"):
        box.call_tool("no_such_tool")
