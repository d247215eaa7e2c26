"""The browser program: its own sandbox is on, it reaches no secret, it trusts what it is told to."""

from __future__ import annotations

import re

import pytest
from browser_box import BrowserBox, Witness, browser_box
from web_site import Site

from sandbox_server.browser.chromium import FLAGS

pytestmark = pytest.mark.docker


def test_its_sandbox_is_never_switched_off() -> None:
    """No flag weakens it."""
    assert not [flag for flag in FLAGS if "sandbox" in flag or "single-process" in flag or "web-security" in flag]


def test_pages_run_in_a_sandbox_of_their_own(web: BrowserBox) -> None:
    """Renderers: a deeper pid namespace than the browser's, no capability, and one more seccomp filter."""
    web.ok("browser_navigate", url="http://example.com/form")
    browser = web.outside("pgrep", "-of", "^/usr/lib/chromium/chromium --user-data-dir").strip()
    renderers = web.outside("pgrep", "-f", "--", "--type=renderer").split()
    assert renderers
    for pid in renderers:
        assert len(_status(web, pid, "NSpid").split()) > len(_status(web, browser, "NSpid").split())
        assert int(_status(web, pid, "Seccomp_filters")) > int(_status(web, browser, "Seccomp_filters")) > 0
        assert _status(web, pid, "CapEff") == "0000000000000000"
    assert "no-sandbox" not in web.outside("cat", f"/proc/{browser}/cmdline")


def test_it_says_itself_that_it_is_sandboxed(web: BrowserBox) -> None:
    """Its own page about that finds nothing missing."""
    said = web.ok("browser_navigate", url="chrome://sandbox")
    cells = re.findall(r'cell "(.*?)"', said)
    for name in ("PID namespaces", "Network namespaces", "Seccomp-BPF sandbox"):
        assert cells[cells.index(name) + 1] == "Yes", said
    assert "You are adequately sandboxed." in said


def test_it_cannot_read_the_servers_secrets(web: BrowserBox, seen: Witness) -> None:
    """Whatever address it is given: in its view of the machine they are not there."""
    secret = web.outside("cat", "/run/box/desktop.token")
    assert secret and secret != web.token
    for path in ("/run/box/desktop.token", "/proc/1/root/run/box/desktop.token"):
        result = web.call("browser_navigate", url=f"file://{path}")
        assert result["isError"] and secret not in str(result), result
    server = web.outside("pgrep", "-of", "sandbox_server").strip()
    for name in ("environ", "root/run/box/desktop.token", "mem"):
        assert web.token not in str(web.call("browser_navigate", url=f"file:///proc/{server}/{name}"))
    web.call("browser_navigate", url="file:///run/box/")
    assert "desktop" not in seen.page().content()


def test_cdp_is_on_loopback_only(web: BrowserBox) -> None:
    """Nothing but the box's own two ports can be reached from outside."""
    table = web.outside("cat", "/proc/net/tcp", "/proc/net/tcp6")
    listening = re.findall(r": (\w+):(\w{4}) \w+:0000 0A ", table)
    outside = {int(port, 16) for address, port in listening if not address.endswith(("00007F", "01000000"))}
    assert outside - {9333} == {7000, 7001}  # 9333 is the relay of these tests
    assert 9222 in {int(port, 16) for _, port in listening}


def test_it_trusts_a_ca_that_the_box_was_given(web: BrowserBox) -> None:
    """The shared box was started with the CA of the site."""
    assert "- Page Title: Second" in web.ok("browser_navigate", url="https://shop.example.com/second")


def test_it_trusts_no_other(site: Site) -> None:
    """Without it the same page is refused."""
    plain = Site(site.pages, site.http_port, site.https_port)
    with browser_box(plain) as box:
        said = box.error("browser_navigate", url="https://shop.example.com/second")
        assert "certificate is not trusted" in said
        assert "- Page Title: Second" in box.ok("browser_navigate", url="http://shop.example.com/second")


def test_a_broken_ca_bundle_is_named(site: Site) -> None:
    """The box does not become ready without what it was asked to trust."""
    with pytest.raises(AssertionError, match="CA bundle"), browser_box(Site({}, ca_pem="no certificate")):
        pass


def test_webgl_works_without_a_gpu(web: BrowserBox, seen: Witness) -> None:
    """Maps and charts need it."""
    web.ok("browser_navigate", url="http://example.com/second")
    seen.see("!!document.createElement('canvas').getContext('webgl')", True, "/second")


def test_chinese_has_glyphs(web: BrowserBox, seen: Witness) -> None:
    """Two different characters do not both show as the box of a missing one."""
    web.ok("browser_navigate", url="http://example.com/second")
    drawn = """text => { const c = document.createElement('canvas'), x = c.getContext('2d');
        x.font = '40px sans-serif'; x.fillText(text, 0, 50); return c.toDataURL() }"""
    page = seen.page("/second")
    assert len({page.evaluate(drawn, text) for text in ("中", "国", "😀", "\uffff")}) == 4


def _status(web: BrowserBox, pid: str, field: str) -> str:
    lines = web.outside("cat", f"/proc/{pid}/status").splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith(f"{field}:"))
