"""What all bodies are, and the names in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agentscope_runtime.sandbox.types import plain_type

SESSION_ID_MAX = 256
Name = Annotated[str, Field(min_length=1, max_length=SESSION_ID_MAX)]
TypeName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"), AfterValidator(plain_type)]
"""A kind, or the name of its asynchronous class (`browser_async`), which is read as the kind."""


class Wire(BaseModel):
    """A body that travels; frozen."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Request(Wire):
    """A body that is sent to the manager. What it does not know is refused: a misspelt user would be nobody."""

    model_config = ConfigDict(frozen=True, extra="forbid")
