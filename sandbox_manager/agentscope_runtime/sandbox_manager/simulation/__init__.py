"""`runtime-sandbox-server simulate`: what a pool would do with given sessions, in virtual time and without an engine.

It decides with the very functions of the manager (`sizing`, `fairness`), so what it shows is what they would do; what
it does not show are the milliseconds of a claim, and starts that fail or take longer when many run at a time.
"""

from __future__ import annotations
