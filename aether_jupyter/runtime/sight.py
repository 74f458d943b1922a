"""The images that the tools of one run make, until the event that names them is written; and what models are shown."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from .. import pictures, reading
from ..engine.seeing import Unseen
from ..kernel.images import Images
from ..model.access import RUNTIME
from ..model.errors import ToolFailed
from ..model.events import Event, ToolEnded
from ..model.image import Image
from ..model.tool import Outcome

KEPT_BYTES = 64_000_000
"""What is kept ready of images as models are shown them, for all agents of this server."""


class Eyes:
    """Gives models what they are shown of images that are kept: the bytes as they take them, or the text on them."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._ready: OrderedDict[tuple[str, str], tuple[bytes, str]] = OrderedDict()
        self._size = 0

    async def look(self, owner: str, image: Image, *, sees: bool) -> tuple[bytes, str] | Unseen:
        """The image and its media type for a model that sees; else what was read off it. Raises `NotFound`."""
        return await self._shown(owner, image) if sees else Unseen(await self.words(owner, image))

    async def given(self, owner: str, pid: int, beginning: str) -> bytes:
        """The bytes of an image in the journal of a process, by the beginning of its digest. Raises `NotFound`."""
        return await self._images.given(owner, pid, beginning)

    async def words(self, owner: str, image: Image) -> str | None:
        """The text on an image, read once; None where nothing reads here. Raises `NotFound`."""
        if image.words:
            return image.words
        known = await self._images.words(owner, image.digest)
        if known is not None:
            return known
        _, content = await self._images.of(owner, image.digest)
        words = await reading.words_of(content)
        if words is not None:
            await self._images.note_words(RUNTIME, owner, image.digest, words)
        return words

    def forget(self) -> None:
        """Something was erased: nothing of it is to be left in memory."""
        self._ready.clear()
        self._size = 0

    async def _shown(self, owner: str, image: Image) -> tuple[bytes, str]:
        key = owner, image.digest
        found = self._ready.get(key)
        if found is None:
            _, content = await self._images.of(owner, image.digest)
            found = await asyncio.to_thread(pictures.for_models, content)
            self._size += len(found[0]) - len(self._ready.get(key, (b"", ""))[0])
            self._ready[key] = found
            while self._size > KEPT_BYTES and len(self._ready) > 1:
                _, (gone, _) = self._ready.popitem(last=False)
                self._size -= len(gone)
        self._ready.move_to_end(key)
        return found


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
