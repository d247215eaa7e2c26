"""`box.kernels`: what it sends and what it makes of the answers."""

from __future__ import annotations

import json

import pytest
from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandboxAsync
from agentscope_runtime.sandbox.errors import InvalidRequest, NotFound

MAIN = {"name": "main", "state": "busy", "cells": 3, "waiting": 1, "started_at": 5.0}


async def test_each_call_and_its_answer(manager: ScriptedManager) -> None:
    """Kernels are dictionaries, an interrupt tells whether there was a cell, a stop says nothing."""
    async with BaseSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        manager.then_say(json.dumps({"kernels": [{**MAIN, "later": "unknown"}]}).encode())
        assert await box.kernels.list_async() == [MAIN]
        manager.then_say(b'{"interrupted": true}')
        assert await box.kernels.interrupt_async() is True
        manager.then_say(json.dumps(MAIN).encode())
        assert await box.kernels.restart_async("second") == MAIN
        manager.then_say(b"", 204)
        await box.kernels.stop_async("second")
        at = f"/v1/sandboxes/{box.sandbox_id}/kernels"
    assert [path for path in manager.paths() if "/kernels" in path] == [
        f"GET {at}",
        f"POST {at}/main/interrupt",
        f"POST {at}/second/restart",
        f"DELETE {at}/second",
    ]


async def test_refusals_are_errors(manager: ScriptedManager) -> None:
    """A kernel that there is not is one of the family; a name that cannot be one is refused before it travels."""
    async with BaseSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        manager.then_refuse(NotFound("there is no kernel 'x'; there are: main"))
        with pytest.raises(NotFound, match="there are: main"):
            await box.kernels.interrupt_async("x")
        seen = len(manager.seen)
        for name in ("", "..", "a b", "x\n"):
            with pytest.raises(InvalidRequest, match="not the name of a kernel"):
                await box.kernels.restart_async(name)
        assert len(manager.seen) == seen


async def test_a_cell_names_its_kernel(manager: ScriptedManager) -> None:
    """The main one need not be named."""
    async with BaseSandboxAsync(base_url=manager.url, bearer_token=KEY) as box:
        await box.run_ipython_cell("1")
        await box.run_ipython_cell("1", kernel="second", timeout=300)
    sent = [seen.body["arguments"] for seen in manager.seen if "/tools/" in seen.path]
    assert sent == [{"code": "1"}, {"code": "1", "kernel": "second"}]
    assert [seen.body.get("timeout") for seen in manager.seen if "/tools/" in seen.path] == [None, 300]
