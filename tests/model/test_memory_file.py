"""A memory as a file: to the byte there and back, edited by hand, and every fault with its line."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from aether_jupyter.model.errors import BadRequest
from aether_jupyter.model.memory import Layer, Memory, Source
from aether_jupyter.model.memory_file import mark, newest_in, parse, path_of, render

TEXTS = some.text(some.characters(exclude_categories=("Cs",)), min_size=1, max_size=400).filter(
    lambda t: bool(t.strip())
)
TAG = some.text(some.characters(exclude_categories=("Cs",), exclude_characters=",\n\r"), min_size=1, max_size=60)
MEMORIES = some.builds(
    Memory,
    id=some.integers(1, 2**53 - 1),
    owner=some.just("ana"),
    agent=some.text(min_size=1, max_size=20),
    layer=some.sampled_from(Layer),
    text=TEXTS,
    source=some.builds(Source, by=some.text(some.characters(exclude_categories=("Cs",))), tainted=some.booleans()),
    importance=some.floats(0, 1),
    tags=some.lists(TAG, max_size=20).map(tuple),
    pinned=some.booleans(),
    created_at=some.floats(-1e10, 1e11),
    version=some.integers(1, 1000),
)


def one(text: str = "The March export has 19 columns.", **changes: object) -> Memory:
    memory = Memory(
        id=12, owner="ana", agent="clerk", layer=Layer.SEMANTIC, text=text, source=Source("agent:4", "agent", 4, 2)
    )
    return msgspec.structs.replace(memory, created_at=1_772_357_400.0, tags=("export", "march"), **changes)


@given(MEMORIES)
def test_a_memory_comes_back_to_the_byte(memory: Memory) -> None:
    content = render(memory)
    file = parse(path_of(memory), content)
    assert (file.text, file.layer, file.id, file.version) == (memory.text, memory.layer, memory.id, memory.version)
    assert (file.importance, file.tags, file.pinned) == (memory.importance, memory.tags, memory.pinned)
    assert file.created == pytest.approx(memory.created_at, abs=2e-6)
    assert file.tainted is memory.source.tainted
    assert not file.edited
    assert render(memory) == content


@pytest.mark.parametrize(
    "text",
    [
        "a\r\nb\r\n",
        "\n\n  leading and trailing  \n\n",
        "---\nid: 3\n---\n",
        "---",
        "日本語 😀 \u2028 \x00 \x7f",
        "\ufeffx",
        "a\n---\nb",
    ],
)
def test_odd_texts_come_back_to_the_byte(text: str) -> None:
    assert parse(path_of(one(text)), render(one(text))).text == text


def test_the_file_is_what_a_person_expects() -> None:
    assert path_of(one()) == "semantic/12-the-march-export-has-19-columns.md"
    assert render(one()).decode().splitlines()[:9] == [
        "---",
        "id: 12",
        "version: 1",
        "importance: 0.5",
        "tags: [export, march]",
        "pinned: false",
        "created: 2026-03-01T09:30:00.000000Z",
        'source: {by: "agent:4", kind: "agent", pid: 4, step: 2}',
        "digest: " + render(one()).decode().split("digest: ")[1][:16],
    ]


def test_each_edit_is_seen_and_a_rewritten_line_end_is_none() -> None:
    path, content = path_of(one()), render(one())
    assert parse(path, content.replace(b"19", b"20")).edited
    assert parse(path, content.replace(b"importance: 0.5", b"importance: 0.9")).importance == 0.9
    assert parse(path, content.replace(b"importance: 0.5", b"importance: 0.9")).edited
    assert parse("social/12.md", content).edited
    assert not parse(path, content.replace(b"\n", b"\r\n")).edited
    assert not parse(path, b"\xef\xbb\xbf" + content).edited


def test_a_file_by_hand_needs_no_front_matter_or_a_part_of_it() -> None:
    bare = parse("social/ana.md", b"Ana likes short tables.\n")
    assert (bare.text, bare.layer, bare.id) == ("Ana likes short tables.", Layer.SOCIAL, None)
    some_of_it = parse("ana.md", b"---\nlayer: social\ntags: [no, 1, yes]\npinned: true\n---\nAna likes short tables.")
    assert (some_of_it.layer, some_of_it.tags, some_of_it.pinned) == (Layer.SOCIAL, ("no", "1", "yes"), True)
    assert some_of_it.importance is None
    assert parse("social/x.md", b"---\ntags:\n---\nx").tags == ()


@pytest.mark.parametrize(
    ("path", "content", "words", "line"),
    [
        ("semantic/a.md", b"---\nid: 1\nimportance: 2\n---\nx", "importance", 3),
        ("semantic/a.md", b"---\nid: one\n---\nx", "id: not a number", 2),
        ("semantic/a.md", b"---\nimportanse: 1\n---\nx", "no such key", 2),
        ("semantic/a.md", b"---\nid: 1\ntags: [a\n---\nx", "no YAML", 4),
        ("semantic/a.md", b"---\nid: 1\n", "no end", 1),
        ("semantic/a.md", b"---\n- a\n---\nx", "lines such as", 2),
        ("semantic/a.md", b"---\nid: 1\n---\n\n \n", "no text", 1),
        ("semantic/a.md", b"---\nid: 1\n---\n\nfine\nnot \xff fine\n", "UTF-8", 6),
        ("semantic/a.md", b"---\nlayer: social\n---\nx", "lies in semantic/", 2),
        ("semantic/a.md", b"---\ntags: [" + b"a, " * 21 + b"]\n---\nx", "at most 20", 2),
        ("semantic/a.md", b"---\ntags: ['a,b']\n---\nx", "tags", 2),
        ("semantic/a.md", b"---\ncreated: yesterday\n---\nx", "created", 2),
        ("semantic/a.md", b"---\nsource: &a {by: x}\ntags: *a\n---\nx", "refers to itself", 2),
        ("semantic/a.md", b"---\nsource: " + b"[" * 5000 + b"\n---\nx", "front matter", 3),
        ("semantic/a.md", b"---\nsource: {a: " + b"[" * 16_000 + b"]" * 16_000 + b"}\n---\nx", "front matter", 2),
        ("semantic/a.md", b"---\nsource: " + b"x" * 40_000 + b"\n---\nx", "no end", 1),
        ("elsewhere/a.md", b"x", "which layer", 1),
        ("semantic/a.md", b"x" * 4_200_000, "at most", 1),
    ],
)
def test_what_cannot_be_read_says_why_and_where(path: str, content: bytes, words: str, line: int) -> None:
    with pytest.raises(BadRequest) as told:
        parse(path, content)
    assert words in told.value.message
    assert told.value.details["line"] == line


def test_tags_of_yaml_make_no_objects() -> None:
    assert parse("semantic/a.md", b"---\ntags: !!python/object/apply:os.getcwd [x]\n---\nx").tags == ("x",)


@given(some.binary(max_size=200), some.binary(max_size=100))
def test_no_bytes_break_the_reader(head: bytes, body: bytes) -> None:
    for content in (head, b"---\n" + head + b"\n---\n" + body):
        try:
            parse("semantic/x.md", content)
        except BadRequest as error:
            line = error.details["line"]
            if line < 1:
                raise


def test_the_mark_names_the_newest() -> None:
    assert newest_in(mark('a "b"\nnewest: 7', 12)) == 12
    assert newest_in(b"agent: x\n") is None
