"""Bytes as images: what they are, found by looking at them and never by what somebody says of them.

A shelf beside `abc`. Pillow is imported when it is first needed. Everything here computes; call it in a thread.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .model.errors import BadRequest
from .model.image import IMAGE_BYTES, IMAGE_PIXELS, Image, ImageType

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS: dict[str, ImageType] = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


def examine(content: bytes) -> Image:
    """What these bytes are. Raises `BadRequest` for what is no whole PNG, JPEG, WebP or GIF, or is too large."""
    if len(content) > IMAGE_BYTES:
        raise BadRequest(f"image: {len(content):,} bytes; at most {IMAGE_BYTES:,} are taken. Make it smaller first.")
    with opened(content) as picture:
        width, height = picture.size
        kind = FORMATS[picture.format or ""]
        try:
            # A JPEG is read through at an eighth of its size: that is quick, and finds what is cut off.
            picture.draft(None, (max(1, width // 8), max(1, height // 8)))
            picture.load()
        except Exception as error:  # noqa: BLE001 (decoders raise whatever they like at bytes that somebody made)
            raise BadRequest(f"image: it is broken or cut off ({error})") from None
    digest = hashlib.sha256(content).hexdigest()
    return Image(digest=digest, media_type=kind, width=width, height=height, size_bytes=len(content))


@contextmanager
def opened(content: bytes) -> Iterator[Picture]:
    """The picture in these bytes, its size looked at before a pixel is unpacked. Raises `BadRequest`."""
    import PIL.Image

    try:
        picture = PIL.Image.open(io.BytesIO(content), formats=tuple(FORMATS))
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise BadRequest(
            f"image: it has too many pixels; at most {IMAGE_PIXELS:,} are taken. Make it smaller."
        ) from None
    except (PIL.UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise BadRequest("image: these bytes are no PNG, JPEG, WebP or GIF, or it is broken") from None
    with picture:
        width, height = picture.size
        if width * height > IMAGE_PIXELS or not width or not height:
            raise BadRequest(f"image: {width}×{height} pixels; at most {IMAGE_PIXELS:,} are taken. Make it smaller.")
        yield picture
