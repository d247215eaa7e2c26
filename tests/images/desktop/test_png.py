"""Pictures as PNG."""

from __future__ import annotations

import io
import os

from PIL import Image

from sandbox_server.desktop.png import encode


def test_every_pixel_comes_back() -> None:
    """Whatever the fourth bytes are: they mean nothing, and make nothing transparent."""
    pixels = os.urandom(4 * 33 * 17)
    picture = Image.open(io.BytesIO(encode(33, 17, pixels)))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (33, 17))
    assert picture.tobytes() == Image.frombytes("RGB", (33, 17), pixels, "raw", "RGBX").tobytes()


def test_an_even_screen_is_small() -> None:
    """Screens are mostly even; a blank one of four megabytes takes a few kilobytes."""
    assert len(encode(1280, 800, bytes(4 * 1280 * 800))) < 20_000
