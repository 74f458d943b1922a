"""Gives memories their vectors in the background, newest first; what a restart left undone is taken up again."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from ..abc import Embedder
from ..kernel.memories import Memories
from ..model.access import RUNTIME
from ..model.errors import AetherError, ModelNotConfigured

log = logging.getLogger(__name__)

BATCH = 64
LOOK_S = 30.0
"""Seconds until it looks again by itself: another server on the same home may have kept something and gone."""


class Embedding:
    """One task; it sleeps until something is remembered."""

    def __init__(self, memories: Memories, embedder: Embedder) -> None:
        self._memories = memories
        self._embedder = embedder
        self._new = asyncio.Event()
        memories.on_change(self._new.set)

    async def run(self) -> None:
        """Embed, for ever. Without the model's files it ends with a word in the log; recall then goes by words."""
        if outdated := await self._memories.outdate(RUNTIME):
            log.info("%s memories get new vectors: the embedding model is another one now", outdated)
        while True:
            self._new.clear()
            try:
                batch = await self._memories.unembedded(BATCH)
                if batch:
                    vectors = await self._embedder.embed([each.text for each in batch])
                    await self._memories.keep_vectors(list(zip(batch, vectors, strict=True)))
                    continue
            except ModelNotConfigured as error:
                log.warning("recall goes by words alone: %s", error.message)
                return
            except AetherError as error:
                log.warning("memories wait for their vectors: %s", error.message)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._new.wait(), LOOK_S)
