"""Memories beside bare SQLite: `python -m tests.bench.memory speed COUNT`, `… longconv FOLDER`, `… paraphrase N`.

Each prints a JSON object.

Speed: an agent with COUNT memories, recall through the open app, beside FTS5 and a matrix of numpy with the same texts
and vectors in the same process. Vectors are random on both sides, and what computing them takes is left out on both.
Longconv: for each conversation of the folder one agent's memories, and how many of the turns that hold the answer to a
question are among the first five and ten, beside plain FTS5 over the same turns (porter, common words left out).
Paraphrase: how many of the facts of `paraphrases` are among the first five for a question that shares no telling word
with them, among N other memories, beside plain FTS5.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.engine.recall import terms
from aether_jupyter.model.access import Principal
from aether_jupyter.model.memory import Layer, Note
from aether_jupyter.plugins import hookimpl

from .paraphrases import PARAPHRASES

PERSON = Principal.person("bench")
WIDTH = 384
ADVERSARIAL = 5
"""The category of questions that have no answer."""


class Dice:
    """An embedding model that throws dice: the same text, the same vector."""

    name = "dice"
    fault = ""

    def vector(self, text: str) -> NDArray[np.float32]:
        vector = np.random.default_rng(abs(hash(text))).standard_normal(WIDTH, dtype=np.float32)
        return vector / np.linalg.norm(vector)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.vector(text) for text in texts])

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        return self.vector(text)

    async def close(self) -> None: ...

    @hookimpl
    def register_embedders(self, settings: Settings) -> list[Dice]:
        return [self]


def sentences(count: int) -> list[str]:
    """Sentences of twelve words, drawn as words are in a language: few often, many seldom."""
    dice = random.Random(7)
    words = [f"w{n}" for n in range(20_000)]
    weights = [1 / (n + 10) for n in range(len(words))]
    return [" ".join(dice.choices(words, weights, k=12)) for _ in range(count)]


def plain(texts: Sequence[str], *, before: bool = False) -> sqlite3.Connection:
    """Full text as anybody would begin; with `before` each text has the one before it beside it."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE t USING fts5(text, before, tokenize='porter unicode61')")
    rows = zip(range(len(texts)), texts, ["", *texts[:-1]] if before else [""] * len(texts), strict=True)
    database.executemany("INSERT INTO t (rowid, text, before) VALUES (?, ?, ?)", rows)
    return database


def find(database: sqlite3.Connection, query: str, most: int) -> list[int]:
    """The best rows."""
    words = " OR ".join(f'"{word}"' for word in terms(query))
    found = database.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY bm25(t, 1.0, 0.5) LIMIT ?", (words, most))
    return [row[0] for row in found]


async def embedded(app: App) -> None:
    """Wait until everything has its vector."""
    while await app.memories.waiting(PERSON):
        await asyncio.sleep(0.05)


async def speed(count: int, folder: Path) -> dict[str, Any]:
    texts = sentences(count)
    queries = sentences(count + 200)[count:]
    dice = Dice()
    settings = Settings(home=folder, memory_limit=2 * count, embeddings="dice")
    async with open_app(settings, plugins=[dice]) as app:
        began = time.perf_counter()
        for start in range(0, count, 1000):
            await app.memories.remember_many(PERSON, "bench", [Note(text=text) for text in texts[start : start + 1000]])
        ingest = count / (time.perf_counter() - began)
        await embedded(app)
        database = plain(texts, before=True)
        matrix = np.stack([dice.vector(text) for text in texts])
        vectors = {query: dice.vector(query) for query in queries}
        dice.vector = vectors.__getitem__  # type: ignore[method-assign, assignment]
        ours, floor = [], []
        for query in queries[:3]:
            await app.memories.recall(PERSON, "bench", query)
        for query in queries:
            began = time.perf_counter()
            find(database, query, 150)
            near = matrix @ vectors[query]
            np.argpartition(near, -150)[-150:]
            floor.append(time.perf_counter() - began)
            began = time.perf_counter()
            await app.memories.recall(PERSON, "bench", query)
            ours.append(time.perf_counter() - began)
        changed: list[float] = []
        for query in queries[:20]:
            # What follows a forgotten one must not read all vectors again.
            first = (await app.memories.recall(PERSON, "bench", query)).found[0].memory
            await app.memories.forget(PERSON, [first.id])
            began = time.perf_counter()
            await app.memories.recall(PERSON, "bench", query)
            changed.append(time.perf_counter() - began)
    one: list[float] = []
    async with open_app(msgspec.structs.replace(settings, embeddings="none")) as app:
        for text in queries:
            began = time.perf_counter()
            await app.memories.remember(PERSON, "bench", Note(text=text))
            one.append(time.perf_counter() - began)
    return {
        "recall_s": statistics.median(ours),
        "after_change_s": statistics.median(changed),
        "floor_s": statistics.median(floor),
        "remember_s": statistics.median(one),
        "ingest_per_s": ingest,
    }


async def longconv(data: Path, folder: Path) -> dict[str, Any]:
    scores: dict[str, list[float]] = {"ours5": [], "ours10": [], "plain5": [], "plain10": []}
    async with open_app(Settings(home=folder)) as app:
        for path in sorted(data.glob("*.memories.jsonl")):
            name = path.name.partition(".")[0]
            turns = [json.loads(line) for line in path.read_text().splitlines()]
            questions = [json.loads(line) for line in (data / f"{name}.queries.jsonl").read_text().splitlines()]
            texts = [f"{turn['speaker']}: {turn['text']}" for turn in turns]
            notes = [Note(text=text, layer=Layer.EPISODIC) for text in texts]
            kept = await app.memories.remember_many(PERSON, name, notes)
            ids = {memory.id: turn["id"] for memory, turn in zip(kept, turns, strict=True)}
            await embedded(app)
            database = plain(texts)
            for question in questions:
                evidence = set(question["evidence"]) & set(ids.values())
                if question["category"] == ADVERSARIAL or not evidence:
                    continue
                recall = await app.memories.recall(PERSON, name, question["question"], limit=10)
                ours = [ids[each.memory.id] for each in recall.found]
                floor = [turns[row]["id"] for row in find(database, question["question"], 10)]
                for most in (5, 10):
                    scores[f"ours{most}"].append(len(evidence & set(ours[:most])) / len(evidence))
                    scores[f"plain{most}"].append(len(evidence & set(floor[:most])) / len(evidence))
    return {name: statistics.mean(values) for name, values in scores.items()} | {"questions": len(scores["ours5"])}


async def paraphrase(others: int, folder: Path) -> dict[str, Any]:
    facts = [fact for fact, _ in PARAPHRASES]
    texts = [f"{thing} {n} was {done}." for n, (thing, done) in zip(range(others), _filling(), strict=False)]
    dice = random.Random(5)
    mixed = dice.sample([*facts, *texts], len(facts) + len(texts))
    scores: dict[str, list[bool]] = {"ours": [], "plain": []}
    async with open_app(Settings(home=folder)) as app:
        await app.memories.remember_many(PERSON, "bench", [Note(text=text) for text in mixed])
        await embedded(app)
        database = plain(mixed)
        for fact, question in PARAPHRASES:
            recall = await app.memories.recall(PERSON, "bench", question, limit=5)
            scores["ours"].append(fact in [each.memory.text for each in recall.found])
            scores["plain"].append(fact in [mixed[row] for row in find(database, question, 5)])
    return {name: statistics.mean(values) for name, values in scores.items()} | {"questions": len(facts)}


def _filling() -> Iterator[tuple[str, str]]:
    things = ("Order", "Ticket", "Meeting", "Report", "Sample", "Shelf", "Room", "Message", "Delivery", "Measurement")
    done = (
        "checked",
        "moved to the archive",
        "put off",
        "finished",
        "given to a colleague",
        "looked at",
        "counted",
    )
    return itertools.cycle(itertools.product(things, done))


def main() -> None:
    """What is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        kind, argument = sys.argv[1:]
        if kind == "longconv":
            work = longconv(Path(argument), Path(folder))
        else:
            work = {"speed": speed, "paraphrase": paraphrase}[kind](int(argument), Path(folder))
        print(json.dumps(asyncio.run(work)))


if __name__ == "__main__":
    main()
