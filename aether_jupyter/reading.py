"""Text read off images by a program of the machine, in a process of its own: Tesseract, else RapidOCR.

A shelf beside `abc`. What is read is words of strangers, and may be wrong.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from . import pictures

log = logging.getLogger(__name__)

READING_S = 20.0
RAPID_S = 60.0
"""How long a program may take for one image. RapidOCR loads its models each time."""
AT_ONCE = 2
WORDS_CHARS = 20_000
LANGUAGES = 4

WAY_OUT = "Install Tesseract (Debian: apt install tesseract-ocr) or RapidOCR (pip install rapidocr-onnxruntime)"

_RAPID = """\
import sys
from rapidocr_onnxruntime import RapidOCR
found, _ = RapidOCR()(sys.stdin.buffer.read())
for _, text, sure in found or ():
    if float(sure) >= 0.5:
        print(text)
"""


class Reader(msgspec.Struct, frozen=True):
    """A program that takes a PNG and gives words. `whole` is the command for a page, `screen` for a screen's text.

    `timeout_s` is 0 for the usual time.
    """

    name: str
    whole: tuple[str, ...]
    screen: tuple[str, ...]
    environment: Mapping[str, str] = {}
    timeout_s: float = 0.0


@functools.cache
def reader() -> Reader | None:
    """What reads here; None where nothing does. It asks the machine once."""
    path = shutil.which("tesseract")
    if path is not None:
        languages = _languages(path)
        if languages:
            command = (path, "stdin", "stdout", "-l", "+".join(languages))
            # One thread each: an agent's reading must not take the processors from all others.
            return Reader(
                f"Tesseract ({', '.join(languages)})",
                (*command, "--psm", "3"),
                (*command, "--psm", "6"),
                {"OMP_THREAD_LIMIT": "1"},
            )
    if importlib.util.find_spec("rapidocr_onnxruntime") is not None:
        # Without the folder in which the server was started: nothing that lies there is to be imported.
        rapid = (sys.executable, "-P", "-c", _RAPID)
        return Reader("RapidOCR", rapid, rapid, timeout_s=RAPID_S)
    return None


async def words_of(content: bytes) -> str | None:
    """The text on an image, '' if there is none to be read; None where nothing reads here, or it failed.

    Raises `BadRequest` for bytes that are no image. Small images, such as screens, are doubled in size first.
    """
    found = await asyncio.to_thread(reader)
    if found is None:
        return None
    async with _turn():
        png, small = await asyncio.to_thread(pictures.for_reading, content)
        return await _read(found, found.screen if small else found.whole, png)


async def _read(found: Reader, command: tuple[str, ...], png: bytes) -> str | None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("PATH", "HOME", "TESSDATA_PREFIX") if name in os.environ}
        | dict(found.environment),
    )
    limit_s = found.timeout_s or READING_S
    try:
        async with asyncio.timeout(limit_s):
            said, _ = await process.communicate(png)
    except TimeoutError:
        log.warning("%s took longer than %.0f s for an image", found.name, limit_s)
        return None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        log.warning("%s failed at an image with %s", found.name, process.returncode)
        return None
    lines = (line.rstrip() for line in said.decode(errors="replace").replace("\f", "").splitlines())
    return "\n".join(line for line in lines if line)[:WORDS_CHARS]


def _languages(path: str) -> list[str]:
    try:
        listed = subprocess.run([path, "--list-langs"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    found = [line.strip() for line in listed.splitlines()[1:] if line.strip() and line.strip() != "osd"]
    return sorted(found, key=lambda each: (each != "eng", each))[:LANGUAGES]


_turns: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def _turn() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    if loop not in _turns:
        _turns.clear()
        _turns[loop] = asyncio.Semaphore(AT_ONCE)
    return _turns[loop]
