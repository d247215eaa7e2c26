"""What agents of each framework take and give, in the engine's own words: a package for each framework.

The engine loads them by name (`agentscope_runtime.engine.frameworks`) when the first agent of that framework starts;
nothing here is imported before. In each, `ADAPTER` is what the engine uses; `tool`, `message` and `memory` are for
handlers.
"""
