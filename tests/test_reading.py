"""Text is read off images by whatever the machine has for it, or it is said that nothing does."""

from __future__ import annotations

import asyncio
import io
import stat
from pathlib import Path

import pytest
from PIL import Image as Pillow
from PIL import ImageDraw

from aether_jupyter import pictures, reading
from aether_jupyter.model.errors import BadRequest

from .drawn import drawn

needs_tesseract = pytest.mark.skipif(
    not (reading.reader() or reading.Reader("", (), ())).name.startswith("Tesseract"), reason="no tesseract on PATH"
)
LINES = (
    "ana@sandbox:~$ ls -la /workspaces/data",
    "-rw-r--r-- 1 ana ana 12873 Nov 21 08:44 orders_2026.csv",
    "FAILED tests/test_sum.py: 1204.50 != 1240.50",
    "error: could not open /etc/shadow: Permission denied",
)


def terminal(dark: bool) -> bytes:
    picture = Pillow.new("RGB", (1280, 800), "#1e1e1e" if dark else "white")
    for n, line in enumerate(LINES):
        ImageDraw.Draw(picture).text((8, 8 + 20 * n), line, fill="#d4d4d4" if dark else "#222", font_size=13)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@needs_tesseract
@pytest.mark.parametrize("dark", [True, False])
async def test_the_small_letters_of_a_terminal_are_read(dark: bool) -> None:
    words = await reading.words_of(terminal(dark))
    assert words is not None
    wanted = {word for line in LINES for word in line.split()}
    assert len(wanted & set(words.split())) > 0.75 * len(wanted), words


@needs_tesseract
async def test_an_image_without_text_gives_none_and_bytes_that_are_no_image_are_refused() -> None:
    assert await reading.words_of(drawn(size=(200, 200))) == ""
    with pytest.raises(BadRequest):
        await reading.words_of(b"no image")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of Tesseract."""
    program = tmp_path / "tesseract"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    found = reading.Reader("Fake", (str(program), "page"), (str(program), "screen"))
    monkeypatch.setattr(reading, "reader", lambda: found)
    return program


async def test_a_reader_that_hangs_fails_or_shouts_is_bounded(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READING_S", 0.5)
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    assert await reading.words_of(drawn()) is None
    fake.write_text("#!/bin/sh\nexit 3\n")
    assert await reading.words_of(drawn()) is None
    monkeypatch.setattr(reading, "READING_S", 20.0)
    fake.write_text("#!/bin/sh\ncat >/dev/null; head -c 100000 /dev/zero | tr '\\0' x\n")
    assert len(await reading.words_of(drawn()) or "") == reading.WORDS_CHARS


async def test_a_small_image_is_read_as_a_screen_and_a_large_one_as_a_page(fake: Path) -> None:
    fake.write_text("#!/bin/sh\ncat >/dev/null; echo $1\n")
    assert await reading.words_of(drawn()) == "screen"
    assert await reading.words_of(drawn(size=(3000, 2000))) == "page"


async def test_the_event_loop_goes_on_while_it_is_read(fake: Path) -> None:
    fake.write_text("#!/bin/sh\ncat >/dev/null; sleep 0.4; echo done\n")
    under_way = asyncio.create_task(reading.words_of(drawn(size=(1900, 1900))))
    ticks = 0
    while not under_way.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 20
    assert await under_way == "done"


async def test_without_a_reader_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "reader", lambda: None)
    assert await reading.words_of(drawn()) is None


def test_what_is_read_is_dark_on_light_and_small_images_are_doubled() -> None:
    png, small = pictures.for_reading(drawn("black", (100, 50)))
    with Pillow.open(io.BytesIO(png)) as made:
        assert (made.mode, made.size, small) == ("L", (200, 100), True)
        assert made.getpixel((0, 0)) == 255
