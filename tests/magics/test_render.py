"""Which screen is chosen where, and what the transformer makes of a cell."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from aether_jupyter.magics import render
from aether_jupyter.magics.agent import await_agent_cells


def shell(*, kernel: bool = True, stdin: bool = True, names: tuple[str, ...] = ()) -> SimpleNamespace:
    found = SimpleNamespace(user_ns=dict.fromkeys(names))
    if kernel:
        found.kernel = SimpleNamespace(_allow_stdin=stdin)
    return found


@pytest.mark.parametrize(
    ("where", "environ", "ui"),
    [
        (shell(kernel=False), {}, "terminal"),
        (shell(), {"JPY_SESSION_NAME": "a.ipynb"}, "lab"),
        (shell(), {"VSCODE_PID": "1", "JPY_SESSION_NAME": "a.ipynb"}, "widget"),
        (shell(names=("__vsc_ipynb_file__",)), {}, "widget"),
        (shell(), {}, "prompt"),
        (shell(stdin=False), {}, "markdown"),
    ],
)
def test_the_screen_is_chosen_by_what_is_there(where: SimpleNamespace, environ: dict[str, str], ui: str) -> None:
    assert render.choose(where, "auto", environ) == ui


def test_where_clicks_do_not_reach_a_busy_cell_it_asks_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "buttons_reach_cells", lambda: False)
    assert render.choose(shell(), "auto", {"VSCODE_PID": "1"}) == "prompt"
    assert render.choose(shell(stdin=False), "auto", {"VSCODE_PID": "1"}) == "markdown"


def test_what_was_asked_for_is_taken() -> None:
    assert render.choose(shell(), "markdown", {"JPY_SESSION_NAME": "a"}) == "markdown"


def test_only_agent_cells_are_awaited() -> None:
    assert await_agent_cells(["x = 1\n"]) == ["x = 1\n"]
    assert await_agent_cells(["%%agents\n", "x\n"]) == ["%%agents\n", "x\n"]
    assert await_agent_cells(["%%agent?\n"]) == ["%%agent?\n"]
    [line] = await_agent_cells(["%%agent --name 'a b'\n", 'It\'s "so"\n', "\\n\n"])
    assert line.startswith("await ")
    compile(line.removeprefix("await "), "cell", "eval")
