"""Each agent has a clipboard of its own: what one copies, by keys or in a page's own ways, no other one can paste."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from aether_jupyter.browsers.chromium import Chromium

from .conftest import Agent
from .site import Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def _pasted(agent: Agent, keys: str = "Control+v") -> str:
    """What stands in a field after it was emptied and pasted into."""
    await agent.do("type", target="Line", text="")
    await agent.do("press", keys=keys, target="Line")
    return await _value(agent, "#line")


async def _value(agent: Agent, css: str) -> str:
    tree = await agent.do("read", where=f"css={css}")
    return tree.rpartition("\n")[2].partition(": ")[2].strip('"')


async def _shared(kind: Chromium) -> str:
    """What Chromium itself has in its clipboard: what its keys paste in a page that nobody guards."""
    assert kind._browser is not None
    context = await kind._browser.new_context()
    try:
        page = await context.new_page()
        await page.set_content("<textarea></textarea>")
        await page.locator("textarea").press("Control+v")
        return await page.locator("textarea").input_value()
    finally:
        await context.close()


@pytest.fixture
async def two(make: Callable[..., Agent], site: Site) -> tuple[Agent, Agent]:
    both = make(pid=1), make(pid=2)
    for agent in both:
        await agent.do("open", url=f"{site.other}/clipboard")
    return both


@pytest.mark.parametrize("copied", ["Control+c", "Control+x", "Control+Insert", "Shift+Delete"])
async def test_what_one_agent_copies_it_pastes_and_no_other(
    two: tuple[Agent, Agent], kind: Chromium, copied: str
) -> None:
    one, other = two
    await one.do("press", keys="Control+a", target="Words")
    await one.do("press", keys=copied)
    left = await _value(one, "#words")
    assert left == ("" if copied in ("Control+x", "Shift+Delete") else "words of this page")
    for keys in ("Control+v", "Control+Shift+v", "Shift+Insert"):
        assert await _pasted(other, keys) == ""
        assert await _pasted(one, keys) == "words of this page"
    assert "nothing was copied" in await other.do("press", keys="ctrl+v")
    assert await _shared(kind) == ""


async def test_nothing_is_pasted_by_the_middle_button(two: tuple[Agent, Agent]) -> None:
    one, other = two
    await one.do("press", keys="Control+a", target="Words")
    await other.do("click", target="Line", button="middle")
    assert await _value(other, "#line") == ""


@pytest.mark.parametrize(
    ("button", "text"),
    [
        ("Copy by command", "words of this page"),
        ("Copy anew", "by the new way"),
        ("Copy what it likes", "of its own"),
    ],
)
async def test_what_a_page_copies_is_its_agents_alone(
    two: tuple[Agent, Agent], kind: Chromium, button: str, text: str
) -> None:
    one, other = two
    await one.do("click", target=button)
    assert await _pasted(one) == text
    assert await _pasted(other) == ""
    assert await _shared(kind) == ""


async def test_a_page_reads_no_clipboard_by_itself(two: tuple[Agent, Agent]) -> None:
    one, other = two
    await one.do("click", target="Copy by command")
    for agent in (one, other):
        await agent.do("click", target="Steal")
        assert await agent.proof() == "false NotAllowedError NotAllowedError"


async def test_a_page_that_gets_rid_of_what_guards_it_is_pasted_its_own_agents_words_only(
    two: tuple[Agent, Agent],
) -> None:
    one, other = two
    await one.do("press", keys="Control+a", target="Words")
    await one.do("press", keys="Control+c")
    for agent, text in ((other, "[nothing]"), (one, "words of this page")):
        await agent.do("click", target="Undress")
        await agent.do("press", keys="Control+v", target="Bare")
        assert await agent.proof() == text


async def test_a_paste_is_what_it_is_to_a_page(two: tuple[Agent, Agent], site: Site) -> None:
    one, _ = two
    # A password is not copied, and what is marked anywhere else is.
    await one.do("press", keys="Control+a", target="css=#key")
    await one.do("press", keys="Control+c")
    assert await _pasted(one) == ""
    await one.do("click", target="paragraph", double=True)
    await one.do("press", keys="Control+c")
    # In a frame, and with the key that the page listens for.
    await one.do("press", keys="Control+v", target="Inside")
    assert re.search(r'textbox "Inside".*: paragraph\b', await one.do("read"))
    await one.do("press", keys="Control+v", target="Line")
    assert "asked to paste" in await one.do("read")
    # It outlives the page and the rest of the browser.
    await one.do("open", url=f"{site.origin}/form")
    await one.do("press", keys="Control+v", target="Note")
    assert re.search(r'textbox "Note".*: paragraph\b', await one.do("read"))
