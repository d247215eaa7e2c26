"""Pictures as PNG, by zlib alone: an imaging library would cost the box more memory than the whole of this part."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LEVEL = 1
"""Of compression: screens have large even areas, and a higher level takes several times as long for a tenth less."""


def encode(width: int, height: int, pixels: bytes) -> bytes:
    """Return a PNG of pixels of four bytes, of which the first three are red, green and blue.

    Args:
        width: In pixels.
        height: In pixels.
        pixels: Row by row from the top, nothing between rows.
    """
    colours = bytearray(3 * width * height)
    for channel in range(3):
        colours[channel::3] = pixels[channel::4]
    row = 3 * width
    lines = b"".join(b"\0" + colours[start : start + row] for start in range(0, len(colours), row))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, LEVEL)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
