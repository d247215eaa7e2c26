# Made by scripts/unasync.py from client/agentscope_runtime/sandbox/_async/__init__.py. Do not edit: change that one and run `make unasync`.
"""The sandbox classes as they are written; `_sync` holds what scripts/unasync.py makes of them."""
