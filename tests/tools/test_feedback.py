"""What people said, as a model reads it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import pytest

from aether_jupyter.abc import ToolContext
from aether_jupyter.model.feedback import Judgement
from aether_jupyter.model.message import ToolCall
from aether_jupyter.runtime.toolbox import Toolbox


@pytest.mark.parametrize("tainted", [False, True])
async def test_judgements_are_told_one_a_line(toolbox: Toolbox, context: ToolContext, tainted: bool) -> None:
    asked: list[int] = []
    now = time.time()

    async def said(most: int) -> Sequence[Judgement]:
        asked.append(most)
        return (
            Judgement(pid=7, step=2, by="ana", agent="clerk", thumb="up", at=now, about="read_file a.txt"),
            Judgement(
                pid=3,
                step=4,
                by="priya",
                agent="clerk",
                comment="Name the file\nin full.",
                at=now - 200_000,
                about="hm",
                tainted=tainted,
            ),
        )

    call = ToolCall("c1", "get_feedback", {"limit": 2})
    outcome = await toolbox.run(call, dataclasses.replace(context, feedback=said))
    assert outcome.content.split("\n") == [
        "[this run, step 2, today] ana thumb up (the step: read_file a.txt)",
        "[run 3, step 4, 2 days ago] priya: Name the file in full. (the step: hm)",
    ]
    assert asked == [2]
    # What a step did may be in strangers' words; what a person said is not.
    assert outcome.labels == {"feedback": "text" if tainted else "system"}
