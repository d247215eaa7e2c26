"""What only threads can do to a sandbox: share it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from scripted_manager import KEY, ScriptedManager

from agentscope_runtime.sandbox import BaseSandbox


def test_one_object_serves_many_threads(manager: ScriptedManager) -> None:
    """A sandbox that threads share is started once, and their calls do not mix."""
    box = BaseSandbox(base_url=manager.url, bearer_token=KEY)
    with ThreadPoolExecutor(16) as threads:
        assert len({started.sandbox_id for started in threads.map(lambda _: box.start(), range(16))}) == 1
        results = list(threads.map(lambda n: box.run_shell_command(f"echo {n}"), range(64)))
    said = [json.loads(result["content"][0]["text"])["arguments"]["command"] for result in results]
    assert said == [f"echo {n}" for n in range(64)]
    box.close()
    assert manager.paths().count("POST /v1/leases") == 1
