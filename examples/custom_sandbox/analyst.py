"""A kind of sandbox of one's own: the base sandbox with a tool that describes tables.

    runtime-sandbox-builder analyst --extension examples/custom_sandbox/analyst.py \\
        --dockerfile_path examples/custom_sandbox/Dockerfile
    python examples/custom_sandbox/analyst.py

A server knows it by `runtime-sandbox-server --extension examples/custom_sandbox/analyst.py`.
"""

from __future__ import annotations

from agentscope_runtime.sandbox import BaseSandbox, BaseSandboxAsync
from agentscope_runtime.sandbox.registry import SandboxRegistry
from agentscope_runtime.sandbox.types import ToolResult


@SandboxRegistry.register(
    "example/analyst-sandbox:1.0",
    sandbox_type="analyst",
    resource_limits={"memory": "1500m", "cpu": 1},
    environment={"PANDAS_DISPLAY": "wide"},
    timeout=120,
    description="Looks at tables.",
)
class AnalystSandbox(BaseSandbox):
    """A sandbox that looks at tables."""

    def describe_table(self, path: str, rows: int = 3) -> ToolResult:
        """Describe a CSV file of the workspace: columns and their types, the number of rows, and the first ones.

        Args:
            path: The file, such as `sales.csv`.
            rows: How many of the first rows to show.
        """
        return self.call_tool("describe_table", {"path": path, "rows": rows})


@SandboxRegistry.attach("analyst")
class AnalystSandboxAsync(BaseSandboxAsync):
    """The same, for code that does not block."""

    async def describe_table(self, path: str, rows: int = 3) -> ToolResult:
        """Describe a CSV file of the workspace: columns and their types, the number of rows, and the first ones.

        Args:
            path: The file, such as `sales.csv`.
            rows: How many of the first rows to show.
        """
        return await self.call_tool_async("describe_table", {"path": path, "rows": rows})


def main() -> None:
    """Describe a small table, in a sandbox that a manager in this process runs."""
    with AnalystSandbox() as box:
        box.fs.write("sales.csv", "city,sold,price\nOslo,3,2.5\nRome,11,2.25\n")
        print(box.describe_table("sales.csv", rows=1)["content"][0]["text"])


if __name__ == "__main__":
    main()
