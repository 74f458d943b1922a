"""The images that the tools of one run make, until the event that names them is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from .. import pictures
from ..model.errors import ToolFailed
from ..model.events import Event, ToolEnded
from ..model.image import Image
from ..model.tool import Outcome


class Sight:
    """Holds bytes between `keep`, which a tool calls, and the commit that tells of the call's end."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Image, bytes]] = {}

    async def keep(self, content: bytes) -> Image:
        """Look at an image and hold its bytes. Raises `BadRequest` for what is none or too large."""
        image = await asyncio.to_thread(pictures.examine, content)
        self._held[image.digest] = image, content
        return image

    def checked(self, tool: str, outcome: Outcome) -> Outcome:
        """The outcome, if all images that it names are held; else one that says so."""
        if all(image.digest in self._held for image in outcome.images):
            return outcome
        words = f"{tool} broke: it names an image that it has not kept. This is a fault of the tool; try another way."
        return Outcome(ok=False, content=words, error=ToolFailed.code, duration_s=outcome.duration_s)

    def named(self, events: Iterable[Event]) -> Mapping[Image, bytes]:
        """The bytes of what these events name."""
        if not self._held:
            return {}
        ended = (event.outcome for event in events if isinstance(event, ToolEnded))
        found = (self._held.get(image.digest) for outcome in ended for image in outcome.images)
        return dict(each for each in found if each is not None)

    def clear(self) -> None:
        """No call is open any more: what nobody named is dropped."""
        self._held.clear()
