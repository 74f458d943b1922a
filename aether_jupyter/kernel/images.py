"""The bytes of images, kept once an owner by their digest, and which journals name them.

An image of a tool is written in the transaction of the event that names it. One that a person gives is kept beforehand
and named later; if nobody names it within a day, it goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from sqlalchemy import and_, bindparam, delete, exists, func, select, update

from .. import pictures
from ..model.access import Principal, require
from ..model.errors import BadRequest, NotFound, TooMany
from ..model.image import Image
from ..store import tables
from ..store.database import Database, Transaction, insert_once
from .action import action

UNNAMED_BYTES = 200_000_000
UNNAMED_S = 86_400.0
"""How much one owner may have kept that no agent was given yet, and how long it stays."""

i, u = tables.image, tables.image_use
_encode = msgspec.json.Encoder().encode
read = msgspec.json.Decoder(Image).decode
"""What is kept about an image, from its row."""

_KEEP = insert_once(i)
_USE = insert_once(u)
_ONE = and_(i.c.owner == bindparam("k"), i.c.digest == bindparam("d"))
_NAME = update(i).where(_ONE, i.c.named.is_(False)).values(named=True)
_ABOUT = select(i.c.about).where(_ONE)
_WORDS = select(i.c.words).where(_ONE)
_CONTENT = select(i.c.about, i.c.content).where(_ONE)
_UNNAMED = select(func.coalesce(func.sum(i.c.size), 0)).where(i.c.owner == bindparam("k"), i.c.named.is_(False))


class Images:
    """`keep` takes an image that a person gives, `content` gives the bytes of one back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, actor: Principal, content: bytes) -> Image:
        """Keep an image so that a goal or a message can name it. Raises `BadRequest` for what is none or too large."""
        require(actor, "processes:send")
        image = await asyncio.to_thread(pictures.examine, content)
        await self._keep(actor, image, content)
        return image

    async def content(self, actor: Principal, digest: str) -> tuple[Image, bytes]:
        """An image of one's own and its bytes. Raises `NotFound`, also for what belongs to somebody else."""
        require(actor, "processes:read")
        return await self.of(actor.owner, digest)

    async def of(self, owner: str, digest: str) -> tuple[Image, bytes]:
        """The same for the runtime, which works for every owner."""
        rows = await self._database.fetch(_CONTENT, {"k": owner, "d": digest})
        if not rows:
            raise NotFound(f"No image {digest[:64]}")
        return read(rows[0].about), rows[0].content

    async def given(self, owner: str, pid: int, beginning: str) -> bytes:
        """The bytes of an image that a process's journal names, by the beginning of its digest. Raises `NotFound`."""
        ours = and_(u.c.pid == pid, u.c.digest.startswith(beginning, autoescape=True))
        rows = await self._database.fetch(select(u.c.digest).where(ours).order_by(u.c.digest).limit(1))
        if not rows:
            raise NotFound(f"No image {beginning[:64]} in the journal of process {pid}")
        return (await self.of(owner, rows[0].digest))[1]

    async def words(self, owner: str, digest: str) -> str | None:
        """What was read off an image; None where nobody has looked yet."""
        rows = await self._database.fetch(_WORDS, {"k": owner, "d": digest})
        return rows[0].words if rows else None

    @action("system:run")
    def note_words(self, tx: Transaction, actor: Principal, owner: str, digest: str, words: str) -> None:
        """Keep what was read off an image, so that it is read once."""
        tx.run(update(i).where(_ONE).values(words=bindparam("said")), {"k": owner, "d": digest, "said": words})

    @action("system:run")
    def drop_unnamed(self, tx: Transaction, actor: Principal, older_s: float = UNNAMED_S) -> int:
        """Drop what was kept more than `older_s` ago and never named. Returns how many."""
        return int(tx.run(delete(i).where(i.c.named.is_(False), i.c.at < tx.now - older_s)).rowcount)

    @action("processes:send")
    def _keep(self, tx: Transaction, actor: Principal, image: Image, content: bytes) -> None:
        waiting = tx.one(_UNNAMED, {"k": actor.owner})[0]
        if waiting + image.size_bytes > UNNAMED_BYTES:
            raise TooMany(
                f"{waiting:,} bytes of images wait to be given to an agent; at most {UNNAMED_BYTES:,} may. "
                "Give them to one, or try again tomorrow."
            )
        keep(tx, actor.owner, image, content)


# --- inside a transaction --------------------------------------------------------------------------------------------


def keep(tx: Transaction, owner: str, image: Image, content: bytes) -> None:
    """Write the bytes of an image, once."""
    about = _encode(msgspec.structs.replace(image, words=""))
    values = {"owner": owner, "digest": image.digest, "size": image.size_bytes, "named": False, "at": tx.now}
    tx.run(_KEEP, values | {"about": about, "content": content})


def known(tx: Transaction, owner: str, images: Sequence[Image]) -> tuple[Image, ...]:
    """These images as they were looked at when they were kept. Raises `BadRequest` for one that is not kept."""
    found = []
    for image in dict.fromkeys(each.digest for each in images):
        row = tx.one(_ABOUT, {"k": owner, "d": image})
        if row is None:
            raise BadRequest(f"images: no image {image[:12]} is kept; POST its bytes to /images first")
        found.append(read(row.about))
    return tuple(found)


def name(tx: Transaction, owner: str, pid: int, images: Sequence[Image]) -> None:
    """Note that the journal of a process names these images: they stay as long as it does."""
    for image in images:
        tx.run(_USE, {"owner": owner, "pid": pid, "digest": image.digest})
        tx.run(_NAME, {"k": owner, "d": image.digest})


def named_by(tx: Transaction, pids: Sequence[int]) -> Sequence[str]:
    """The digests of what these processes name."""
    return [row.digest for row in tx.all(select(u.c.digest).where(u.c.pid.in_(pids)).distinct())]


def drop(tx: Transaction, owner: str, digests: Sequence[str]) -> None:
    """Drop those of these images that no journal names any more."""
    still = exists().where(u.c.owner == i.c.owner, u.c.digest == i.c.digest)
    for digest in digests:
        tx.run(delete(i).where(i.c.owner == owner, i.c.digest == digest, ~still))
