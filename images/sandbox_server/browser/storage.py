"""What sites store in the browser, read and written from a page of their origin that nobody sees.

The page is hidden, empty, and answered here: so neither the person at the desktop, nor the tools, nor the site hear of
it, and no code of the site runs in it. Not here: which sites, and what for (`profile`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sandbox_server.browser.cdp import Cdp, CdpError

VISIT_S = 5.0
SITE_MAX = 1 << 20
"""Characters of what is taken of one site, the smallest first; what is larger is what it caches, and no login."""

LIBRARY = """
const done = request => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('in use'));
});
const base64 = bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''));
const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const VIEWS = {Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    Float32Array, Float64Array, BigInt64Array, BigUint64Array};
function encoded(value, depth = 0) {
    if (depth > 50) throw new Error('too deep');
    const inner = each => encoded(each, depth + 1);
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) return value;
    if (value === undefined) return {is: 'undefined'};
    if (typeof value === 'number') return {is: 'number', of: Object.is(value, -0) ? '-0' : String(value)};
    if (typeof value === 'bigint') return {is: 'bigint', of: String(value)};
    if (Array.isArray(value)) return Array.from(value, inner);
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    if (kind === 'Date') return {is: 'Date', of: inner(value.getTime())};
    if (kind === 'Map') return {is: 'Map', of: [...value].map(inner)};
    if (kind === 'Set') return {is: 'Set', of: [...value].map(inner)};
    if (kind === 'ArrayBuffer') return {is: kind, of: base64(new Uint8Array(value))};
    if (kind in VIEWS) return {is: kind, of: base64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))};
    if (kind === 'Object') return {is: 'Object', of: Object.entries(value).map(inner)};
    throw new Error(kind);  // a key that nobody may see, a file: not for taking away
}
function decoded(value) {
    if (Array.isArray(value)) return value.map(decoded);
    if (value === null || typeof value !== 'object') return value;
    const {is, of} = value;
    if (is === 'undefined') return undefined;
    if (is === 'number') return Number(of);
    if (is === 'bigint') return BigInt(of);
    if (is === 'Date') return new Date(decoded(of));
    if (is === 'Map') return new Map(of.map(decoded));
    if (is === 'Set') return new Set(of.map(decoded));
    if (is === 'ArrayBuffer') return bytes(of).buffer;
    if (is in VIEWS) return new VIEWS[is](bytes(of).buffer);
    return Object.fromEntries(of.map(decoded));
}
const shape = ({name, keyPath, unique, multiEntry}) => ({name, keyPath, unique, multiEntry});
async function taken(name) {
    const database = await done(indexedDB.open(name));
    try {
        const stores = [];
        for (const from of database.objectStoreNames) {
            const store = database.transaction(from).objectStore(from);
            const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
            stores.push({name: from, keyPath: store.keyPath, autoIncrement: store.autoIncrement,
                indexes: Array.from(store.indexNames, index => shape(store.index(index))),
                records: keys.map((key, place) => [encoded(key), encoded(values[place])])});
        }
        return {version: database.version, stores};
    } finally {
        database.close();
    }
}
async function put(name, {version, stores}) {
    await done(indexedDB.deleteDatabase(name));
    const opening = indexedDB.open(name, version);
    opening.onupgradeneeded = () => {
        for (const {name, keyPath, autoIncrement, indexes, records} of stores) {
            const store = opening.result.createObjectStore(name, {keyPath, autoIncrement});
            for (const {name, keyPath, ...options} of indexes) store.createIndex(name, keyPath, options);
            for (const [key, value] of records)
                keyPath === null ? store.put(decoded(value), decoded(key)) : store.put(decoded(value));
        }
    };
    (await done(opening)).close();
}
"""
TAKE = """(async () => {
    %s
    let room = %d;
    const fits = text => text.length <= room && (room -= text.length, true);
    const items = Object.entries(localStorage).sort((one, other) => one[1].length - other[1].length);
    const kept = items.filter(item => fits(item.join('')));
    const databases = {};
    for (const {name} of await indexedDB.databases()) {
        databases[name] = null;
        try {
            const database = await taken(name);
            if (fits(JSON.stringify(database))) databases[name] = database;
        } catch {}
    }
    return JSON.stringify([location.origin, Object.fromEntries(kept), databases]);
})()"""
PUT = """(async () => {
    %s
    const [items, databases] = %s;
    localStorage.clear();
    for (const [name, value] of Object.entries(items)) localStorage.setItem(name, value);
    for (const [name, database] of Object.entries(databases)) try { await put(name, database) } catch {}
    return JSON.stringify([location.origin, items, databases]);
})()"""


@dataclass(frozen=True, slots=True)
class Site:
    """What one origin has stored."""

    items: dict[str, str] = field(default_factory=dict)
    """Its local storage."""
    databases: dict[str, Any] = field(default_factory=dict)
    """Its IndexedDB, by name, in a form of our own; None for what cannot be taken out."""


class HiddenPage:
    """A page on no screen and in no list; for one site after the other."""

    def __init__(self, cdp: Cdp, session: str) -> None:
        """Use `opened`."""
        self._cdp = cdp
        self._session = session

    @classmethod
    @asynccontextmanager
    async def opened(cls, cdp: Cdp) -> AsyncIterator[HiddenPage]:
        """Open one while the context lasts; it asks no server.

        Raises:
            CdpError, ConnectionError: The browser does not open it.
        """
        target = (await cdp.send("Target.createTarget", {"url": "about:blank", "hidden": True}))["targetId"]
        try:
            session = (await cdp.send("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
            await cdp.send("Network.enable", session=session)
            await cdp.send("Network.setBypassServiceWorker", {"bypass": True}, session)
            await cdp.send("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}, session)
            yield cls(cdp, session)
        finally:
            with suppress(CdpError, ConnectionError):  # it went with the browser
                await cdp.send("Target.closeTarget", {"targetId": target})

    async def take(self, origin: str) -> Site | None:
        """Return what an origin has stored; None where it has no storage, or the browser does not let us."""
        return await self._run(origin, TAKE % (LIBRARY, SITE_MAX))

    async def put(self, origin: str, site: Site) -> Site | None:
        """Replace what an origin has stored, and return it; None where the browser does not let us."""
        return await self._run(origin, PUT % (LIBRARY, json.dumps([site.items, site.databases])))

    async def _run(self, origin: str, code: str) -> Site | None:
        asked = self._cdp.expect("Fetch.requestPaused", self._session)
        going = asyncio.create_task(self._cdp.send("Page.navigate", {"url": f"{origin}/"}, self._session))
        try:
            async with asyncio.timeout(VISIT_S):
                request = await asked
                headers = [{"name": "Content-Type", "value": "text/html"}]
                answer = {"requestId": request["requestId"], "responseCode": 200, "responseHeaders": headers}
                await self._cdp.send("Fetch.fulfillRequest", answer, self._session)
                await going
                wanted = {"expression": code, "returnByValue": True, "awaitPromise": True}
                said = await self._cdp.send("Runtime.evaluate", wanted, self._session)
            where, items, databases = json.loads(said["result"]["value"])
        except (TimeoutError, CdpError, KeyError, ValueError):
            return None
        finally:
            asked.cancel()
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
        return Site(items, databases) if where == origin else None
