"""Images for tests, drawn when they are asked for."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, ImageDraw


def drawn(colour: str = "teal", size: tuple[int, int] = (64, 48), kind: str = "PNG", words: str = "") -> bytes:
    """One colour, and words on it if there are any."""
    picture = Image.new("RGB", size, colour)
    if words:
        ImageDraw.Draw(picture).text((8, 8), words, fill="white", font_size=20)
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
