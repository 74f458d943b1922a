"""What agents wrote is shown as text; figures read as everywhere else."""

from __future__ import annotations

import msgspec
import pytest

from aether_jupyter.abc import Availability, ModelInfo
from aether_jupyter.answers import ModelList
from aether_jupyter.client import show
from aether_jupyter.client.show import Table, money, span, tokens
from aether_jupyter.model.agent import Limits, Mode
from aether_jupyter.model.events import ModelAnswered, ModelChosen, ModelRequested
from aether_jupyter.model.harmless import code, formatted, line, markdown, plain
from aether_jupyter.model.message import Text, Usage
from aether_jupyter.model.process import ExitStatus, Process, State
from aether_jupyter.model.tool import Approval


def process(**changes: object) -> Process:
    given = {
        "pid": 7,
        "name": "a",
        "owner": "ada",
        "goal": "g",
        "model": "scripted:hello",
        "sandbox": "docker",
        "mode": Mode.ASK_RISKY,
        "limits": Limits(),
    }
    return Process(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds", "words"), [(38, "0m 38s"), (252, "4m 12s"), (4080, "1h 08m"), (183_600, "2d 3h")])
def test_time(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(940, "940"), (18_400, "18.4k"), (1_100_000, "1.1M")])
def test_tokens(count: int, words: str) -> None:
    assert tokens(count) == words


@pytest.mark.parametrize(
    ("cost", "limit", "known", "words"),
    [
        (0.0, None, True, "$0.00"),
        (0.004, None, True, "<$0.01"),
        (0.42, 2.0, True, "$0.42 of $2"),
        (1, None, False, "~$1.00"),
    ],
)
def test_money(cost: float, limit: float | None, known: bool, words: str) -> None:
    assert money(process(cost_usd=cost, limits=Limits(cost_usd=limit), cost_known=known)) == words


def test_control_and_direction_characters_do_not_reach_a_terminal() -> None:
    assert plain("a\x1b[2Jb\u202ec\x07") == "a\\x1b[2Jbc\\x07"
    assert line("a\nb  c") == "a b c"


def test_an_agent_cannot_leave_its_block() -> None:
    text = "```\n<img src=x>\n````"
    fence = code(text).split("text", 1)[0]
    assert fence not in text


@pytest.mark.parametrize(
    "evil",
    [
        "<img src=http://evil/?a>",
        "![x](http://evil/?a)",
        "~~~\n```\n~~~\n<img src=http://evil>\n```",
        "- ```\n```\n<script>alert(1)</script>",
        "  ```\n<iframe>",
    ],
)
def test_a_result_brings_no_pictures_and_no_html(evil: str) -> None:
    import nbconvert.filters as nbconvert

    shown = nbconvert.markdown2html_mistune(formatted(evil))
    for tag in ("<img", "<script", "<iframe"):
        assert tag not in shown


def test_a_result_keeps_its_headings_tables_and_code() -> None:
    text = "# Done\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nif a < b: print('![x]')\n```"
    assert formatted(text) == text


def test_agent_text_in_tables_is_escaped() -> None:
    table = Table([process(name="<b>*x*</b>", goal="a|b `c`")])
    assert "<b>" not in table._repr_html_()
    assert "a\\|b \\`c\\`" in table._repr_markdown_()
    assert "PID" in repr(table)
    assert "%%agent" in repr(Table([]))


def test_the_end_says_state_figures_and_result() -> None:
    done = process(state=State.ZOMBIE, exit=ExitStatus(0, "completed", "All *good*"), step=27, input_tokens=81_000)
    text = show.summary_markdown(done, bound="report")
    assert text.startswith("**Done** after 27 steps, 0m 00s")
    assert "81.0k tokens, scripted:hello, PID 7" in text
    assert "All *good*" in text
    assert text.endswith("Result: `report`.")


def test_an_approval_is_shown_whole() -> None:
    from aether_jupyter.model.message import ToolCall

    command = "echo " + "x" * 5000
    call = ToolCall("1", "run_command", {"command": command})
    approval = Approval(id="k", pid=7, owner="a", name="n", kind="call", step=1, created_at=0.0, call=call)
    assert command in show.approval_markdown(approval)
    assert markdown("a_b") == "a\\_b"


def test_the_choice_of_a_model_reads_once_and_a_fallback_where_it_answers() -> None:
    routed = ModelRequested(3, "m:x", why="Cheap: so.", family="cheap", since=3)
    assert show.event_text(routed) == ("model", "m:x. Cheap: so.")
    assert show.event_text(msgspec.structs.replace(routed, step=4)) == ("", "")
    assert show.event_text(ModelRequested(1, "m:x")) == ("", "")
    assert show.event_text(ModelChosen("auto", "ada")) == ("model", "ada chose auto")
    answered = ModelAnswered(3, "m:y", (Text("Hm."),), Usage(), instead="m:x is closed")
    assert show.event_text(answered) == ("thought", "[answered by m:y, for m:x is closed] Hm.")


def test_models_are_listed_with_families_and_prices() -> None:
    ready, no_key = Availability(True), Availability(False, "no key is set")
    listed = show.models_text(
        ModelList(
            [
                ModelInfo("a:big", "Big", ready, 1.25, 10.0, families=("standard", "frontier"), sees=True),
                ModelInfo("local:own", "Own", ready, 0.0, 0.0, families=("cheap",)),
                ModelInfo("b:odd", "Odd", no_key),
            ],
            "a:big",
        )
    )
    assert listed.splitlines() == [
        "* a:big      standard, frontier  $1.25 in, $10 out, takes images",
        "  local:own  cheap               free",
        "  b:odd      -                   price not known  not ready: no key is set",
        "Agents that name no model ask a:big. Prices are for a million tokens.",
    ]
