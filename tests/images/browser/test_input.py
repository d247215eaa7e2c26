"""Hands: what the page felt is read from the page by somebody else."""

from __future__ import annotations

import time

import pytest
from browser_box import BrowserBox, Witness, text_of
from managers import eventually
from web_site import Site

pytestmark = pytest.mark.docker


@pytest.fixture
def form(web: BrowserBox) -> BrowserBox:
    """The box, at the page with the form."""
    web.ok("browser_navigate", url="http://example.com/form")
    return web


def test_click_and_hover(form: BrowserBox, seen: Witness) -> None:
    """The page gets the events, and the answer has the code for it."""
    ref = form.ref('button "Press"')
    form.ok("browser_hover", element="Press", ref=ref)
    seen.see("window.did", ["over"], "/form")
    said = form.ok("browser_click", element="Press", ref=form.ref('button "Press"'))
    assert 'await page.get_by_role("button", name="Press").click()' in said
    seen.see("window.did.includes('clicked')", True, "/form")


def test_click_follows_a_link(web: BrowserBox, seen: Witness) -> None:
    """The answer already shows the next page."""
    web.ok("browser_navigate", url="http://example.com/")
    said = web.ok("browser_click", element="Second page", ref=web.ref('link "Second page"'))
    assert "- Page URL: http://example.com/second\n- Page Title: Second" in said
    assert seen.page("example.com").title() == "Second"


def test_click_waits_for_what_it_set_off(form: BrowserBox) -> None:
    """What a click fetches is in the answer's snapshot."""
    assert "Arrived" in form.ok("browser_click", element="Load", ref=form.ref('button "Load"'))


def test_click_in_a_frame(web: BrowserBox, seen: Witness) -> None:
    """Refs reach into frames."""
    web.ok("browser_navigate", url="http://example.com/frames")
    web.ok("browser_click", element="Inner", ref=web.ref('button "Inner"'))
    seen.see("window.did", ["inner"], "/frames")


def test_a_wrong_ref_is_refused(web: BrowserBox) -> None:
    """Unknown, stale, or of another page: with the cure, and at once."""
    web.ok("browser_navigate", url="http://example.com/leaving")
    began = time.monotonic()
    assert "not in the last snapshot" in web.error("browser_click", element="x", ref="e999")
    ref = web.ref('button "Going"')
    web.ok("browser_click", element="Going", ref=ref)
    assert "not in the last snapshot" in web.error("browser_click", element="Going", ref=ref)
    assert "take a browser_snapshot" in web.error("browser_click", element="x", ref='e1"]')
    assert time.monotonic() - began < 3


def test_a_ref_whose_element_has_gone_is_stale(web: BrowserBox, seen: Witness) -> None:
    """The page changed by itself since the snapshot."""
    web.ok("browser_navigate", url="http://example.com/leaving")
    ref = web.ref('button "Going"')
    seen.page("/leaving").evaluate("document.querySelector('button').remove()")
    assert "stale" in web.error("browser_click", element="Going", ref=ref)


def test_an_element_that_cannot_be_clicked_says_why(web: BrowserBox) -> None:
    """Another one lies above it: Playwright's own words tell, well before the call's time is over."""
    web.ok("browser_navigate", url="http://example.com/covered")
    result = web.call("browser_click", within_s=1.5, element="Below", ref=web.ref('button "Below"'))
    assert result["isError"] and "intercepts pointer events" in text_of(result)


def test_drag(form: BrowserBox, seen: Witness) -> None:
    """From one element onto another, in both spellings."""
    cargo, ship = form.ref('button "Cargo"'), form.ref('button "Ship"')
    form.ok("browser_drag", startElement="Cargo", startRef=cargo, endElement="Ship", endRef=ship)
    seen.see("window.did.includes('cargo')", True, "/form")
    seen.page("/form").evaluate("window.did = []")
    cargo, ship = form.ref('button "Cargo"'), form.ref('button "Ship"')
    form.ok("browser_drag", start_element="Cargo", start_ref=cargo, end_element="Ship", end_ref=ship)
    seen.see("window.did.includes('cargo')", True, "/form")


def test_type_fills_a_field(form: BrowserBox, seen: Witness) -> None:
    """At once: the page sees no single keys."""
    form.ok("browser_type", element="Name", ref=form.ref('textbox "Name"'), text='Ada "L"', submit=False, slowly=False)
    seen.see("[document.querySelector('input').value, window.did]", ['Ada "L"', []], "/form")


def test_type_slowly_and_submit(form: BrowserBox, seen: Witness, site: Site) -> None:
    """Slowly, the page sees each key; submit sends the form."""
    ref = form.ref('textbox "Name"')
    form.ok("browser_type", element="Name", ref=ref, text="Bob", slowly=True)
    seen.see("window.did", ["B", "o", "b"], "/form")
    site.posts.clear()
    said = form.ok("browser_type", element="Name", ref=form.ref('textbox "Name"'), text="Eve", submit=True)
    assert site.posts == [("/posted", b"name=Eve")]
    assert "- Page Title: Posted" in said


def test_select_option(form: BrowserBox, seen: Witness) -> None:
    """By value or by label, several where the list takes several."""
    form.ok("browser_select_option", element="Colour", ref=form.ref('listbox "Colour"'), values=["r", "Blue"])
    seen.see("[...colour.selectedOptions].map(o => o.value)", ["r", "b"], "/form")


def test_an_option_that_is_not_there_is_named_with_those_that_are(form: BrowserBox) -> None:
    """So that the next call can be right."""
    ref = form.ref('listbox "Colour"')
    result = form.call("browser_select_option", within_s=1.0, element="Colour", ref=ref, values=["r", "Pink"])
    assert result["isError"] and 'there are: "Red", "Green", "Blue"' in text_of(result)


def test_press_key(form: BrowserBox, seen: Witness) -> None:
    """Goes to what has the focus."""
    form.ok("browser_click", element="Keys", ref=form.ref('button "Keys"'))
    form.ok("browser_press_key", key="ArrowLeft")
    seen.see("window.did", ["ArrowLeft"], "/form")
    form.ok("browser_click", element="Name", ref=form.ref('textbox "Name"'))
    form.ok("browser_press_key", key="ü")
    seen.see("document.querySelector('input').value", "ü", "/form")
    assert "there is no key 'NoSuchKey'" in form.error("browser_press_key", key="NoSuchKey")


@pytest.mark.parametrize(
    ("button", "answer", "outcome"),
    [
        ("Alert", {"accept": True}, None),
        ("Confirm", {"accept": True}, True),
        ("Confirm", {"accept": False}, False),
        ("Prompt", {"accept": True, "promptText": "Ada"}, "Ada"),
        ("Prompt", {"accept": True, "prompt_text": "Eve"}, "Eve"),
        ("Prompt", {"accept": True, "promptText": ""}, "nobody"),
        ("Prompt", {"accept": False}, None),
    ],
)
def test_a_dialog_is_reported_and_answered(
    web: BrowserBox, seen: Witness, button: str, answer: dict[str, object], outcome: object
) -> None:
    """The click returns at once and says that a dialog is open; nothing else works until it is answered."""
    web.ok("browser_navigate", url="http://example.com/dialogs")
    ref = web.ref(f'button "{button}"')
    began = time.monotonic()
    said = web.ok("browser_click", element=button, ref=ref)
    assert time.monotonic() - began < 2
    assert f'### Modal state\n- ["{button.lower()}" dialog with message' in said
    assert "browser_handle_dialog" in web.error("browser_snapshot")
    said = web.ok("browser_handle_dialog", **answer)
    assert "Modal state" not in said and "- Page Title: Dialogs" in said
    seen.see("window.did", [outcome], "/dialogs")


def test_a_dialog_while_a_page_loads(web: BrowserBox) -> None:
    """Navigation does not hang on it."""
    said = web.ok("browser_navigate", url="http://example.com/greeting")
    assert 'dialog with message "Welcome"' in said
    assert 'heading "Inside"' in web.ok("browser_handle_dialog", accept=True)


def test_a_dialog_that_a_person_answered(web: BrowserBox, seen: Witness) -> None:
    """The tools notice, and go on."""
    web.ok("browser_navigate", url="http://example.com/dialogs")
    session = seen.context.new_cdp_session(seen.page("/dialogs"))
    session.send("Page.enable")
    web.ok("browser_click", element="Confirm", ref=web.ref('button "Confirm"'))
    session.send("Page.handleJavaScriptDialog", {"accept": True})
    eventually(lambda: not web.call("browser_snapshot")["isError"], 3, "the tools have noticed")
    assert "There is no modal state" in web.error("browser_handle_dialog", accept=True)
    seen.see("window.did", [True], "/dialogs")


def test_file_upload(web: BrowserBox, seen: Witness) -> None:
    """Needs an open file chooser; takes files of the workspace, one or several, or none to close it."""
    web.http.put("/files/content", params={"path": "up/a.txt"}, content=b"AAA").raise_for_status()
    web.http.put("/files/content", params={"path": "up/b.txt"}, content=b"BBB").raise_for_status()
    web.ok("browser_navigate", url="http://example.com/upload")
    assert "There is no modal state" in web.error("browser_file_upload", paths=["up/a.txt"])
    said = web.ok("browser_click", element="Many", ref=web.ref('button "Many"'))
    assert '[file chooser]: can be handled by the "browser_file_upload" tool' in said
    assert "not a file" in web.error("browser_file_upload", paths=["up/nothing.txt"])
    web.ok("browser_file_upload", paths=["/workspace/up/a.txt", "up/b.txt"])
    seen.see("window.did", ["a.txt,b.txt"], "/upload")
    web.ok("browser_click", element="One", ref=web.ref('button "One"'))
    assert "one file only" in web.error("browser_file_upload", paths=["up/a.txt", "up/b.txt"])
    web.ok("browser_file_upload", paths=["up/b.txt"])
    assert seen.page("/upload").evaluate("one.files[0].text()") == "BBB"
    web.ok("browser_click", element="One", ref=web.ref('button "One"'))
    assert "Modal state" not in web.ok("browser_file_upload", paths=[])


def test_the_servers_files_cannot_be_uploaded(web: BrowserBox) -> None:
    """Neither by name nor through a link that the user's code made."""
    web.ok("browser_navigate", url="http://example.com/upload")
    web.ok("browser_click", element="One", ref=web.ref('button "One"'))
    assert "neither below /workspace nor below /tmp" in web.error(
        "browser_file_upload", paths=["/run/box/desktop.token"]
    )
    assert "neither below" in web.error("browser_file_upload", paths=["../etc/passwd"])
    web.ok("browser_file_upload", paths=[])
