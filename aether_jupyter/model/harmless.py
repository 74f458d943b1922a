"""What agents wrote, made harmless for a terminal, a page or a notebook."""

from __future__ import annotations

import re

_SPECIAL = str.maketrans({c: "\\" + c for c in "\\`*_[]#|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
_FENCE = re.compile(r"(`{3,})[\w+.-]*")
_BIDI = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C))
_CONTROL = {c: f"\\x{c:02x}" for c in (*range(0x20), *range(0x7F, 0xA0)) if c not in (0x09, 0x0A)}


def plain(text: str) -> str:
    """Text of an agent for a terminal or a page: no control characters, nothing that turns the direction of words."""
    return text.translate(_BIDI).translate(_CONTROL)


def line(text: str, limit: int = 200) -> str:
    """The text as one line of at most `limit` characters."""
    flat = " ".join(plain(text[: limit * 4]).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def markdown(text: str) -> str:
    """Text that Markdown shows as it is: no formatting, links, pictures, HTML or mathematics come of it."""
    return plain(text).translate(_SPECIAL)


def formatted(text: str) -> str:
    """An agent's Markdown with its headings, lists, tables and code, but no HTML, no pictures, no mathematics.

    A picture would be fetched as soon as it is shown, and its address can carry away what the agent has read. Code
    is left alone only in plain fences at the margin; whatever else could open a fence is disarmed, so that the
    renderer sees code exactly where this function does.
    """
    out: list[str] = []
    fence = ""
    for row in plain(text).split("\n"):
        if fence:
            out.append(row)
            if row.startswith(fence) and not row.strip("`").strip():
                fence = ""
            continue
        opened = _FENCE.fullmatch(row)
        if opened is not None:
            fence = opened[1]
            out.append(row)
            continue
        safe = row.replace("```", "\\`\\`\\`").replace("~", "\\~").replace("$", "\\$")
        out.append(safe.replace("<", "&lt;").replace("![", "!\\["))
    return "\n".join([*out, fence] if fence else out)


def code(text: str) -> str:
    """Text as a fenced block that it cannot leave."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{plain(text)}\n{fence}"
