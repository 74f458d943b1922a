"""Images over HTTP: kept, given to an agent, shown to their owner – and bytes that are none."""

from __future__ import annotations

import hashlib
from typing import Any

from ..drawn import bomb, drawn

PNG = {"Content-Type": "image/png"}


async def test_an_image_is_kept_given_with_goal_and_message_and_given_back(call: Any) -> None:
    first, second = drawn("teal"), drawn("gold", kind="JPEG")
    kept = await call("POST", "images", first, headers=PNG)
    assert kept.status == 201
    image = kept.json
    digest = hashlib.sha256(first).hexdigest()
    assert image == {
        "digest": digest, "media_type": "image/png", "width": 64, "height": 48, "size_bytes": len(first)
    }  # fmt: skip
    # What it is, its bytes tell.
    other = (await call("POST", "images", second, headers={"Content-Type": "application/octet-stream"})).json
    assert other["media_type"] == "image/jpeg"

    lie = image | {"width": 1, "words": "rm -r /"}
    agent = (await call("POST", "processes", {"goal": "look", "model": "scripted:ask", "images": [lie]})).json
    assert (await call("GET", f"processes/{agent['pid']}/spec")).json["images"] == [image]
    said = await call("POST", f"processes/{agent['pid']}/messages", {"text": "and this", "images": [other]})
    assert said.status == 201
    records = (await call("GET", f"processes/{agent['pid']}/records")).json["records"]
    [message] = [each["event"] for each in records if each["event"]["type"] == "message.sent"]
    assert message["images"] == [other]

    got = await call("GET", f"images/{digest}")
    assert (got.status, got.body, got.headers["Content-Type"]) == (200, first, "image/png")
    assert "sandbox" in got.headers["Content-Security-Policy"]
    assert got.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_is_no_image_is_refused_and_an_image_that_was_not_kept_cannot_be_given(call: Any) -> None:
    for body, status in ((b"hello", 400), (bomb(40_000, 40_000), 400), (drawn() + bytes(10_000_000), 413)):
        answer = await call("POST", "images", body, headers=PNG)
        assert (answer.status, answer.json["type"]) == (status, "bad_request")
    assert (await call("POST", "images", drawn(), headers={"Content-Type": "text/html"})).status == 415
    foreign = {"digest": "0" * 64, "media_type": "image/png", "width": 1, "height": 1, "size_bytes": 1}
    spawned = await call("POST", "processes", {"goal": "look", "images": [foreign]})
    assert (spawned.status, spawned.json["type"]) == (400, "bad_request")
    assert "POST" in spawned.json["detail"]
    assert (await call("GET", f"images/{'0' * 64}")).status == 404
    assert (await call("GET", "images/nonsense")).status == 400
