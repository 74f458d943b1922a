"""Images as Python has them – a path, bytes, or a picture of Pillow's – as the bytes that a server takes."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..model.errors import BadRequest
from ..model.image import IMAGE_BYTES, IMAGES


def contents(given: Any) -> list[bytes]:
    """The bytes of each image; one alone need not be in a list. It reads files, so call it in a thread.

    Raises `BadRequest` for what is no image by its kind, cannot be read, or is too large. What the bytes are, the
    server looks at.
    """
    each = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes | os.PathLike) else [given]
    if len(each) > IMAGES:
        raise BadRequest(f"images: {len(each)}; at most {IMAGES} go with one goal or message")
    return [_content(one) for one in each]


def _content(one: Any) -> bytes:
    if isinstance(one, bytes | bytearray | memoryview):
        return bytes(one)
    if isinstance(one, str | os.PathLike):
        path = Path(one).expanduser()
        try:
            size = path.stat().st_size
            if size > IMAGE_BYTES:
                raise BadRequest(f"images: {path} has {size:,} bytes; at most {IMAGE_BYTES:,} are taken")
            return path.read_bytes()
        except OSError as error:
            raise BadRequest(f"images: {path} cannot be read: {error.strerror or error}") from None
    if callable(getattr(one, "save", None)):
        out = io.BytesIO()
        kept = one if one.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else one.convert("RGB")
        kept.save(out, "PNG")
        return out.getvalue()
    raise BadRequest(f"images: {type(one).__name__} is no image; give a path, bytes or a picture of Pillow's")
