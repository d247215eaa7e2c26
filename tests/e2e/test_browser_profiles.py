"""A user's logins survive sessions, in real browsers, and sessions beside each other keep each other's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from browser_box import NAMES
from managers import Server
from real_box import network_gateway
from web_site import Site, web_site

from agentscope_runtime.sandbox import BaseSandbox, BrowserSandbox
from agentscope_runtime.sandbox.errors import InvalidRequest

pytestmark = [pytest.mark.docker, pytest.mark.slow]

LOGIN = """<title>Site</title><script>
const login = new URLSearchParams(location.search).get('login');
if (login) { document.cookie = `${login}=yes; max-age=3600`; localStorage[login] = 'yes' }
document.title = document.cookie.split('; ').sort() + '|' + Object.keys(localStorage).sort();
</script>"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Run a site to which one logs in by asking for it."""
    with web_site({"/": LOGIN}, NAMES) as running:
        yield running


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    """Run a manager that keeps two browsers warm."""
    return make_server(POOL_SIZE="browser=2").wait_ready(120)


@contextmanager
def session(server: Server, **options: Any) -> Iterator[BrowserSandbox]:
    """Begin a session with a profile."""
    with BrowserSandbox(base_url=server.url, bearer_token=server.key, **options) as box:
        yield box


def title(box: BrowserSandbox, site: Site, login: str = "") -> str:
    """Go to the site and return what it knows: cookies, and names in local storage."""
    result = box.browser_navigate(f"http://{network_gateway()}:{site.http_port}/?login={login}")
    found = re.search(r"Page Title: (.*)", result["content"][0]["text"])
    assert found, result
    return found[1]


def test_logins_survive_sessions(server: Server, site: Site) -> None:
    """Of those who asked for it, by name; the next session may begin at once."""
    with session(server, profile="work") as box:
        assert title(box, site, "one") == "one=yes|one"
    with session(server, profile="work") as box:
        assert title(box, site) == "one=yes|one"
    with session(server, profile="home") as box:
        assert title(box, site) == "|"
    with session(server) as box:
        assert title(box, site) == "|"


def test_two_sessions_lose_nothing_of_each_other(server: Server, site: Site) -> None:
    """Whichever ends first."""
    with session(server, profile="both") as first:
        with session(server, profile="both") as second:
            assert title(first, site, "one") == "one=yes|one"
            assert title(second, site, "two") == "two=yes|two"
        assert title(first, site, "three") == "one=yes,three=yes|one,three"
    with session(server, profile="both") as box:
        assert title(box, site) == "one=yes,three=yes,two=yes|one,three,two"


def test_a_sandbox_without_a_browser_says_so(server: Server) -> None:
    """Instead of ignoring the wish."""
    with pytest.raises(InvalidRequest, match="a profile is for browsers"):
        BaseSandbox(base_url=server.url, bearer_token=server.key, profile="work").start()
