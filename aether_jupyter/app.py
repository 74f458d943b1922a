"""The one composition root: builds every object once, in order; leaving the context takes them down in reverse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from .abc import Clock, Embedder
from .clock import SystemClock
from .config import Settings
from .engine.lookback import wants
from .kernel.approvals import Approvals
from .kernel.budgets import Budgets
from .kernel.catalog import Catalog
from .kernel.consolidations import Consolidations
from .kernel.contexts import Contexts
from .kernel.control import Control
from .kernel.erasure import Erasure
from .kernel.feed import Feed
from .kernel.feedback import Feedback
from .kernel.images import Images
from .kernel.memories import Memories
from .kernel.memory_files import MemoryFiles
from .kernel.notes import NotesKeeper
from .kernel.plans import Plans
from .kernel.processes import Processes
from .kernel.profiles import Profiles
from .kernel.reflections import Reflections
from .kernel.requests import Requests
from .kernel.snapshots import Snapshots
from .model.errors import ModelNotConfigured
from .plugins import load_plugins
from .runtime.browsers import Browsers
from .runtime.captures import Captures
from .runtime.consolidation import Consolidation
from .runtime.displays import Displays
from .runtime.embedding import Embedding
from .runtime.holds import Holds
from .runtime.language import Language
from .runtime.machines import Machines
from .runtime.personal import PersonalData
from .runtime.reflection import Reflection
from .runtime.screencasts import Screencasts
from .runtime.supervisor import Supervisor
from .runtime.surroundings import LiveSurroundings
from .runtime.takeover import Takeovers
from .runtime.toolbox import Toolbox
from .store.database import Database, instance_id
from .store.journal import Journal

log = logging.getLogger(__name__)

RESTART_S = 1.0


@dataclass(frozen=True)
class App:
    """The open house: what doors and embedding programs may use."""

    settings: Settings
    instance: str
    processes: Processes
    requests: Requests
    approvals: Approvals
    feed: Feed
    budgets: Budgets
    surroundings: LiveSurroundings
    catalog: Catalog
    memories: Memories
    memory_files: MemoryFiles
    contexts: Contexts
    notes: NotesKeeper
    personal: PersonalData
    feedback: Feedback
    profiles: Profiles
    plans: Plans
    images: Images
    displays: Displays
    screencasts: Screencasts
    takeovers: Takeovers
    snapshots: Snapshots
    captures: Captures


@asynccontextmanager
async def open_app(
    settings: Settings, *, plugins: Iterable[Any] = (), clock: Clock | None = None
) -> AsyncIterator[App]:
    """Build the house from the ground up and run its agents until the block is left.

    `plugins` are further modules or objects with hooks. Raises `StorageFull`, `StorageBusy` or `Conflict` if the
    database cannot be opened.
    """
    clock = clock or SystemClock()
    loaded = await asyncio.to_thread(load_plugins, settings, tuple(plugins))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings.database, settings.durability))
        journal = await stack.enter_async_context(Journal.open(database))
        budgets = Budgets(database, settings.daily_budget_usd)
        feed = Feed(database, journal, budgets)
        language = Language(loaded.models, settings, clock)
        stack.push_async_callback(language.close)
        embedder = _chosen(loaded.embedders, settings.embeddings)
        memories = Memories(database, embedder, settings.memory_limit)
        notes = NotesKeeper(database)
        parts: list[Callable[[], Awaitable[None]]] = []
        if embedder is not None:
            stack.push_async_callback(embedder.close)
            parts.append(Embedding(memories, embedder).run)
        toolbox = Toolbox(loaded.tools)
        machines = await stack.enter_async_context(Machines(loaded.sandboxes, settings))
        browsers = await stack.enter_async_context(Browsers(loaded.browsers, settings))
        parts.append(browsers.sweep)
        surroundings = LiveSurroundings(settings, database, language, toolbox, machines, browsers, memories)
        processes = Processes(database, journal, budgets, surroundings.admit)
        processes.on_exit(memories.ended)
        contexts = Contexts(database, processes, language.window)
        requests = Requests(database, processes)
        plans = Plans(database, processes)
        approvals = Approvals(database, processes)
        feedback = Feedback(database, processes, memories)
        profiles = Profiles(database, processes)
        takeovers = Takeovers(processes, Control(database, processes), feed, journal, settings, clock)
        machines.in_use.append(takeovers.watched)
        parts.append(takeovers.run)
        displays = Displays(machines, processes, takeovers, clock)
        stack.push_async_callback(displays.close)
        screencasts = Screencasts(browsers, machines, processes, takeovers, settings, clock)
        stack.push_async_callback(screencasts.close)
        images = Images(database)
        reflections = Reflections(
            database,
            processes,
            memories,
            profiles,
            partial(wants, settings.reflection),
        )
        snapshots = Snapshots(database, processes, settings.snapshots_keep)
        holds = Holds()
        captures = Captures(
            snapshots,
            processes,
            memories,
            notes,
            machines,
            toolbox,
            holds,
            settings,
            clock,
            showing=(browsers.showing, displays.showing),
        )
        await captures.tidy()
        supervisor = Supervisor(
            processes,
            requests,
            approvals,
            memories,
            notes,
            feedback,
            profiles,
            images,
            feed,
            journal,
            language,
            toolbox,
            machines,
            browsers,
            displays,
            holds,
            captures.before_destructive,
            settings,
            clock,
        )
        surroundings.supervisor = supervisor
        captures.runs_here = supervisor.runs
        displays.may_open = screencasts.may_open = supervisor.may_open
        reflection = Reflection(
            reflections, processes, memories, feedback, language, journal, supervisor.lease, settings, clock
        )
        parts.append(reflection.run)
        consolidations = Consolidations(database, memories, budgets)
        surroundings.consolidation = Consolidation(consolidations, memories, language, settings, clock)
        parts.append(surroundings.consolidation.run)
        for part in (feed.flush, surroundings.find_sandbox, supervisor.run, *parts):
            task = asyncio.create_task(_keep(part))
            stack.push_async_callback(_end, task)
        memory_files = MemoryFiles(database, memories, notes)
        erasure = Erasure(database, journal, feed, budgets, memories, notes)
        finishing = asyncio.create_task(erasure.finish())
        stack.push_async_callback(_end, finishing)
        instance = await instance_id(database)
        yield App(
            settings=settings,
            instance=instance,
            processes=processes,
            requests=requests,
            approvals=approvals,
            feed=feed,
            budgets=budgets,
            surroundings=surroundings,
            catalog=Catalog(),
            memories=memories,
            contexts=contexts,
            memory_files=memory_files,
            notes=notes,
            personal=PersonalData(
                erasure, processes, memory_files, machines, browsers, snapshots, captures, settings, supervisor.left
            ),
            feedback=feedback,
            profiles=profiles,
            plans=plans,
            images=images,
            displays=displays,
            screencasts=screencasts,
            takeovers=takeovers,
            snapshots=snapshots,
            captures=captures,
        )


def _chosen(embedders: Mapping[str, Embedder], name: str) -> Embedder | None:
    """The embedding model that is wanted. Raises `ModelNotConfigured` for one that is not there."""
    if name == "auto":
        return next(iter(embedders.values()), None)
    if name != "none" and name not in embedders:
        raise ModelNotConfigured(
            f"c.Aether.embeddings = {name!r}: there is no such embedding model here; "
            f"choose auto, none{''.join(f' or {each}' for each in embedders)}"
        )
    return embedders.get(name)


async def _keep(part: Callable[[], Awaitable[None]]) -> None:
    """Run a part, and run it again if it falls: its facts are in the database, so it goes on where it was."""
    while True:
        try:
            return await part()
        except Exception:
            log.critical("a part of Aether fell; it starts again", exc_info=True)
            await asyncio.sleep(RESTART_S)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
