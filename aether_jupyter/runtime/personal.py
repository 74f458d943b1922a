"""Everything about a person or one of their agents: shown, taken away as files, erased with homes and folders."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import msgspec

from .. import beneath
from ..config import Settings
from ..kernel.erasure import Erasure
from ..kernel.memory_files import MemoryFiles
from ..kernel.processes import Processes
from ..kernel.snapshots import Snapshots
from ..model.access import Principal, require
from ..model.errors import BadRequest, Conflict, FileNotFound, StorageBusy, StorageFull, ToolFailed
from ..model.message import encodable
from ..model.personal import Holding
from ..model.process import Signal
from ..store.holdings import Whose
from .browsers import Browsers, state_of, states_of
from .captures import Captures
from .machines import Machines

BLOCK = 1 << 18

Entry = tuple[str, bytes | Iterable[bytes]]

_README = """\
# What is kept about you

Taken from Aether Jupyter on {when}.

- `report.json`: what there is, and what is not in here.
- `tables/`: every row about you, one file a table, one JSON object a line. Vectors are left out: they are numbers that
  were reckoned from the texts.
- `memories/`: what each agent remembers as Markdown; `aether memory import NAME FOLDER` takes such a folder.
- `homes/`: the files of each agent, by its PID.
- `images/`: what you gave to agents and what their tools made, each named by its SHA-256.
- `workspaces/`: your shared folders.
- `browsers/`: cookies and storage that the browsers of agents keep.
- `snapshots/`: agents as they stood, each as one file; `aether snapshot import FILE` takes it.
"""


class PersonalData:
    """`holding` shows what there is, `export` gives it, `erase` takes it away."""

    def __init__(
        self,
        erasure: Erasure,
        processes: Processes,
        memory_files: MemoryFiles,
        machines: Machines,
        browsers: Browsers,
        snapshots: Snapshots,
        captures: Captures,
        settings: Settings,
        left: Callable[[Sequence[int]], Awaitable[None]],
    ) -> None:
        """`left` returns when this server works no more on these processes, which were killed."""
        self._erasure = erasure
        self._processes = processes
        self._memory_files = memory_files
        self._machines = machines
        self._browsers = browsers
        self._snapshots = snapshots
        self._captures = captures
        self._settings = settings
        self._left = left
        self._erasing = asyncio.Lock()

    async def holding(self, actor: Principal, agent: str) -> Holding:
        """What is kept of the person, or of this agent and those below it."""
        whose = await self._erasure.whose(actor, agent)
        counts = await self._erasure.counts(whose)
        pids = await self._erasure.pids(whose)
        kept = self._captures.folder(whose.owner)

        def measured() -> tuple[int, int]:
            snapshots = [("snapshots", kept)] if whose.whole and kept.is_dir() else []
            return _measured([*self._folders(whose, pids), *snapshots])

        files, size = await asyncio.to_thread(measured)
        return Holding(
            owner=whose.owner,
            agent=agent,
            erased=False,
            counts=dict(counts),
            files=files,
            file_bytes=size,
            running=list(await self._erasure.pids(whose, alive=True)),
            stays=self._stays(whose),
        )

    async def export(self, actor: Principal, agent: str) -> AsyncIterator[Iterable[Entry]]:
        """All of it as files, a page at a time; no more than a page is in memory at once."""
        holding = await self.holding(actor, agent)
        whose = await self._erasure.whose(actor, agent)
        report = msgspec.json.format(msgspec.json.encode(holding), indent=2)
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        yield [("README.md", _README.format(when=when).encode()), ("report.json", report)]
        async for table, file in self._erasure.dump(whose):
            with file:
                yield [(f"tables/{table}.jsonl", _blocks(file))]
        async for name, image in self._erasure.images(whose):
            yield [(f"images/{name}", image)]
        for space, name in await self._erasure.names(whose):
            folder = f"memories/{space}-{_slug(name)}"
            async for page in self._memory_files.export(actor, name):
                yield [(f"{folder}/{path}", content) for path, content in page]
        for name, root in await asyncio.to_thread(self._folders, whose, await self._erasure.pids(whose)):
            for path in await asyncio.to_thread(_paths, root):
                content = await asyncio.to_thread(_content, root, path)
                if content is not None:
                    yield [(f"{name}/{encodable(path)}", content)]
        for snapshot in await self._snapshots.of(whose):
            stem, pieces = await self._captures.export(actor, snapshot.id)
            with TemporaryFile() as file:
                async for piece in pieces:
                    await asyncio.to_thread(file.write, piece)
                file.seek(0)
                yield [(f"snapshots/{snapshot.id}-{stem}", _blocks(file))]

    async def erase(self, actor: Principal, agent: str, *, confirm: str, force: bool = False) -> Holding:
        """Erase it. `confirm` is the name of the agent, or the person's own for everything.

        Raises `Conflict` while agents run, unless `force` kills them; `BadRequest` without the right word.
        """
        require(actor, "me:erase")
        word = agent or actor.name
        if confirm != word:
            raise BadRequest(f"confirm: to erase {_what(agent)} for good, send the name {word!r}")
        async with self._erasing:
            found = await self.holding(actor, agent)
            if found.running and force:
                await self._end(actor, found.running)
            # Before they ended, agents may have begun others.
            whose = await self._erasure.whose(actor, agent)
            if running := list(await self._erasure.pids(whose, alive=True)):
                some = ", ".join(map(str, running[:10]))
                raise Conflict(
                    f"{len(running)} agents have not ended ({some}); end them first, or erase with force",
                    running=running,
                )
            pids = await self._erasure.pids(whose)
            for pid in pids:
                await self._machines.homes.remove(pid)
            if whose.whole:
                await asyncio.to_thread(beneath.remove, self._machines.workspaces_of(whose.owner))
            for _, kept in self._profiles(whose):
                await asyncio.to_thread(beneath.remove, kept)
            stays = found.stays
            counts = await self._erasure.erase(actor, whose)
            await self._captures.swept(whose.owner)
            try:
                await self._erasure.rewrite()
            except (StorageFull, StorageBusy) as error:
                told = f"The rows are gone, but the database could not be written anew: {error.message}"
                stays = [*stays, f"{told} It is tried again when a server starts."]
            return msgspec.structs.replace(found, erased=True, counts=dict(counts), running=[], stays=stays)

    async def _end(self, actor: Principal, pids: Sequence[int]) -> None:
        await self._processes.signal_many(actor, Signal.KILL, pids)
        await self._left(pids)
        for pid in pids:
            await self._machines.close(pid)
            # It keeps what it has to keep when it closes, and no later.
            await self._browsers.close(pid)

    def _folders(self, whose: Whose, pids: Sequence[int]) -> Sequence[tuple[str, Path]]:
        """The folders that are theirs, by the name they have in an export."""
        found = [(f"homes/{pid}", self._machines.homes.existing(pid)) for pid in pids]
        if whose.whole:
            found.append(("workspaces", self._machines.workspaces_of(whose.owner)))
        found += self._profiles(whose)
        return [(name, root) for name, root in found if root.is_dir()]

    def _profiles(self, whose: Whose) -> Sequence[tuple[str, Path]]:
        """Where cookies and storage of their browsers are kept."""
        if whose.whole:
            return [("browsers", states_of(self._settings, whose.owner))]
        kept = [state_of(self._settings, whose.owner, agent).parent for agent in whose.agents]
        return [(f"browsers/{folder.name}", folder) for folder in kept]

    def _stays(self, whose: Whose) -> list[str]:
        stays = [
            "The sums of tokens and money of each day, without names: what was spent was spent.",
            "The log of the Jupyter server, with PIDs and the errors of model providers; its administrator has it.",
            "What notebooks, exports and backups of the disk hold, and what was sent to model providers.",
        ]
        if whose.whole and self._settings.daily_budget_usd is not None:
            stays.insert(1, "Today's sum keeps your name, for your budget of the day is counted on it.")
        if not whose.whole:
            stays.insert(
                1,
                "What other agents wrote in words of their own after they had read or heard it; erase them, too, where "
                "that matters. Shared folders are everybody's and stay.",
            )
        return stays


def _what(agent: str) -> str:
    return f"the agent {agent!r} and those below it" if agent else "everything that is kept about you"


def _measured(folders: Iterable[tuple[str, Path]]) -> tuple[int, int]:
    sizes = [
        entry.size_bytes for _, root in folders for entry in beneath.walk(root, limit=10**9) if entry.kind == "file"
    ]
    return len(sizes), sum(sizes)


def _paths(root: Path) -> list[str]:
    return [entry.path for entry in beneath.walk(root, limit=10**9) if entry.kind == "file"]


def _content(root: Path, path: str) -> Iterable[bytes] | None:
    """The blocks of a file, None if it is gone or cannot be read."""
    blocks = beneath.blocks(root, path)
    try:
        first = next(blocks, b"")
    except (FileNotFound, ToolFailed, OSError):
        return None
    return _with(first, blocks)


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _slug(name: str) -> str:
    return re.sub(r"\W+", "-", name.lower()).strip("-")[:48] or "agent"
