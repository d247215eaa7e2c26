"""A real gui box for tests: a `real_box` whose screen is looked at and used by `computer_use`."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from managers import eventually
from PIL import Image, ImageChops
from real_box import RealBox, real_box, stdout

LAUNCHERS = {"browser": (22, 780), "files": (58, 780), "terminal": (94, 780), "editor": (130, 780)}
"""Where the panel has them on a screen of 1280 by 800."""


@dataclass
class GuiBox(RealBox):
    """One running box with a desktop."""

    def use(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Do one action, which must succeed, and return what it says."""
        result = self.call("computer_use", action=action, **arguments)
        assert result["isError"] is False, result
        said: dict[str, Any] = json.loads(result["content"][0]["text"])
        return said

    def picture(self, **arguments: Any) -> Image.Image:
        """Return what is on the screen; with `region`, a part of it, enlarged."""
        result = self.call("computer_use", action="zoom" if arguments else "get_screenshot", **arguments)
        size, picture = result["content"]
        assert (picture["type"], picture["mimeType"]) == ("image", "image/png")
        image = Image.open(io.BytesIO(base64.b64decode(picture["data"]))).convert("RGB")
        assert json.loads(size["text"]) == {"image_width": image.width, "image_height": image.height}
        return image

    def launch(self, program: str) -> None:
        """Click on a program in the panel, and wait until its window is there."""
        before = self.picture(region=[200, 100, 1080, 700])
        self.use("left_click", coordinate=list(LAUNCHERS[program]))
        self.see_change(before, f"{program} is there")

    def see_change(self, before: Image.Image, what: str) -> None:
        """Wait until a fifth of the middle of the screen differs from a picture, and does not change any more."""
        seen = [before, before]

        def there() -> bool:
            seen[:] = seen[1], self.picture(region=[200, 100, 1080, 700])
            return changed(before, seen[1]) > 0.2 and changed(*seen) < 0.001

        eventually(there, 20, what, every=0.3)

    def file(self, path: str) -> str | None:
        """Return what a file of the workspace has in it; None where there is none."""
        answer = self.http.get("/files/content", params={"path": path})
        return answer.text if answer.status_code == 200 else None

    def text(self, command: str) -> str:
        """Run a command in the user land, and return what it prints."""
        return stdout(self.shell(command)).strip()


def changed(one: Image.Image, other: Image.Image) -> float:
    """Return which part of the pixels of two pictures differs."""
    difference = ImageChops.difference(one, other).convert("L").point(lambda value: 255 if value > 16 else 0)
    return difference.histogram()[255] / (one.width * one.height)


@contextmanager
def gui_box(**environment: str) -> Iterator[GuiBox]:
    """Run a box with a desktop; it is removed at the end."""
    with real_box("gui", environment=environment) as box:
        yield GuiBox(box.container, box.token, box.http)
