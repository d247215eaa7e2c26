"""How many tokens an agent's model spends in a run: agentscope tells it to the agent, which tells nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any


class CountingModel:
    """Stands in for a model: everything is the model's own, but what its answers cost is added up."""

    def __init__(self, model: Any) -> None:
        """Count for `model`."""
        vars(self).update(_model=model, _tokens={})

    @property
    def usage(self) -> dict[str, Any] | None:
        """What was spent so far; None where the model does not say."""
        tokens: dict[str, int] = vars(self)["_tokens"]
        return {**tokens, "total_tokens": sum(tokens.values())} if tokens else None

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the model."""
        answer = await vars(self)["_model"](*args, **kwargs)
        if isinstance(answer, AsyncIterator):
            return self._watched(answer)
        self._add(getattr(answer, "usage", None))
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_model"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["_model"], name, value)

    async def _watched(self, answer: AsyncIterator[Any]) -> AsyncIterator[Any]:
        usage = None
        try:
            async for chunk in answer:
                usage = getattr(chunk, "usage", None) or usage  # of the whole answer, as far as it is known
                yield chunk
        finally:
            self._add(usage)

    def _add(self, usage: Any) -> None:
        tokens: dict[str, int] = vars(self)["_tokens"]
        for name in ("input_tokens", "output_tokens") if usage else ():
            tokens[name] = tokens.get(name, 0) + (getattr(usage, name, 0) or 0)
