"""What the decorators of an application refuse; what they do is in `test_app`."""

from __future__ import annotations

from typing import Any

import pytest

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.errors import InvalidOption


async def ask(*args: Any, **kwargs: Any) -> str:
    """Answer."""
    return "hello"


def test_a_decorator_without_parentheses_says_how_to_write_it() -> None:
    """Such a line registers nothing, and would say so to nobody."""
    app: Any = AgentApp()
    with pytest.raises(InvalidOption, match=r"@app.query got ask as its framework: write @app.query\(framework=…\)"):
        app.query(ask)
    with pytest.raises(InvalidOption, match=r'@app.endpoint got ask as its path: write @app.endpoint\("/ask"\)'):
        app.endpoint(ask)


@pytest.mark.parametrize("path", ["w", "", "process/x"])
def test_a_path_begins_with_a_slash(path: str) -> None:
    """Nobody would ever reach another one."""
    with pytest.raises(InvalidOption, match=rf'@app.query: path={path!r} must begin with a slash: write "/{path}"'):
        AgentApp().query("text", path=path)
    with pytest.raises(InvalidOption, match=rf"@app.endpoint: path={path!r} must begin with a slash"):
        AgentApp().endpoint(path)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("GET", r"@app.endpoint\('/x'\): write methods=\['GET'\], a list, instead of methods='GET'"),
        (5, "methods=5 must be a list of names"),
        ([5], r"methods=\[5\] must be a list of names"),
        (["GET, POST"], "must be a list of names"),
    ],
)
def test_methods_are_a_list(methods: Any, message: str) -> None:
    """A text would be taken for the methods G, E and T."""
    with pytest.raises(InvalidOption, match=message):
        AgentApp().endpoint("/x", methods=methods)


def test_what_is_no_name_or_path_at_all_is_refused() -> None:
    """With what was given."""
    app: Any = AgentApp()
    with pytest.raises(InvalidOption, match=r"@app.query got 5 as its framework"):
        app.query(5)
    with pytest.raises(InvalidOption, match="path=5 must be text"):
        app.endpoint(5)
