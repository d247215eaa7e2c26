"""What importing the engine costs a new process."""

from __future__ import annotations

import subprocess
import sys

from bench.report import Series

PACKAGE = """
import time
begin = time.perf_counter()
import agentscope_runtime.engine
print((time.perf_counter() - begin) * 1000)
"""
APPLICATION = """
import time
begin = time.perf_counter()
from agentscope_runtime.engine import AgentApp
print((time.perf_counter() - begin) * 1000)
"""


def engine(n: int) -> list[Series]:
    """Measure the two imports, each in processes of its own."""
    package = Series("import of agentscope_runtime.engine", state="cold", target=50)
    application = Series("import of agentscope_runtime.engine.AgentApp", state="cold", target=800)
    for _ in range(n):
        for series, code in ((package, PACKAGE), (application, APPLICATION)):
            run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            series.samples.append(float(run.stdout))
    return [package, application]
