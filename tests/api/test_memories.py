"""Memories over HTTP: kept, recalled with reasons, changed, shared, forgotten."""

from __future__ import annotations

from typing import Any


async def test_a_memory_is_kept_recalled_changed_and_forgotten(call: Any) -> None:
    notes = [
        {"text": "The March export lacks a header.", "layer": "episodic", "tags": ["export"], "importance": 0.8},
        {"text": "Always open the export with the csv module.", "layer": "procedural"},
    ]
    kept = await call("POST", "memories", {"agent": "clerk", "notes": notes})
    assert kept.status == 201
    first, second = kept.json["memories"]
    assert (first["agent"], first["source"]["by"]) == ("clerk", (await call("GET", "me")).json["user"])

    async def recall(query: str, **more: Any) -> Any:
        return (await call("GET", "memories/recall", params={"agent": "clerk", "query": query, **more})).json

    found = (await recall("header of the March export"))["found"]
    assert [each["memory"]["id"] for each in found] == [first["id"], second["id"]]
    assert found[0]["why"]["score"] > found[1]["why"]["score"] > 0
    procedural = (await recall("export", layer="procedural,social"))["found"]
    assert [each["memory"]["id"] for each in procedural] == [second["id"]]
    tagged = (await recall("export", tag="export"))["found"]
    assert [each["memory"]["id"] for each in tagged] == [first["id"]]

    path = f"memories/{first['id']}"
    changed = await call("POST", path, {"text": "The April export lacks a header.", "pinned": True, "version": 1})
    assert (changed.json["version"], changed.json["pinned"]) == (2, True)
    late = await call("POST", path, {"text": "x", "version": 1})
    assert (late.status, late.json["type"]) == (409, "conflict")
    versions = (await call("GET", path)).json["memories"]
    assert [each["text"] for each in versions] == [changed.json["text"], notes[0]["text"]]

    assert (await call("POST", "memories/grants", {"agent": "clerk", "reader": "other"})).status == 204
    spaces = (await call("GET", "memories/spaces")).json
    assert spaces["spaces"][0]["readers"] == ["other"]
    assert spaces["spaces"][0]["layers"] == {"episodic": 1, "procedural": 1}
    assert spaces["waiting"] is not None

    assert (await call("DELETE", path)).json["forgotten_at"] is not None
    assert (await call("DELETE", path)).status == 404
    assert [each["id"] for each in (await call("GET", "memories", params={"agent": "clerk"})).json["memories"]] == [
        second["id"]
    ]


async def test_a_screen_can_page_sort_restore_merge_and_compare(call: Any) -> None:
    texts = ("The safe is blue.", "The safe is blue!", "Tea is at four.")
    notes = [
        {"text": text, "tags": ["safe"] if "safe" in text else [], "importance": 0.2 * n}
        for n, text in enumerate(texts)
    ]
    first, second, tea = (await call("POST", "memories", {"agent": "clerk", "notes": notes})).json["memories"]

    async def page(**more: Any) -> Any:
        return (await call("GET", "memories", params={"agent": "clerk", **more})).json

    begin = await page(sort="importance", limit="2")
    assert [each["id"] for each in begin["memories"]] == [tea["id"], second["id"]]
    rest = await page(sort="importance", limit="2", cursor=begin["next"])
    assert ([each["id"] for each in rest["memories"]], rest["next"]) == ([first["id"]], "")
    assert (begin["total"], begin["layers"]) == (3, {"semantic": 3})
    assert (await page(tag="safe", kind="person", layer="semantic,social"))["total"] == 2
    assert (await page(kind="journal"))["total"] == 0

    spaces = (await call("GET", "memories/spaces")).json
    assert spaces["half_life_s"]["episodic"] < spaces["half_life_s"]["semantic"]
    assert 0 < spaces["faded"] < 0.5
    assert spaces["limit"] > 1000
    assert (await call("GET", "memories/recall", params={"agent": "clerk", "query": "tea"})).json["took_s"] > 0

    pairs = (await call("GET", "memories/similar", params={"agent": "clerk"})).json
    assert [(pair["first"]["id"], pair["second"]["id"]) for pair in pairs["pairs"]] == [(first["id"], second["id"])]
    like = (await call("GET", f"memories/{second['id']}/similar")).json["pairs"]
    assert [pair["second"]["id"] for pair in like] == [first["id"]]

    body = {"keys": [first["id"], second["id"]], "text": "The safe is light blue."}
    seen = (await call("POST", "memories/merge", {**body, "dry_run": True})).json
    assert (await page())["total"] == 3
    done = (await call("POST", "memories/merge", body)).json
    assert (done["memory"]["text"], seen["memory"]["text"]) == (body["text"], body["text"])
    assert [each["merged_into"] for each in done["gone"]] == [first["id"]]
    assert [each["id"] for each in (await page(forgotten="true"))["memories"]] == [second["id"]]
    assert (await call("POST", f"memories/{second['id']}/restore")).json["forgotten_at"] is None
    assert (await page())["total"] == 3
    assert (await call("GET", f"memories/{tea['id']}/uses")).json == {"uses": []}

    for refused in (
        await call("POST", "memories/merge", {"keys": [first["id"]]}),
        await call("GET", "memories", params={"agent": "clerk", "cursor": "x"}),
        await call("GET", "memories", params={"agent": "clerk", "sort": "size"}),
    ):
        assert refused.status == 400
    for path in ("memories/424242/restore", "memories/merge"):
        body = {"keys": [424242, first["id"]]} if path.endswith("merge") else None
        assert (await call("POST", path, body)).status == 404


async def test_memories_are_put_in_order_on_demand(call: Any) -> None:
    notes = [{"text": text, "layer": "episodic"} for text in ("The pot is red.", "The pot is red!")]
    first, second = (await call("POST", "memories", {"agent": "clerk", "notes": notes})).json["memories"]
    report = (await call("POST", "memories/consolidate", {"agent": "clerk"})).json
    assert report["merged"] == [[second["id"], first["id"]]]
    assert (await call("GET", "memories/reports", params={"agent": "clerk"})).json == {"reports": [report]}
    assert (await call("POST", "memories/consolidate", {"agent": "nobody"})).status == 404


async def test_what_is_no_memory_is_refused_with_the_field(call: Any) -> None:
    for body, words in (
        ({"agent": "clerk", "notes": []}, "notes"),
        ({"agent": "", "notes": [{"text": "x"}]}, "agent"),
        ({"agent": "clerk", "notes": [{"text": ""}]}, "notes[0].text"),
        ({"agent": "clerk", "notes": [{"text": "x", "layer": "deep"}]}, "notes[0].layer"),
        ({"agent": "clerk", "notes": [{"text": "x", "importance": 2}]}, "notes[0].importance"),
        ({"agent": "clerk", "notes": [{"text": "x", "tags": ["a,b"]}]}, "notes[0].tags[0]"),
        ({"agent": "clerk", "notes": [{"text": " "}]}, "empty"),
    ):
        answer = await call("POST", "memories", body)
        assert (answer.status, answer.json["type"]) == (400, "bad_request"), body
        assert words in answer.json["detail"]
    assert (await call("GET", "memories/424242")).status == 404
    assert (await call("GET", "memories", params={"agent": "clerk", "layer": "deep"})).status == 400
