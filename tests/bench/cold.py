"""Cold measures: a new process each time, its imports included, no pool, nothing running."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.report import Series

BASE = """
from agentscope_runtime.sandbox import BaseSandbox
with BaseSandbox() as box:
    assert not box.run_ipython_cell("print(1)")["isError"]
    print("result", flush=True)
"""
BROWSER = """
import sys
from agentscope_runtime.sandbox import BrowserSandbox
with BrowserSandbox() as box:
    assert not box.browser_navigate(sys.argv[1])["isError"]
    print("result", flush=True)
"""
IMPORT = """
import time
begin = time.perf_counter()
from agentscope_runtime.sandbox import BrowserSandbox
print((time.perf_counter() - begin) * 1000)
"""


def until_result(code: str, *arguments: str) -> float:
    """Start a script in a new process; return the milliseconds until it has its first result."""
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        line = script.stdout.readline()
        took = (time.perf_counter() - begin) * 1000
    if line.strip() != "result" or script.returncode:
        raise RuntimeError(f"the script failed with status {script.returncode}")
    return took


def scripts(n: int, url: str) -> list[Series]:
    """Measure the two scripts of the quick start and the import of the client."""
    base = Series("with BaseSandbox() → first result", state="cold", target=1200)
    browser = Series("with BrowserSandbox() → first navigate", state="cold", target=3500)
    imports = Series("import of agentscope_runtime.sandbox.BrowserSandbox", state="cold", target=350)
    for _ in range(n):
        base.samples.append(until_result(BASE))
        browser.samples.append(until_result(BROWSER, url))
        run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
        imports.samples.append(float(run.stdout))
    return [base, browser, imports]
