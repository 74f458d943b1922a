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


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_every_provider_takes_is_shown_as_it_is(kind: str) -> None:
    content = drawn(kind=kind, size=(1280, 800))
    assert pictures.for_models(content) == (content, f"image/{kind.lower()}")


@pytest.mark.parametrize("kind", ["WEBP", "GIF"])
def test_other_formats_are_shown_as_png(kind: str) -> None:
    made, media_type = pictures.for_models(drawn(kind=kind))
    assert media_type == "image/png"
    assert pictures.examine(made).media_type == "image/png"


def test_what_is_large_is_made_smaller_and_keeps_its_shape() -> None:
    out = io.BytesIO()
    Pillow.effect_noise((3000, 1500), 90).convert("RGB").save(out, "PNG")
    made, media_type = pictures.for_models(out.getvalue())
    image = pictures.examine(made)
    assert (image.width, image.height, media_type) == (1568, 784, "image/jpeg")
    assert len(made) <= pictures.SENT_BYTES


def test_a_photo_is_shown_upright_and_what_is_transparent_on_white() -> None:
    out = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.new("RGB", (40, 20), "teal").save(out, "JPEG", exif=exif)
    made, _ = pictures.for_models(out.getvalue())
    assert (pictures.examine(made).width, pictures.examine(made).height) == (20, 40)
    assert b"Exif" not in made
    out = io.BytesIO()
    Pillow.new("RGBA", (20, 20), (0, 0, 0, 0)).save(out, "WEBP", lossless=True)
    made, _ = pictures.for_models(out.getvalue())
    with Pillow.open(io.BytesIO(made)) as shown:
        assert shown.getpixel((5, 5)) == (255, 255, 255)


def test_the_main_colours_are_named_with_their_shares() -> None:
    picture = Pillow.new("RGB", (100, 100), "#ff0000")
    picture.paste("#0000ff", (0, 0, 100, 25))
    out = io.BytesIO()
    picture.save(out, "PNG")
    (first, share), (second, rest) = pictures.colours(out.getvalue())
    assert (first, second) == ("#ff0000", "#0000ff")
    assert (share, rest) == (pytest.approx(0.75, abs=0.02), pytest.approx(0.25, abs=0.02))
