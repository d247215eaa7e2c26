"""What a browser knows of its user, in the form of Playwright's storage state, and how changes of two meet.

Pure: no I/O. A state is taken apart into entries that change by themselves, a cookie, an item of a site's local
storage, or a database of it as a whole, so that two sessions of one user, each with a browser of its own, lose nothing
of each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

State = Mapping[str, Any]
"""`{"cookies": [{name, value, domain, path, expires, …}], "origins": [{origin, localStorage: [{name, value}],
indexedDB: [{name, …}]}]}`."""
Key = tuple[str, ...]
Entries = dict[Key, Any]

EMPTY: State = {"cookies": [], "origins": []}
COOKIE, ITEM, DATABASE = "cookie", "item", "database"


class NoState(Exception):
    """This is not a storage state; the message says what is wrong with it."""


def entries(state: State) -> Entries:
    """Take a state apart, by what identifies each entry.

    Raises:
        NoState: It is none.
    """
    found: Entries = {}
    try:
        for cookie in state["cookies"]:
            partition = json.dumps(cookie.get("partitionKey"), sort_keys=True)
            found[COOKIE, cookie["domain"], cookie["path"], cookie["name"], partition] = dict(cookie)
        for site in state["origins"]:
            for item in site.get("localStorage", ()):
                found[ITEM, site["origin"], item["name"]] = item["value"]
            for database in site.get("indexedDB", ()):
                found[DATABASE, site["origin"], database["name"]] = dict(database)
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise NoState(f"{type(e).__name__}: {e}") from e
    return found


def whole(found: Entries) -> State:
    """Put entries together to a state; equal entries make equal states."""
    cookies = []
    sites: dict[str, dict[str, Any]] = {}
    for key in sorted(found):
        if key[0] == COOKIE:
            cookies.append(found[key])
            continue
        site = sites.setdefault(key[1], {"origin": key[1], "localStorage": [], "indexedDB": []})
        if key[0] == ITEM:
            site["localStorage"].append({"name": key[2], "value": found[key]})
        else:
            site["indexedDB"].append(found[key])
    return {"cookies": cookies, "origins": [sites[origin] for origin in sorted(sites)]}


def merged(base: Entries, mine: Entries, theirs: Entries) -> Entries:
    """Bring what one browser changed since `base` into what is kept, which others may have changed meanwhile.

    What only one side changed, counts. Where both did, mine is the newer one; but what the other side renewed stays,
    though it ended on mine: a login must not go because elsewhere an older one ran out.
    """
    kept = dict(theirs)
    for key in mine.keys() | base.keys():
        before, now, there = base.get(key), mine.get(key), theirs.get(key)
        if now == before:
            continue
        if now is not None:
            kept[key] = now
        elif there == before:
            kept.pop(key, None)
    return kept


def lasting(found: Entries, now: float) -> Entries:
    """Leave out the cookies that have expired by `now`, in seconds since the epoch; -1 never does by itself."""
    return {key: value for key, value in found.items() if key[0] != COOKIE or not 0 <= _expiry(value) <= now}


def _expiry(cookie: Mapping[str, Any]) -> float:
    expires = cookie.get("expires", -1)
    return float(expires) if isinstance(expires, int | float) else -1.0
