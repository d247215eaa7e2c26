"""The image builder: `runtime-sandbox-builder` makes the images that the manager starts, on any network.

It finds a Debian base, pulled or bootstrapped, builds each image whose inputs changed, and says what it does. It runs
nothing in the images and knows nothing of what is in them: that is the Dockerfiles' business.
"""

from __future__ import annotations

from agentscope_runtime.sandbox_manager.builder.command import main

__all__ = ["main"]
