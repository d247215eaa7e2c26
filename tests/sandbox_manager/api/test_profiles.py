"""Which profiles a user has is told to who holds the key; what is in them, to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from served_manager import Manager

from agentscope_runtime.sandbox_manager.profiles import ProfileKey, Profiles


async def test_profiles_are_listed_and_forgotten(manager: Manager, tmp_path: Path) -> None:
    """By user; the empty name is the user of a single-user application."""
    profiles: Profiles = manager.app.state.profiles
    for user in ("", "ann"):
        profiles.save(ProfileKey(user, "work"), {}, {("item", "https://example.com", "token"): "a secret"})
    async with manager.http() as http:
        answer = await http.get("/v1/profiles", params={"user_id": "ann"})
        (found,) = answer.json()["profiles"]
        assert (found["name"], found["cookies"], found["origins"]) == ("work", 0, 1)
        assert "secret" not in answer.text
        for _ in range(2):
            assert (await http.delete("/v1/profiles/work", params={"user_id": "ann"})).status_code == 204
        assert (await http.get("/v1/profiles", params={"user_id": "ann"})).json() == {"profiles": []}
        assert len((await http.get("/v1/profiles")).json()["profiles"]) == 1


@pytest.mark.parametrize("name", ["-x", "a b", "x" * 129])
async def test_a_name_that_no_profile_has_is_refused(manager: Manager, name: str) -> None:
    """Before anything is looked up."""
    async with manager.http() as http:
        answer = await http.delete(f"/v1/profiles/{name}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_they_need_the_key(manager: Manager) -> None:
    """As everything below /v1."""
    async with manager.http(key=False) as http:
        assert (await http.get("/v1/profiles")).status_code == 401
