"""Kernels through the manager: what the box says of them, and names that never reach it."""

from __future__ import annotations

import pytest
from served_manager import Manager


async def test_kernels_are_the_boxs(manager: Manager) -> None:
    """They are listed, interrupted, restarted and stopped; the answers and refusals are the box's."""
    (sandbox,) = await manager.lease("base")
    at = f"/v1/sandboxes/{sandbox}/kernels"
    async with manager.http() as http:
        (kernel,) = (await http.get(at)).json()["kernels"]
        assert (kernel["name"], kernel["state"]) == ("main", "idle")
        assert (await http.post(f"{at}/main/interrupt")).json() == {"interrupted": False}
        assert (await http.post(f"{at}/main/restart")).json() == kernel
        assert (await http.delete(f"{at}/main")).status_code == 204
        refused = await http.post(f"{at}/main/interrupt")
    assert refused.status_code == 404 and refused.json()["code"] == "not_found"
    assert "there is no kernel 'main'" in refused.json()["detail"]


@pytest.mark.parametrize("name", ["%2e%2e", "a%20b", "x" * 65, "a%0a"])
async def test_what_is_no_name_is_refused_here(manager: Manager, name: str) -> None:
    """A name cannot lead to another path of the box."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        answer = await http.post(f"/v1/sandboxes/{sandbox}/kernels/{name}/interrupt")
    assert answer.status_code == 422 and answer.json()["code"] == "invalid_request"
