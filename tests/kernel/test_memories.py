"""What agents remember: kept, found, changed, shared and forgotten; and never there for anybody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from aether_jupyter.engine.recall import strength
from aether_jupyter.kernel.memories import Memories
from aether_jupyter.model.access import Principal
from aether_jupyter.model.errors import BadRequest, Conflict, Forbidden, MemoryNotFound
from aether_jupyter.model.memory import Change, Layer, Note, Source
from aether_jupyter.model.process import ExitStatus
from aether_jupyter.providers.embeddings import MiniLM
from aether_jupyter.runtime.embedding import Embedding
from aether_jupyter.store.database import Database, Transaction

ANA, BOB = Principal.person("ana"), Principal.person("bob")
MINILM = MiniLM()


@pytest.fixture
async def database(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "aether.db", "NORMAL") as database:
        yield database


@pytest.fixture
def memories(database: Database) -> Memories:
    return Memories(database, None, 1_000)


async def texts(
    memories: Memories, query: str, agent: str = "clerk", actor: Principal = ANA, **more: object
) -> list[str]:
    return [each.memory.text for each in (await memories.recall(actor, agent, query, **more)).found]  # type: ignore[arg-type]


async def test_a_memory_is_found_by_its_words_and_says_why(memories: Memories) -> None:
    source = Source("agent:7", "agent", 7, 3, tainted=True)
    kept = await memories.remember(
        ANA, "clerk", Note(text="The export of March lacks a header.", tags=("export",)), source
    )
    await memories.remember(ANA, "clerk", Note(text="Nobody reads the minutes."))
    answer = await memories.recall(ANA, "clerk", "what was wrong with the March exports?")
    assert answer.found[0].memory == kept
    assert (kept.source, kept.layer, kept.version) == (source, Layer.SEMANTIC, 1)
    why = answer.found[0].why
    assert why.words == 1.0
    assert why.score == pytest.approx(why.words + why.meaning + why.importance + why.recency)
    assert not answer.by_meaning
    assert why.meaning == 0


async def test_what_stands_after_a_fitting_memory_is_found_with_it(memories: Memories) -> None:
    notes = ("Which wine shall we bring?", "A dry Riesling.", "The train leaves at nine.")
    await memories.remember_many(ANA, "clerk", [Note(text=text) for text in notes])
    assert await texts(memories, "wine") == ["Which wine shall we bring?", "A dry Riesling."]


async def test_importance_decides_between_equals(memories: Memories) -> None:
    for text, importance in (("one pot", 0.9), ("one mat", 0.1)):
        await memories.remember(ANA, "clerk", Note(text="Aside from that, nothing."))
        await memories.remember(ANA, "clerk", Note(text=f"The key lies under {text}.", importance=importance))
    assert (await texts(memories, "key"))[:2] == ["The key lies under one pot.", "The key lies under one mat."]


async def test_layers_tags_and_limit_narrow_a_recall(memories: Memories) -> None:
    for layer in Layer:
        await memories.remember(ANA, "clerk", Note(text=f"About tea, {layer}.", layer=layer, tags=(f"t-{layer}",)))
    assert await texts(memories, "tea", layers=[Layer.SOCIAL]) == ["About tea, social."]
    assert await texts(memories, "tea", tags=["t-episodic"]) == ["About tea, episodic."]
    assert len(await texts(memories, "tea", limit=2)) == 2


async def test_memory_of_one_is_never_there_for_another(memories: Memories) -> None:
    secret = await memories.remember(ANA, "clerk", Note(text="The code of the safe is 4711.", layer=Layer.PROCEDURAL))
    await memories.remember(ANA, "other", Note(text="The safe is green."))
    await memories.remember(BOB, "clerk", Note(text="Whose safe?"))
    queries = (
        "code safe 4711",
        "safe",
        'scope : "s1"',
        "s1",
        "procedural",
        "lprocedural",
        "*",
        "4711 OR safe",
        "clerk",
    )
    for query in queries:
        assert "The code of the safe is 4711." not in await texts(memories, query, "other")
        assert "The code of the safe is 4711." not in await texts(memories, query, "clerk", BOB)
        assert "The code of the safe is 4711." not in await texts(memories, query, "nobody")
    for attempt in (
        memories.get(BOB, secret.id),
        memories.versions(BOB, secret.id),
        memories.edit(BOB, secret.id, Change(text="mine")),
        memories.forget(BOB, [secret.id]),
    ):
        with pytest.raises(MemoryNotFound):
            await attempt
    assert [space.agent for space in await memories.spaces(BOB)] == ["clerk"]
    assert [each.text for each in await memories.list(BOB, "clerk")] == ["Whose safe?"]


async def test_only_a_person_shares_and_what_is_shared_can_be_taken_back(memories: Memories) -> None:
    await memories.remember(ANA, "clerk", Note(text="The safe is blue."))
    with pytest.raises(Forbidden):
        await memories.grant(Principal.agent(7, "ana"), "clerk", "other")
    await memories.grant(ANA, "clerk", "other")
    assert await texts(memories, "safe", "other") == ["The safe is blue."]
    assert await texts(memories, "safe", "other", BOB) == []
    assert (await memories.spaces(ANA))[0].readers == ("other",)
    await memories.grant(ANA, "clerk", "other", allow=False)
    assert await texts(memories, "safe", "other") == []


async def test_an_edit_keeps_what_was_there_and_two_edits_do_not_overwrite_each_other(memories: Memories) -> None:
    kept = await memories.remember(ANA, "clerk", Note(text="The meeting is on Monday."))
    follower = await memories.remember(ANA, "clerk", Note(text="It begins at ten."))
    changed = await memories.edit(ANA, kept.id, Change(text="The meeting is on Tuesday.", importance=0.9), version=1)
    assert (changed.version, changed.importance) == (2, 0.9)
    with pytest.raises(Conflict, match="version 2"):
        await memories.edit(ANA, kept.id, Change(text="The meeting is off."), version=1)
    assert [each.text for each in await memories.versions(ANA, kept.id)] == [
        "The meeting is on Tuesday.",
        "The meeting is on Monday.",
    ]
    assert await texts(memories, "Monday") == []
    # The one after it is found by the new text before it.
    assert await texts(memories, "Tuesday") == ["The meeting is on Tuesday.", follower.text]
    assert (await memories.edit(ANA, kept.id, Change(importance=0.9))).version == 2
    with pytest.raises(BadRequest):
        await memories.edit(ANA, kept.id, Change(text="  "))


async def test_a_version_tells_who_made_it_and_why(memories: Memories, database: Database) -> None:
    kept = await memories.remember(ANA, "clerk", Note(text="The meeting is on Monday.", importance=0.95))
    await memories.edit(ANA, kept.id, Change(text="The meeting is on Tuesday."))
    moves = {kept.id: 0.1, 4711: 0.1}
    moved = await database.write(lambda tx: memories.reweigh(tx, "ana", moves, "feedback of ana on step 4 of 12"))
    # What is not there is left out, and importance ends at 1.
    assert moved == {kept.id: 0.05}
    assert await database.write(lambda tx: memories.reweigh(tx, "bob", moves, "feedback of bob")) == {}
    assert [(each.changed_by, each.importance) for each in await memories.versions(ANA, kept.id)] == [
        ("feedback of ana on step 4 of 12", 1.0),
        ("ana", 0.95),
        ("", 0.95),
    ]
    (gone,) = await memories.forget(ANA, [kept.id])
    assert gone.changed_by == "ana"


async def test_what_is_forgotten_is_found_no_more_but_its_versions_can_be_read(memories: Memories) -> None:
    kept = await memories.remember(ANA, "clerk", Note(text="An old address."))
    (gone,) = await memories.forget(ANA, [kept.id])
    assert gone.forgotten_at is not None
    assert await texts(memories, "address") == []
    assert await memories.list(ANA, "clerk") == []
    assert len(await memories.versions(ANA, kept.id)) == 2
    with pytest.raises(MemoryNotFound):
        await memories.forget(ANA, [kept.id])


async def test_nothing_of_a_forgotten_memory_is_found_beside_the_next_one(memories: Memories) -> None:
    notes = ("Lunch is at noon.", "The password is hunter2.", "Tea is at four.")
    kept = await memories.remember_many(ANA, "clerk", [Note(text=text) for text in notes])
    assert await texts(memories, "hunter2") == ["The password is hunter2.", "Tea is at four."]
    await memories.forget(ANA, [kept[1].id])
    assert await texts(memories, "hunter2") == []
    assert await texts(memories, "lunch") == ["Lunch is at noon.", "Tea is at four."]


async def test_a_layer_is_searched_however_many_others_fit_better(memories: Memories) -> None:
    await memories.remember(ANA, "clerk", Note(text="Ann, who drinks tea now and then.", layer=Layer.SOCIAL))
    await memories.remember_many(ANA, "clerk", [Note(text="Tea.", layer=Layer.EPISODIC) for _ in range(900)])
    assert await texts(memories, "tea", layers=[Layer.SOCIAL]) == ["Ann, who drinks tea now and then."]


async def test_what_is_written_while_one_looks_who_remembers_is_not_missed(memories: Memories) -> None:
    for n in range(20):
        agent = f"clerk {n}"
        looking = asyncio.create_task(memories.recall(ANA, agent, "safe"))
        await asyncio.sleep(0)
        await memories.remember(ANA, agent, Note(text="The safe is blue."))
        await looking
        assert await texts(memories, "safe", agent) == ["The safe is blue."]


async def test_a_filter_reads_more_than_one_statement_can_name(
    memories: Memories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aether_jupyter.kernel.memories.FILTERED", 7)
    for agent in ("clerk", "other", "third"):
        await memories.remember_many(ANA, agent, [Note(text=f"Tea {n}.", tags=("tea",)) for n in range(7)])
    for agent in ("other", "third"):
        await memories.grant(ANA, agent, "clerk")
    assert len(await texts(memories, "tea", tags=["tea"], limit=30)) == 21


async def test_limits_hold_for_each_agent_however_many_write(database: Database) -> None:
    memories = Memories(database, None, 20)
    for n in range(150):
        for agent in ("x", "y"):
            await memories.remember(ANA, agent, Note(text=f"fact {n}"))
    for agent in ("x", "y"):
        assert len(await memories.list(ANA, agent)) <= 20 + 64


async def test_a_grant_is_seen_before_there_is_anything_to_read(memories: Memories) -> None:
    await memories.grant(ANA, "payroll", "other")
    (space,) = await memories.spaces(ANA)
    assert (space.agent, space.readers, space.layers) == ("payroll", ("other",), {})
    await memories.grant(ANA, "nobody", "other", allow=False)
    assert len(await memories.spaces(ANA)) == 1
    with pytest.raises(BadRequest):
        await memories.grant(ANA, " ", "other")


async def test_what_another_server_wrote_is_found_a_moment_later(database: Database) -> None:
    here, there = Memories(database, None, 1_000), Memories(database, None, 1_000)
    assert await texts(here, "safe") == []
    await there.remember(ANA, "clerk", Note(text="The safe is blue."))
    until = asyncio.get_running_loop().time() + 5
    while await texts(here, "safe") == [] and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.1)
    assert await texts(here, "safe") == ["The safe is blue."]


async def test_the_most_faded_go_when_a_layer_is_full_and_pinned_ones_stay(database: Database) -> None:
    memories = Memories(database, None, 100)
    first = await memories.remember(ANA, "clerk", Note(text="pinned", importance=0.0, at=0.0))
    await memories.edit(ANA, first.id, Change(pinned=True))
    weak = await memories.remember(ANA, "clerk", Note(text="weak", importance=0.05))
    strong = await memories.remember(ANA, "clerk", Note(text="strong", importance=1.0, at=1.0e9))
    social = await memories.remember(ANA, "clerk", Note(text="friend", importance=0.01, layer=Layer.SOCIAL))
    await memories.remember_many(ANA, "clerk", [Note(text=f"fact {n}") for n in range(200)])
    left = {each.text for each in await memories.list(ANA, "clerk", layer=Layer.SEMANTIC)}
    assert len(left) <= 100
    assert {"pinned"} <= left
    assert "weak" not in left
    assert (await memories.get(ANA, weak.id)).forgotten_at is not None
    assert (await memories.get(ANA, strong.id)).forgotten_at is not None
    assert (await memories.get(ANA, social.id)).forgotten_at is None


ODD = (
    "", "   ", '"', "*", "NEAR(a b)", "text : x", "a AND", "OR", "(", "col:", "'; DROP TABLE memory; --", "\0", "😀",
    "東京 の 天気", "a" * 1_000_000, " ".join(str(n) for n in range(100_000)), "\ud800", "-", "^", "{text} : a",
)  # fmt: skip


@pytest.mark.parametrize("by_meaning", [False, True])
@pytest.mark.parametrize("query", ODD, ids=range(len(ODD)))
async def test_no_query_is_an_error_or_a_stall(database: Database, query: str, by_meaning: bool) -> None:
    memories = Memories(database, MINILM if by_meaning else None, 1_000)
    await memories.remember(ANA, "clerk", Note(text="The weather in 東京 😀 is fine."))
    found = await asyncio.wait_for(memories.recall(ANA, "clerk", query), 5)
    assert len(found.found) <= 1


async def test_long_and_foreign_texts_are_kept_whole(memories: Memories) -> None:
    long = "word " * 200_000
    for text in (long, "Schöne Grüße aus Köln", "東京は晴れ"):
        kept = await memories.remember(ANA, "clerk", Note(text=text))
        assert (await memories.get(ANA, kept.id)).text == text
    assert await texts(memories, "koln") == ["Schöne Grüße aus Köln", "東京は晴れ"]


async def test_an_empty_memory_is_refused(memories: Memories) -> None:
    with pytest.raises(BadRequest, match="empty"):
        await memories.remember(ANA, "clerk", Note(text=" \n"))
    with pytest.raises(BadRequest, match="whose"):
        await memories.remember(ANA, " ", Note(text="x"))


PARAPHRASED = (
    ("The invoice from the plumber has not been settled.", "which bills are still unpaid?"),
    ("Grandmother is allergic to peanuts.", "what food could make an old relative ill?"),
    ("The staging server reboots every night at two.", "when is the test machine down?"),
    ("Our biggest customer moved to Lisbon.", "where did the most important client relocate?"),
    ("Use the blue form for travel expenses.", "how do I get money back for a trip?"),
    ("The cat was seen by the vet on Friday.", "when did the pet go to the doctor?"),
)


async def test_meaning_finds_what_words_do_not(database: Database) -> None:
    embedder = MiniLM()
    by_words, both = Memories(database, None, 1_000), Memories(database, embedder, 1_000)
    filler = [Note(text=f"Shelf {n} holds screws of size {n}.") for n in range(60)]
    facts = [Note(text=fact) for fact, _ in PARAPHRASED]
    await both.remember_many(ANA, "clerk", [*filler, *facts])
    working = asyncio.create_task(Embedding(both, embedder).run())
    while await both.unembedded(1):
        await asyncio.sleep(0.02)
    working.cancel()
    found_by_words = [fact in (await texts(by_words, query))[:3] for fact, query in PARAPHRASED]
    found = [fact in (await texts(both, query))[:3] for fact, query in PARAPHRASED]
    assert sum(found_by_words) <= 1
    assert sum(found) >= 5
    await embedder.close()


async def test_a_broken_model_is_told_once_and_recall_goes_by_words(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aether_jupyter.providers.embeddings.SHA256", "0" * 64)
    broken = MiniLM()
    memories = Memories(database, broken, 1_000)
    await memories.remember(ANA, "clerk", Note(text="The safe is blue."))
    assert await texts(memories, "safe") == ["The safe is blue."]
    assert "checksum" in memories.embedding[1]
    assert await memories.waiting(ANA) is None
    await broken.close()


async def test_vectors_follow_edits_and_another_model_begins_anew(database: Database) -> None:
    embedder = MiniLM()
    memories = Memories(database, embedder, 1_000)

    async def embed() -> None:
        while batch := await memories.unembedded(10):
            await memories.keep_vectors(list(zip(batch, await embedder.embed([b.text for b in batch]), strict=True)))

    kept = await memories.remember(ANA, "clerk", Note(text="The plumber has been paid."))
    (late,) = await memories.unembedded(10)
    await memories.edit(ANA, kept.id, Change(text="Trains to Lisbon leave at noon."))
    # A vector of the old text must not stand for the new one.
    await memories.keep_vectors([(late, (await embedder.embed([late.text]))[0])])
    assert len(await memories.unembedded(10)) == 1
    await embed()
    answer = await memories.recall(ANA, "clerk", "when does the railway go to Portugal?")
    assert answer.by_meaning
    assert [each.memory.id for each in answer.found] == [kept.id]
    await memories.forget(ANA, [kept.id])
    assert (await memories.recall(ANA, "clerk", "when does the railway go to Portugal?")).found == []

    await memories.remember(ANA, "clerk", Note(text="Of the old model."))
    await embed()
    embedder.name = "another model"
    assert await Memories(database, embedder, 1_000).outdate(Principal("runtime", "", frozenset({"system:run"}))) == 1
    assert len(await memories.unembedded(10)) == 1
    await embedder.close()


async def every(memories: Memories, **asked: object) -> list[str]:
    """The texts of all pages, two at a time."""
    found, cursor = [], ""
    while True:
        page = await memories.page(ANA, "clerk", cursor=cursor, limit=2, **asked)  # type: ignore[arg-type]
        found += [each.text for each in page.memories]
        if not (cursor := page.next):
            return found


async def test_pages_are_sorted_and_none_is_told_twice_or_left_out(memories: Memories) -> None:
    day = 86_400.0
    for n in range(9):
        await memories.remember(
            ANA, "clerk", Note(text=f"{n}", layer=list(Layer)[n % 4], importance=(n % 3 + 1) / 4, at=1e9 + n * day)
        )
    pinned = (await memories.page(ANA, "clerk")).memories[4]
    await memories.edit(ANA, pinned.id, Change(pinned=True))
    await memories.touch(ANA, "clerk", 1, (await memories.recall(ANA, "clerk", "2")).found[:1])
    assert await every(memories) == [f"{n}" for n in range(8, -1, -1)]
    assert (await every(memories, sort="importance"))[:3] == ["8", "5", "2"]
    assert (await every(memories, sort="used"))[0] == "2"
    strongest = (await memories.page(ANA, "clerk", sort="strength")).memories
    now = time.time()
    assert await every(memories, sort="strength") == [each.text for each in strongest]
    assert [strength(each, now) for each in strongest] == sorted((strength(e, now) for e in strongest), reverse=True)
    assert strongest[0].id == pinned.id
    assert sorted(each.text for each in strongest) == [f"{n}" for n in range(9)]


async def test_equally_strong_memories_are_all_told(memories: Memories) -> None:
    await memories.remember_many(ANA, "clerk", [Note(text=f"{n}", at=1e9) for n in range(7)])
    assert sorted(await every(memories, sort="strength")) == [f"{n}" for n in range(7)]


async def test_a_page_is_filtered_and_counts(memories: Memories) -> None:
    journal = Source("agent:7", "journal", 7, 3)
    await memories.remember(ANA, "clerk", Note(text="a", tags=("x", "y"), layer=Layer.SOCIAL), journal)
    for text, tags in (("b", ("x",)), ("c", ()), ("d", ("x", "y"))):
        await memories.remember(ANA, "clerk", Note(text=text, tags=tags))
    await memories.remember(ANA, "other", Note(text="not this", tags=("x", "y")))
    for sort in ("newest", "strength", "importance", "used"):
        assert sorted(await every(memories, sort=sort, tags=("x", "y"))) == ["a", "d"]
        assert await every(memories, sort=sort, kinds=("journal",)) == ["a"]
        assert sorted(await every(memories, sort=sort, layers=(Layer.SEMANTIC,))) == ["b", "c", "d"]
    page = await memories.page(ANA, "clerk", tags=("x",), limit=1)
    assert (page.total, page.layers) == (3, {Layer.SEMANTIC: 3, Layer.SOCIAL: 1})
    await memories.edit(ANA, page.memories[0].id, Change(tags=("z",)))
    assert await every(memories, tags=("z",)) == ["d"]
    assert await every(memories, tags=("x",)) == ["b", "a"]
    await memories.edit(ANA, page.memories[0].id, Change(pinned=True))
    for sort in ("newest", "strength", "importance", "used"):
        assert await every(memories, sort=sort, pinned=True) == ["d"]
    assert (await memories.page(ANA, "clerk", pinned=True)).total == 1
    await memories.forget(ANA, [page.memories[0].id])
    assert await every(memories, tags=("z",)) == []
    assert await every(memories, forgotten=True) == ["d"]
    assert (await memories.page(ANA, "nobody")).memories == []


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "k6ZuZXdlc3TLQdpX6xhAAACA" * 3])
async def test_a_cursor_that_no_list_gave_is_refused(memories: Memories, cursor: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        await memories.page(ANA, "clerk", cursor=cursor)


async def test_a_cursor_of_another_order_is_refused(memories: Memories) -> None:
    await memories.remember_many(ANA, "clerk", [Note(text=f"{n}") for n in range(3)])
    following = (await memories.page(ANA, "clerk", limit=1)).next
    with pytest.raises(BadRequest, match="sorted by newest"):
        await memories.page(ANA, "clerk", sort="used", cursor=following)


async def test_what_was_forgotten_comes_back_as_a_new_version(memories: Memories) -> None:
    notes = ("Lunch is at noon.", "The password is hunter2.", "Tea is at four.")
    kept = await memories.remember_many(ANA, "clerk", [Note(text=text) for text in notes])
    await memories.forget(ANA, [kept[1].id])
    with pytest.raises(MemoryNotFound):
        await memories.restore(BOB, kept[1].id)
    back = await memories.restore(ANA, kept[1].id)
    assert (back.version, back.forgotten_at, back.text) == (3, None, notes[1])
    assert await memories.restore(ANA, kept[1].id) == back
    assert await texts(memories, "hunter2") == [notes[1], notes[2]]
    assert len(await memories.versions(ANA, kept[1].id)) == 3


async def test_merged_memories_keep_what_each_knew(memories: Memories) -> None:
    journal = Source("agent:7", "journal", 7, 3, tainted=True)
    first = await memories.remember(ANA, "clerk", Note(text="The safe is blue.", tags=("a",), importance=0.2))
    second = await memories.remember(ANA, "clerk", Note(text="The safe is blue!", tags=("b",), importance=0.7), journal)
    await memories.touch(ANA, "clerk", 1, (await memories.recall(ANA, "clerk", "safe")).found)
    seen = await memories.merge(ANA, (first.id, second.id), dry_run=True)
    assert (await memories.get(ANA, second.id)).forgotten_at is None
    done = await memories.merge(ANA, (first.id, second.id), Change(text="The safe is light blue."))
    one = done.memory
    assert (one.id, one.text, seen.memory.text) == (first.id, "The safe is light blue.", "The safe is blue.")
    for each in (one, seen.memory):
        assert (each.importance, each.tags, each.uses, each.merged) == (0.7, ("a", "b"), 2, (second.id,))
        assert each.source == Source("ana", tainted=True)
        assert each.sources == (journal,)
    assert await texts(memories, "safe") == ["The safe is light blue."]
    (gone,) = done.gone
    assert (gone.merged_into, (await memories.get(ANA, second.id)).merged_into) == (first.id, first.id)
    assert [each.text for each in await memories.versions(ANA, first.id)][-1] == "The safe is blue."
    back = await memories.restore(ANA, second.id)
    assert (back.merged_into, back.source) == (None, journal)


async def test_only_several_memories_of_one_agent_are_merged(memories: Memories) -> None:
    mine, other = [await memories.remember(ANA, agent, Note(text="tea")) for agent in ("clerk", "other")]
    theirs = await memories.remember(BOB, "clerk", Note(text="tea"))
    for dry_run in (False, True):
        with pytest.raises(BadRequest, match="different agents"):
            await memories.merge(ANA, (mine.id, other.id), dry_run=dry_run)
        with pytest.raises(BadRequest, match="at least two"):
            await memories.merge(ANA, (mine.id, mine.id), dry_run=dry_run)
        with pytest.raises(MemoryNotFound):
            await memories.merge(ANA, (mine.id, theirs.id), dry_run=dry_run)


async def embed_all(memories: Memories, embedder: MiniLM) -> None:
    while batch := await memories.unembedded(64):
        await memories.keep_vectors(list(zip(batch, await embedder.embed([b.text for b in batch]), strict=True)))


async def test_what_says_the_same_is_found_by_words_and_by_meaning(database: Database) -> None:
    embedder = MiniLM()
    worded, both = Memories(database, None, 1_000), Memories(database, embedder, 1_000)
    notes = (
        "The plumber's invoice has not been paid.",
        "The invoice of the plumber has not been paid.",
        "The cat likes fish.",
    )
    first, second, _ = await both.remember_many(ANA, "clerk", [Note(text=text) for text in notes])
    await both.remember(ANA, "other", Note(text=notes[0]))
    for memories, by_meaning in ((worded, False), (both, False), (both, True)):
        if by_meaning:
            await embed_all(both, embedder)
        pairs, looked_at = await memories.alike(ANA, "clerk")
        assert [(pair.first.id, pair.second.id, pair.by_meaning) for pair in pairs] == [
            (first.id, second.id, by_meaning)
        ]
        assert looked_at == 3
        assert [pair.second.id for pair in await memories.like(ANA, first.id)] == [second.id]
    assert await both.alike(BOB, "clerk") == ([], 0)
    with pytest.raises(MemoryNotFound):
        await both.like(BOB, first.id)
    await embedder.close()


async def test_what_is_owed_of_a_run_survives_a_commit_that_failed_and_tells_of_no_other_end(
    database: Database, memories: Memories
) -> None:
    done, killed = ExitStatus(0, "completed", "Done."), ExitStatus(137, "killed", "Killed.")

    def end(status: ExitStatus, *, fails: bool = False) -> Callable[[Transaction], None]:
        def body(tx: Transaction) -> None:
            memories.ended(tx, SimpleNamespace(pid=7, owner="ana", exit=status))  # type: ignore[arg-type]
            if fails:
                raise BadRequest("the disk is full")

        return body

    memories.owe(7, "clerk", [(Note(text="The export was done."), Source("agent:7", "journal", 7, 1))], done)
    await database.write(end(killed))
    with pytest.raises(BadRequest):
        await database.write(end(done, fails=True))
    assert await memories.remembers("ana", "clerk") is False
    await database.write(end(done))
    memories.owe_nothing(7)
    await database.write(end(done))
    assert (await memories.page(ANA, "clerk")).total == 1
