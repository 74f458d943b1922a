"""What is kept about oneself over HTTP: counted, taken away, and erased with the right word alone."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any


async def test_one_s_data_is_counted_exported_and_erased(call: Any) -> None:
    me = (await call("GET", "me")).json["user"]
    await call("POST", "memories", {"agent": "clerk › child", "notes": [{"text": "The safe is blue."}]})
    await call("POST", "memories/notes", {"agent": "clerk", "text": "Be short."})
    kept = (await call("GET", "me/data")).json
    assert (kept["owner"], kept["agent"], kept["erased"], kept["counts"]["memories"]) == (me, "", False, 1)
    assert (await call("GET", "me/data", params={"agent": "clerk"})).json["counts"]["memories"] == 1
    nobody = await call("GET", "me/data", params={"agent": "nobody"})
    assert (nobody.status, nobody.json["type"]) == (400, "bad_request")

    answer = await call("GET", "me/export")
    assert answer.headers["Content-Disposition"].endswith(".zip")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("report.json"))["counts"] == kept["counts"]
        assert b"The safe is blue." in archive.read("tables/memory.jsonl")
    assert (await call("GET", "me/export", params={"agent": "nobody"})).status == 400

    for query in ({}, {"confirm": "no"}, {"confirm": me, "agent": "clerk"}):
        assert (await call("DELETE", "me/data", params=query)).status == 400
    gone = (await call("DELETE", "me/data", params={"confirm": "clerk", "agent": "clerk"})).json
    assert (gone["erased"], gone["counts"]["memories"]) == (True, 1)
    assert (await call("DELETE", "me/data", params={"confirm": me})).json["erased"]
    assert (await call("GET", "me/data")).json["counts"] == {}
