"""Cookies and local storage of the box's browser, taken out and put in while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from browser_box import BrowserBox, Witness, browser_box, witness
from managers import eventually
from playwright.sync_api import sync_playwright
from web_site import Site

pytestmark = pytest.mark.docker

BROWSER_PROCESS = ("pgrep", "-of", "^/usr/lib/chromium/chromium --user-data-dir")


@pytest.fixture
def own_box(site: Site) -> Iterator[BrowserBox]:
    """A box for one test alone, since what a browser knows stays."""
    with browser_box(site) as box:
        yield box


def cookie(name: str, value: str, domain: str = "example.com", **more: object) -> dict[str, Any]:
    """Make a cookie that lives for an hour."""
    expires = float(int(time.time()) + 3600)
    plain = {"name": name, "value": value, "domain": domain, "path": "/", "expires": expires}
    return {**plain, "httpOnly": False, "secure": False, "sameSite": "Lax", **more}


def origin(name: str, **items: str) -> dict[str, Any]:
    """Make what one origin stored, in its local storage only."""
    pairs = [{"name": key, "value": value} for key, value in items.items()]
    return {"origin": name, "localStorage": pairs, "indexedDB": []}


def get(box: BrowserBox) -> dict[str, Any]:
    """Take the profile out."""
    answer = box.http.get("/browser/profile", timeout=30)
    assert answer.status_code == 200, answer.text
    taken: dict[str, Any] = answer.json()
    return taken


def put(box: BrowserBox, **state: object) -> None:
    """Put a profile in."""
    answer = box.http.put("/browser/profile", json=state, timeout=30)
    assert answer.status_code == 200, answer.text


def test_what_was_put_in_is_there_for_pages_and_comes_out_again(own_box: BrowserBox) -> None:
    """Of every kind of cookie, and of sites that nobody visits; no tab shows and no server hears of it."""
    cookies = [
        cookie("plain", "1"),
        cookie("session", "2", expires=-1, httpOnly=True),
        cookie("wide", "3", ".example.org", secure=True, sameSite="None"),
    ]
    origins = [origin("http://example.com", token="für mich"), origin("https://never.invalid", kept="yes")]
    put(own_box, cookies=cookies, origins=origins)
    assert own_box.ok("browser_tab_list").splitlines()[1:] == ["- 1: (current) [] (about:blank)"]
    taken = get(own_box)
    assert sorted(taken["cookies"], key=lambda each: each["name"]) == [
        {**each, "expires": pytest.approx(each["expires"], abs=2)} for each in cookies
    ]
    assert taken["origins"] == origins
    own_box.ok("browser_navigate", url="http://example.com/")
    with sync_playwright() as playwright, witness(playwright, own_box) as looking:
        looking.see("document.cookie", "plain=1")
        looking.see("localStorage.token", "für mich")


def test_what_pages_changed_comes_out(own_box: BrowserBox) -> None:
    """Of pages that were left long ago, too; what went is gone, and the page that shows does not notice."""
    put(own_box, cookies=[cookie("old", "1")], origins=[origin("http://example.com", old="1")])
    own_box.ok("browser_navigate", url="http://example.com/")
    with sync_playwright() as playwright, witness(playwright, own_box) as looking:
        looking.page().evaluate("localStorage.removeItem('old'); localStorage.fresh = 'a'")
        looking.page().evaluate("document.cookie = 'old=; max-age=0'; document.cookie = 'fresh=b; max-age=1000'")
        own_box.ok("browser_navigate", url="http://example.org/second")
        looking.page().evaluate("localStorage.here = 'c'; window.untouched = true")
        taken = get(own_box)
        assert [(each["name"], each["value"]) for each in taken["cookies"]] == [("fresh", "b")]
        assert taken["origins"] == [origin("http://example.com", fresh="a"), origin("http://example.org", here="c")]
        assert [page.evaluate("window.untouched") for page in looking.pages()] == [True]


def test_sites_cannot_fill_the_profile(own_box: BrowserBox) -> None:
    """Of a site that fills its storage the small things are taken; of many sites as much as the manager takes."""
    put(own_box)
    own_box.ok("browser_navigate", url="http://example.com/")
    with sync_playwright() as playwright, witness(playwright, own_box) as looking:
        looking.page().evaluate("localStorage.big = 'x'.repeat(4 << 20); localStorage.token = 'mine'")
        assert get(own_box)["origins"] == [origin("http://example.com", token="mine")]
    filled = [origin(f"http://s{number}.example.com", full="x" * 1_000_000) for number in range(12)]
    put(own_box, origins=filled)
    own_box.ok("browser_navigate", url="http://example.org/")
    with sync_playwright() as playwright, witness(playwright, own_box) as looking:
        looking.page().evaluate("localStorage.more = 'x'.repeat(1_000_000)")
        assert "http://example.org" not in [each["origin"] for each in get(own_box)["origins"]]


STORE = """async () => {
    const opening = indexedDB.open('app', 3);
    opening.onupgradeneeded = () => {
        const users = opening.result.createObjectStore('users', {keyPath: 'id', autoIncrement: true});
        users.createIndex('byName', 'name', {unique: true});
        users.add({name: 'ann', when: new Date(5), tags: new Set(['a']), big: 7n, bytes: new Uint8Array([1, 255]),
            list: [1, undefined, null, NaN], map: new Map([['k', {deep: 'ü'}]])});
        opening.result.createObjectStore('plain').put('value', [1, 'key']);
    };
    await new Promise(done => opening.onsuccess = done);
    const other = indexedDB.open('secret', 1);
    other.onupgradeneeded = () => other.result.createObjectStore('keys');
    await new Promise(done => other.onsuccess = done);
    const key = await crypto.subtle.generateKey({name: 'AES-GCM', length: 128}, false, ['encrypt']);
    const adding = other.result.transaction('keys', 'readwrite').objectStore('keys').put(key, 1);
    await new Promise(done => adding.onsuccess = done);
}"""
LOAD = """async () => {
    const opening = indexedDB.open('app');
    await new Promise(done => opening.onsuccess = done);
    const database = opening.result;
    const get = request => new Promise(done => request.onsuccess = () => done(request.result));
    const users = database.transaction('users', 'readwrite').objectStore('users');
    const ann = await get(users.index('byName').get('ann'));
    const next = await get(users.add({name: 'bob'}));
    const plain = await get(database.transaction('plain').objectStore('plain').get([1, 'key']));
    return [database.version, ann.id, next, ann.when.getTime(), ann.tags.has('a'), String(ann.big), ann.bytes[1],
        ann.list.length, ann.list[1] === undefined, ann.map.get('k').deep, plain].join();
}"""


def test_databases_go_along(own_box: BrowserBox, site: Site) -> None:
    """With all that a page may keep there; a key that nobody may see stays behind, and harms nothing."""
    put(own_box, cookies=[], origins=[])
    own_box.ok("browser_navigate", url="https://example.com/second")
    with sync_playwright() as playwright, witness(playwright, own_box) as looking:
        looking.page().evaluate(STORE)
        taken = get(own_box)
    (kept,) = taken["origins"]
    assert [database["name"] for database in kept["indexedDB"]] == ["app"]
    with browser_box(site) as other:
        put(other, **taken)
        assert get(other) == taken
        other.ok("browser_navigate", url="https://example.com/second")
        with sync_playwright() as playwright, witness(playwright, other) as looking:
            assert looking.page().evaluate(LOAD) == "3,1,2,5,true,7,255,4,true,ü,value"


def test_a_browser_that_ended_gets_back_what_it_forgot(own_box: BrowserBox) -> None:
    """Cookies that end with a browser are in no file; a crash must not look like a logout."""
    put(own_box, cookies=[cookie("session", "1", expires=-1)], origins=[])
    own_box.outside("kill", "-KILL", own_box.outside(*BROWSER_PROCESS).strip())
    eventually(lambda: own_box.http.get("/browser/profile", timeout=30).is_success, 15, "the browser is back")
    assert [each["name"] for each in get(own_box)["cookies"]] == ["session"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"cookies": 7},
        {"cookies": [{"name": "x"}]},
        {"cookies": [{"name": 1, "value": "", "domain": "", "path": ""}]},
        {"origins": [{"origin": "example.com"}]},
        {"origins": [{"origin": "file://"}]},
        {"origins": [{"origin": "http://x.example", "localStorage": [[]]}]},
        {"origins": [{"origin": "http://x.example", "indexedDB": [{"name": "x"}]}]},
        {"origins": [{"origin": f"http://x{number}.example"} for number in range(501)]},
    ],
)
def test_what_is_no_profile_is_refused(web: BrowserBox, wrong: dict[str, Any]) -> None:
    """In words, and before anything is changed."""
    answer = web.http.put("/browser/profile", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_one_bad_cookie_costs_only_itself(web: BrowserBox, seen: Witness) -> None:
    """Chromium takes all of a list or none."""
    put(web, cookies=[cookie("bad", "1", ""), cookie("good", "2", "mixed.example")])
    assert [each["name"] for each in seen.context.cookies("http://mixed.example/")] == ["good"]
