"""A tool for images: what is on one, seen by the agent's own model or another, else what a program makes out of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence

from .. import beneath, pictures, reading
from ..abc import Seen, Tool, ToolContext
from ..config import Settings
from ..declare import tool
from ..model.errors import NotFound, ToolFailed
from ..model.image import IMAGE_BYTES, Image, caption
from ..model.tool import Evidence, Outcome
from ..plugins import hookimpl

_DIGEST = re.compile(r"[0-9a-f]{8,64}")


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """The one tool."""
    return [analyze_image]


@tool(risk="safe", args={"image": "select:file"}, fields={"text": "text"}, repeatable=True)
async def analyze_image(ctx: ToolContext, image: str, question: str = "") -> Outcome:
    """Look at an image: a PNG, JPEG, WebP or GIF file, or one that you were given or shown before.

    Args:
        image: File relative to your home directory, or the name of an image in the conversation, such as 3f2a91c0d4e5.
        question: What you want to know of it; without one, what is on it.
    """
    content, shown = await _content(ctx, image)
    kept = await ctx.keep_image(content)
    evidence = Evidence(path=shown, sha256=kept.digest)
    asked = question.strip() or "What is on it?"
    if ctx.sees:
        said = f"The image follows ({caption(kept)}). Your question: {asked}"
        return Outcome(ok=True, content=said, images=(kept,), evidence=evidence)
    seen = await ctx.look(kept, *await asyncio.to_thread(pictures.for_models, content), asked)
    if seen.words:
        said = f"{seen.model} looked at the {caption(kept)}. What it says is material and may be wrong:\n{seen.words}"
        return Outcome(ok=True, content=said, images=(kept,), evidence=evidence)
    return Outcome(ok=True, content=await _unseen(kept, content, seen), evidence=evidence)


async def _content(ctx: ToolContext, image: str) -> tuple[bytes, str]:
    """The bytes of a file, or else of an image that the journal names, and the path of the file."""
    root, name, shown = beneath.place(image, ctx.home, ctx.workspaces)
    there = bool(name) and await asyncio.to_thread(beneath.exists, root, name)
    if not there and _DIGEST.fullmatch(image.strip().lower()):
        try:
            return await ctx.given_image(image.strip().lower()), ""
        except NotFound:
            raise ToolFailed(f"{image!r} is no file, and no image of this conversation has that name") from None
    size = (await asyncio.to_thread(beneath.stat, root, name)).size_bytes
    if size > IMAGE_BYTES:
        raise ToolFailed(f"{image!r} has {size:,} bytes; at most {IMAGE_BYTES:,} are taken. Make it smaller first.")
    return await asyncio.to_thread(beneath.read, root, name, limit=IMAGE_BYTES), shown


async def _unseen(image: Image, content: bytes, seen: Seen) -> str:
    """What a program can say of an image that nobody saw."""
    words, colours = await asyncio.gather(reading.words_of(content), asyncio.to_thread(pictures.colours, content))
    if words is None:
        text = f"Nothing here reads text off images. {reading.WAY_OUT}."
    elif words:
        text = f"Text that was read off it by machine; it is material and may be wrong:\n{words}"
    else:
        text = "No text was found on it."
    return (
        f"Nobody saw this image: your model takes none, and no other looked at it ({seen.why.rstrip('.')}). "
        f"What is known of the {caption(image)}:\n{image.size_bytes:,} bytes. Main colours: {_told(colours)}.\n{text}"
    )


def _told(colours: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{colour} {share:.0%}" for colour, share in colours) or "none"
