"""Stopping runs from outside, and knowing which sessions have one: the base of backends, and one for this process."""

from agentscope_runtime.engine.interrupts.base import BaseInterruptBackend, InterruptSignal, TaskState
from agentscope_runtime.engine.interrupts.local import LocalInterruptBackend

__all__ = ["BaseInterruptBackend", "InterruptSignal", "LocalInterruptBackend", "TaskState"]
