"""An image as the journal names it; its bytes are kept beside the journal, by their digest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

ImageType = Literal["image/png", "image/jpeg", "image/webp", "image/gif"]

IMAGE_BYTES = 10_000_000
IMAGE_PIXELS = 50_000_000
IMAGES = 20
"""How large an image may be, and how many go with one goal, message or result."""

LONGEST_SIDE = 1568
"""Pixels of the longer side beyond which models are shown an image made smaller: so the points they name are right."""

_SHORT = 12

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of an image. `digest` is the SHA-256 of its bytes, in hex; `words` is text that was read off it."""

    digest: Digest
    media_type: ImageType
    width: Annotated[int, msgspec.Meta(ge=1)]
    height: Annotated[int, msgspec.Meta(ge=1)]
    size_bytes: Annotated[int, msgspec.Meta(ge=1)]
    words: Annotated[str, msgspec.Meta(max_length=100_000)] = ""


GivenImages = Annotated[tuple[Image, ...], msgspec.Meta(max_length=IMAGES)]


def captions(images: Iterable[Image]) -> str:
    """A line for each image, to be put below the words that it came with; '' for none."""
    return "".join(f"\n[{caption(image)}]" for image in images)


def caption(image: Image) -> str:
    """The image in a few words: by which name an agent may ask for it, its size and its type."""
    return f"image {image.digest[:_SHORT]}, {image.width}×{image.height}, {image.media_type.removeprefix('image/')}"
