"""Bytes as images: what they are, found by looking at them and never by what somebody says of them.

A shelf beside `abc`. Pillow is imported when it is first needed. Everything here computes; call it in a thread.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .model.errors import BadRequest
from .model.image import IMAGE_BYTES, IMAGE_PIXELS, LONGEST_SIDE, Image, ImageType

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS: dict[str, ImageType] = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}

SENT_BYTES = 1_000_000
"""What one image may come to with a request: a dozen of them must fit in what providers take."""
SCREEN_SIDE = 2_000
"""Pixels of the longer side up to which an image is taken for a screen, with small letters."""
DARK = 115
_ORIENTATION = 0x0112


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


def for_models(content: bytes) -> tuple[bytes, str]:
    """The image as every provider takes it, and its media type: PNG or JPEG, upright, and not too large.

    One that is so already comes back as it is. Of a GIF that moves the first picture is taken.
    """
    with opened(content) as picture:
        turned = picture.getexif().get(_ORIENTATION, 1) != 1
        plain = picture.format in ("PNG", "JPEG") and not turned
        if plain and max(picture.size) <= LONGEST_SIDE and len(content) <= SENT_BYTES:
            return content, FORMATS[picture.format or ""]
        made = _upright(picture)
        # Bounded by width and height together, and never enlarged.
        made.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        out = io.BytesIO()
        if picture.format != "JPEG":
            made.save(out, "PNG", optimize=False)
            if out.tell() <= SENT_BYTES:
                return out.getvalue(), "image/png"
        for quality in (85, 65, 40):
            out = io.BytesIO()
            made.save(out, "JPEG", quality=quality)
            if out.tell() <= SENT_BYTES:
                break
        return out.getvalue(), "image/jpeg"


def for_reading(content: bytes) -> tuple[bytes, bool]:
    """The image in grey, dark on light, as a PNG for a program that reads; and whether it is small, so that its letters
    are too. Small ones are doubled.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps, ImageStat

    with opened(content) as picture:
        grey = ImageOps.grayscale(_upright(picture))
    small = max(grey.size) <= SCREEN_SIDE
    if small:
        grey = grey.resize((grey.width * 2, grey.height * 2), Pillow.Resampling.LANCZOS)
    else:
        grey.thumbnail((2 * SCREEN_SIDE, 2 * SCREEN_SIDE))
    if ImageStat.Stat(grey).mean[0] < DARK:
        grey = ImageOps.invert(grey)
    out = io.BytesIO()
    grey.save(out, "PNG", compress_level=1)
    return out.getvalue(), small


def colours(content: bytes, most: int = 5) -> Sequence[tuple[str, float]]:
    """The main colours as `#rrggbb`, with the share of the image that each has; the largest first."""
    with opened(content) as picture:
        small = _upright(picture)
    small.thumbnail((128, 128))
    few = small.quantize(most)
    palette = few.getpalette() or []
    whole = few.width * few.height
    found = sorted(few.getcolors() or [], reverse=True)
    return [(f"#{bytes(palette[3 * n : 3 * n + 3]).hex()}", count / whole) for count, n in found if isinstance(n, int)]


def _upright(picture: Picture) -> Picture:
    """The picture as one looks at it, in three colours; what was transparent is white."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        turned = ImageOps.exif_transpose(picture)
        if turned.mode == "P" or "transparency" in turned.info or "A" in turned.mode:
            turned = turned.convert("RGBA")
            under = Pillow.new("RGB", turned.size, "white")
            under.paste(turned, mask=turned.getchannel("A"))
            return under
        return turned.convert("RGB")
    except Exception as error:  # noqa: BLE001 (decoders raise whatever they like at bytes that somebody made)
        raise BadRequest(f"image: it is broken or cut off ({error})") from None
