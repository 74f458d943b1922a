"""Bytes are looked at before they are taken for an image."""

from __future__ import annotations

import hashlib
import io

import pytest
from PIL import Image as Pillow

from aether_jupyter import pictures
from aether_jupyter.model.errors import BadRequest

from .drawn import bomb, drawn


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_an_image_is_told_by_its_bytes(kind: str) -> None:
    content = drawn(kind=kind)
    image = pictures.examine(content)
    assert (image.media_type, image.width, image.height) == (f"image/{kind.lower()}", 64, 48)
    assert (image.digest, image.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no PNG"),
        (b"hello, I am a text", "no PNG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "no PNG"),
        (bomb(60_000, 60_000), "at most 50,000,000"),
        (bomb(10_000, 10_000), "at most 50,000,000"),
        (bytes(10_000_001), "at most 10,000,000"),
    ],
)
def test_what_is_no_image_or_too_large_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        pictures.examine(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_an_image_that_is_cut_off_is_refused(kind: str) -> None:
    out = io.BytesIO()
    Pillow.effect_noise((256, 256), 90).convert("RGB").save(out, kind)
    content = out.getvalue()
    with pytest.raises(BadRequest, match="broken"):
        pictures.examine(content[: len(content) // 2])


def test_other_formats_that_pillow_knows_are_refused() -> None:
    out = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(out, "BMP")
    with pytest.raises(BadRequest, match="no PNG"):
        pictures.examine(out.getvalue())
