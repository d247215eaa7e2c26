"""Agents' toolkits take the methods of sandboxes as they are: `toolkit.register_tool_function(box.browser_navigate)`.

Their adapter arranges that; here is only the moment: before a handler gets its first sandbox.
"""

from __future__ import annotations

import importlib
import logging
import sys

logger = logging.getLogger(__name__)

ADAPTERS = {"agentscope.tool": "agentscope_runtime.adapters.agentscope"}
"""The framework's module with its toolkit, and ours that teaches it; found by name: no framework is imported here."""


def make_known() -> None:
    """Load the adapter of each framework that this program has imported."""
    for framework, adapter in ADAPTERS.items():
        if framework in sys.modules and adapter not in sys.modules:
            try:
                importlib.import_module(adapter)
            except ImportError as error:  # a release of the framework that we do not adapt
                logger.debug("the methods of sandboxes are no tools for %s: %s", framework, error)
