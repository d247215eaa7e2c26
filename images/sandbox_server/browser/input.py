"""Browser tools that do what hands do: click, type, choose, drag, answer dialogs, hand over files."""

from __future__ import annotations

from playwright.async_api import Dialog, Error, FileChooser
from playwright.async_api import TimeoutError as NotInTime

from sandbox_server.browser.call import Call
from sandbox_server.browser.failure import ToolFailed
from sandbox_server.browser.paths import readable
from sandbox_server.browser.report import modal_state, quoted
from sandbox_server.browser.settle import settle
from sandbox_server.browser.tab import Modal, Tab
from sandbox_server.parts import Result

CATCH_UP_S = 5.0
OPTIONS = "element => [...(element.options ?? [])].map(option => [option.label, option.value])"
OPTIONS_MAX = 50


async def click(call: Call) -> Result:
    """Click an element."""
    locator, code = await call.element(call.arguments["ref"])
    return await call.act(f"await {code}.click()", lambda _: locator.click(timeout=call.action_ms()))


async def hover(call: Call) -> Result:
    """Move the pointer over an element."""
    locator, code = await call.element(call.arguments["ref"])
    return await call.act(f"await {code}.hover()", lambda _: locator.hover(timeout=call.action_ms()))


async def drag(call: Call) -> Result:
    """Drag one element onto another."""
    source, source_code = await call.element(call.arguments["startRef"])
    target, target_code = await call.element(call.arguments["endRef"])
    return await call.act(
        f"await {source_code}.drag_to({target_code})",
        lambda _: source.drag_to(target, timeout=call.action_ms()),
    )


async def type_text(call: Call) -> Result:
    """Put text into a field."""
    locator, code = await call.element(call.arguments["ref"])
    value = call.arguments["text"]
    slowly, submit = call.get("slowly", False), call.get("submit", False)
    lines = [f"await {code}.press_sequentially({quoted(value)})" if slowly else f"await {code}.fill({quoted(value)})"]
    if submit:
        lines.append(f'await {code}.press("Enter")')

    async def work(_: Tab) -> None:
        if slowly:
            await locator.press_sequentially(value, timeout=call.remaining_ms())
        else:
            await locator.fill(value, timeout=call.action_ms())
        if submit:
            await locator.press("Enter", timeout=call.action_ms())

    return await call.act("\n".join(lines), work)


async def select_option(call: Call) -> Result:
    """Choose options of a list, by value or label."""
    locator, code = await call.element(call.arguments["ref"])
    values = [str(value) for value in call.arguments["values"]]
    written = ", ".join(quoted(value) for value in values)

    async def work(_: Tab) -> None:
        try:
            await locator.select_option(values, timeout=call.action_ms())
        except NotInTime as e:
            there = await locator.evaluate(OPTIONS)
            known = {name for option in there for name in option}
            if all(value in known for value in values):
                raise  # it is something else, such as a list that is switched off
            labels = ", ".join(quoted(label) for label, _ in there[:OPTIONS_MAX])
            raise ToolFailed(f"not all of {written} can be chosen; there are: {labels}") from e

    return await call.act(f"await {code}.select_option([{written}])", work)


async def press_key(call: Call) -> Result:
    """Press a key, or keys together such as Control+A."""
    key = call.arguments["key"]
    if len(key) == 1 and not key.isascii():  # on no keyboard that Playwright knows; a person's has it
        code = f"await page.keyboard.insert_text({quoted(key)})"
        return await call.act(code, lambda tab: tab.page.keyboard.insert_text(key))

    async def work(tab: Tab) -> None:
        try:
            await tab.page.keyboard.press(key)
        except Error as e:
            if "Unknown key" not in e.message:
                raise
            names = "a, Enter, ArrowLeft, F5, Control+A"
            raise ToolFailed(
                f"there is no key {key!r}; keys are called {names} and so on; browser_type types text"
            ) from e

    return await call.act(f"await page.keyboard.press({quoted(key)})", work)


async def file_upload(call: Call) -> Result:
    """Hand files to the open file chooser; none closes it."""
    modal = _pending(call, "browser_file_upload")
    paths = [readable(call.workspace, path) for path in call.arguments["paths"]]
    chooser = modal.subject
    assert isinstance(chooser, FileChooser)
    if len(paths) > 1 and not chooser.is_multiple():
        raise ToolFailed("the page takes one file only")
    modal.tab.unblock()
    written = ", ".join(quoted(path) for path in paths)

    async def work() -> None:
        before = modal.tab.log.under_way()
        if paths:
            await chooser.set_files(paths, timeout=call.action_ms())
        await settle(modal.tab, before)

    await call.tabs.unless_blocked(work())
    return await call.report(f"await file_chooser.set_files([{written}])")


async def handle_dialog(call: Call) -> Result:
    """Answer the open dialog."""
    modal = _pending(call, "browser_handle_dialog")
    dialog = modal.subject
    assert isinstance(dialog, Dialog)
    accept, prompt = call.arguments["accept"], call.get("promptText") or dialog.default_value
    before = modal.tab.log.under_way()
    modal.tab.unblock()
    try:
        await (dialog.accept(prompt) if accept else dialog.dismiss())
    except Error as e:
        raise ToolFailed("the dialog is no longer open: somebody answered it on the desktop") from e

    async def work() -> None:
        await call.tabs.catch_up(CATCH_UP_S)
        if not modal.tab.page.is_closed():
            await settle(modal.tab, before)

    await call.tabs.unless_blocked(work())
    answer = f"accept({quoted(prompt) if prompt else ''})" if accept else "dismiss()"
    return await call.report(f"await dialog.{answer}")


def _pending(call: Call, tool: str) -> Modal:
    for modal in call.tabs.modals():
        if modal.tool == tool:
            return modal
    raise ToolFailed(f'"{tool}" can only be used when there is a modal state for it.\n{modal_state(call.tabs)}')
