"""The paraphrases of the benchmark are what they say: no question shares a telling word with its fact."""

from __future__ import annotations

import sqlite3

from aether_jupyter.engine.recall import terms
from tests.bench.paraphrases import PARAPHRASES


def test_no_question_shares_a_telling_word_with_its_fact() -> None:
    assert len({fact for fact, _ in PARAPHRASES}) == len(PARAPHRASES) >= 100
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE t USING fts5(text, tokenize='porter unicode61')")
    database.executemany("INSERT INTO t (rowid, text) VALUES (?, ?)", enumerate(fact for fact, _ in PARAPHRASES))
    for row, (_, question) in enumerate(PARAPHRASES):
        words = " OR ".join(f'"{word}"' for word in terms(question))
        assert not database.execute("SELECT 1 FROM t WHERE t MATCH ? AND rowid = ?", (words, row)).fetchall(), question
    database.close()
