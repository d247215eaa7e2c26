"""Which function does each browser tool; the names are those of `specs`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sandbox_server.browser import capture, navigation
from sandbox_server.browser import input as hands
from sandbox_server.browser.call import Call
from sandbox_server.parts import Result

ACTIONS: Mapping[str, Callable[[Call], Awaitable[Result]]] = {
    "browser_navigate": navigation.navigate,
    "browser_navigate_back": navigation.navigate_back,
    "browser_navigate_forward": navigation.navigate_forward,
    "browser_close": navigation.close,
    "browser_resize": navigation.resize,
    "browser_snapshot": capture.snapshot,
    "browser_click": hands.click,
    "browser_hover": hands.hover,
    "browser_drag": hands.drag,
    "browser_type": hands.type_text,
    "browser_select_option": hands.select_option,
    "browser_press_key": hands.press_key,
    "browser_file_upload": hands.file_upload,
    "browser_handle_dialog": hands.handle_dialog,
    "browser_take_screenshot": capture.take_screenshot,
    "browser_pdf_save": capture.pdf_save,
    "browser_console_messages": capture.console_messages,
    "browser_network_requests": capture.network_requests,
    "browser_tab_list": navigation.tabs_list,
    "browser_tab_new": navigation.tab_new,
    "browser_tab_select": navigation.tab_select,
    "browser_tab_close": navigation.tab_close,
    "browser_wait_for": navigation.wait_for,
}
