"""The sandbox classes as they are written; `_sync` holds what scripts/unasync.py makes of them."""
