"""Every widget of the pages is driven by the tools to a proof that the page itself gives."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .conftest import Agent
from .site import Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

Step = tuple[str, dict[str, Any]]


def click(target: str, **more: Any) -> Step:
    return "click", {"target": target, **more}


def type_(target: str, text: str, **more: Any) -> Step:
    return "type", {"target": target, "text": text, **more}


WALKS: list[tuple[str, list[Step], str]] = [
    (
        "form",
        [
            type_("Name", "Ada"),
            type_('textbox "Mail"', "ada@example.org"),
            type_("Note", "two\nlines"),
            type_("css=[type=password]", "s3cret"),
            click('button "Send"'),
        ],
        "POST mail=ada@example.org; name=Ada; note=two lines; secret=s3cret",
    ),
    ("form", [type_("Name", "Bob", submit=True)], "POST mail=; name=Bob; note=; secret="),
    ("checkboxes", [click("Ham"), click('checkbox "Cheese"')], "ham"),
    ("radios", [click('radio "Small"'), click("Large")], "large"),
    ("select", [("select", {"target": "Country", "options": ["Peru"]})], "pe"),
    ("select", [("select", {"target": "Country", "options": ["vn"]})], "vn"),
    ("select", [click('option "France"')], "fr"),
    ("multiselect", [("select", {"target": "Colours", "options": ["Red", "Blue"]})], "r+b"),
    (
        "dates",
        [type_("Day", "2026-02-28"), type_("Time", "13:45"), type_("Month", "2026-03")],
        "2026-02-28 13:45 2026-03",
    ),
    ("range", [type_("Volume", "11")], "11"),
    ("range", [("press", {"keys": "ArrowLeft", "target": "Volume"})], "4"),
    ("contenteditable", [type_("Letter", "Dear me")], "Dear me"),
    ("contenteditable", [type_("Letter", " all", append=True)], "Dear you all"),
    ("drag", [("drag", {"source": "Bread", "to": 'list "Done"'})], "Done has Bread"),
    ("slider", [("drag", {"source": "110,110", "to": "300,110"})], "at 50 %"),
    ("dialogs", [click("Tell")], "told"),
    ("dialogs", [click("Delete")], "kept"),
    ("dialogs", [click("Delete", dialog="accept")], "deleted"),
    ("dialogs", [click("Rename", dialog="accept", dialog_text="gizmo")], "called gizmo"),
    ("dialogs", [click("Rename")], "called null"),
    ("frames", [type_("Word", "hello"), click("Say")], "outside heard: hello"),
    ("nested", [click('button "Deep"')], "top heard: from below"),
    ("foreign", [type_('textbox "Word"', "far"), click("Say")], "OTHER said far"),
    ("shadow", [type_("Step", "5"), click("Count up"), click('button "Count up"')], "counted 10"),
    ("late", [("wait", {"text": "Late button"}), click("Late button")], "pressed late"),
    ("late", [("wait", {"gone": "Loading the list"}), click("Late button")], "pressed late"),
    (
        "infinite",
        [("scroll", {"down": 3000}), ("scroll", {"down": 3000}), ("wait", {"text": "Item 45"}), click("Item 45")],
        "chose Item 45",
    ),
    ("hover", [("hover", {"target": "text=File"}), click("Save all")], "saved"),
    ("canvas", [click("290,270")], "hit 240,170 corner"),
    ("table", [click("Price"), click("Buy Fig")], "bought Fig"),
    ("autocomplete", [type_("City", "Lim"), click('option "Limoges"')], "travels to Limoges"),
    ("shortcuts", [("press", {"keys": "ctrl+s"})], "saved by keys"),
    ("shortcuts", [("press", {"keys": "esc", "target": "Text"})], "escaped"),
    ("shortcuts", [("press", {"keys": "?"})], "helped"),
    ("spa", [click("Two"), click("One"), ("back", {})], "at /spa/two"),
    ("spa", [click("Two"), click("One"), ("back", {}), ("forward", {})], "at /spa/one"),
    ("lazy", [("scroll", {"target": 'region "Log"', "down": 3000}), click("Line 103")], "line 103"),
    ("modal", [click("Show"), click("Agree"), click("Under")], "under"),
    ("tabs", [click('tab "Second"'), click("Here")], "in the second"),
    ("details", [click("More")], "opened"),
    ("details", [("press", {"keys": "space", "target": "css=[role=switch]"})], "lights true"),
    ("context", [click("Area", button="right"), click('menuitem "Copy it"')], "copied"),
    ("context", [click("Area", double=True)], "twice"),
]


@pytest.mark.parametrize(("page", "steps", "proof"), WALKS, ids=[f"{page}-{proof[:20]}" for page, _, proof in WALKS])
async def test_a_widget_is_driven_to_its_proof(
    page: str, steps: list[Step], proof: str, agent: Agent, site: Site
) -> None:
    await agent.do("open", url=f"{site.origin}/{page}")
    for name, arguments in steps:
        await agent.do(name, **arguments)
    assert await agent.proof() == proof.replace("OTHER", site.other)


def test_there_are_thirty_pages_and_more() -> None:
    assert len({page for page, _, _ in WALKS} | {"download", "upload", "popup", "beforeunload", "huge"}) >= 30


async def test_references_of_the_tree_are_what_is_clicked(agent: Agent, site: Site) -> None:
    told = await agent.do("open", url=f"{site.origin}/frames")
    word = re.search(r'textbox "Word" \[ref=(f\d+e\d+)\]', told)
    say = re.search(r'button "Say" \[ref=(f\d+e\d+)\]', told)
    assert word
    assert say
    await agent.do("type", target=word[1], text="by reference")
    told = await agent.do("click", target=say[1])
    assert "outside heard: by reference" in told
    # They stay the same as long as the element does.
    assert f"[ref={word[1]}]" in await agent.do("read")


async def test_what_is_new_is_told_and_what_is_not_is_not(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/details")
    told = await agent.do("click", target="More")
    assert "New on the page:" in told
    assert "What was hidden" in told
    assert "Lights" not in told
    assert "Nothing else changed on the page." in await agent.do("press", keys="F9")


async def test_a_reference_of_an_element_that_is_gone_is_told_as_such(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/late")
    outcome = await agent.say("click", target="e99")
    assert not outcome.ok
    assert outcome.content == "e99 is not on the page any more; read it again with browser_read."


async def test_what_fits_several_elements_is_asked_back(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/table")
    outcome = await agent.say("click", target="text=Buy")
    assert not outcome.ok
    assert outcome.content.startswith("3 elements fit 'Buy'; give a reference")


async def test_what_lies_over_an_element_is_named(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/modal")
    await agent.do("click", target="Cover")
    outcome = await agent.say("click", target="Under")
    assert not outcome.ok
    assert outcome.error == "tool_timeout"
    assert '<div id="veil"> lies over it; close or move that first' in outcome.content


async def test_a_new_window_becomes_a_tab_in_front(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/popup")
    told = await agent.do("click", target="Open a window")
    assert "A new tab 2 was opened and is in front." in told
    assert "The other" in told
    told = await agent.do("click", target="Tell and close")
    assert "Tab 2 was closed; tab 1 is in front." in told
    assert await agent.proof() == "heard from the other"
    await agent.do("click", target='link "Open the other"')
    listed = await agent.do("tabs")
    assert re.fullmatch(r"1: popup - http://\S+/popup\n3 \(in front\): opened - http://\S+/opened", listed)
    assert "popup" in await agent.do("tabs", action="switch", tab=1)
    await agent.do("tabs", action="close", tab=3)
    assert (await agent.do("tabs")).startswith("1 (in front)")
    outcome = await agent.say("tabs", action="switch", tab=3)
    assert outcome.content == "there is no tab 3; there are: 1."


async def test_the_empty_tab_that_a_browser_begins_with_is_used_before_a_new_one(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/form", new_tab=True)
    assert len((await agent.do("tabs", action="list")).splitlines()) == 1
    await agent.do("open", url=f"{site.origin}/table", new_tab=True)
    assert len((await agent.do("tabs", action="list")).splitlines()) == 2


async def test_a_page_that_asks_whether_to_leave_is_stayed_on_unless_told(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/beforeunload")
    await agent.do("click", target="Change")
    told = await agent.do("open", url=f"{site.origin}/form")
    assert "The page asked whether to leave it" in told
    assert "it was answered no. To answer yes, do it again with dialog=accept." in told
    assert await agent.proof() == "changed"
    told = await agent.do("open", url=f"{site.origin}/form", dialog="accept")
    assert ": form" in told


async def test_pages_that_are_missing_or_redirect_or_dawdle(agent: Agent, site: Site) -> None:
    assert "(status 404): Not here" in await agent.do("open", url=f"{site.origin}/missing")
    told = await agent.do("open", url=f"{site.origin}/redirect?to=/redirect?to=/form")
    assert f"At {site.origin}/form: form" in told
    assert "slow, but here" in await agent.do("open", url=f"{site.origin}/slow?s=1.5")
    await agent.do("back")
    assert f"At {site.origin}/form: form" in await agent.do("read")


async def test_a_huge_page_is_read_in_parts(agent: Agent, site: Site) -> None:
    told = await agent.do("open", url=f"{site.origin}/huge")
    assert len(told) < 10_000
    assert re.search(r"\[\d+ more lines; browser_read gives all\]", told)
    part = await agent.do("read", kind="text")
    assert len(part.encode()) < agent.output_limit + 1_000
    last = re.search(r"\[lines 1 to (\d+) of 3000; go on with from_line=(\d+), or name where\]", part)
    assert last
    assert f"Row {last[1]} " in await agent.do("read", kind="text", from_line=int(last[2]))
    links = await agent.do("read", kind="links", from_line=2990)
    assert f"link 2999 -> {site.origin}/form?n=2999" in links
    await agent.do("click", target="Pick 2345")
    assert await agent.proof() == "row 2345"


async def test_a_part_of_a_page_is_read(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/table")
    text = await agent.do("read", kind="text", where="css=tbody")
    assert text.split("\n")[1:] == ["Pear | 3 | Buy", "Fig | 1 | Buy", "Plum | 2 | Buy"]
    tree = await agent.do("read", where='row "Fig 1 Buy Fig"')
    assert "Pear" not in tree
    assert 'button "Buy Fig"' in tree


async def test_references_hold_after_a_part_of_the_page_is_read(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/table")
    whole = await agent.do("read")
    plum, fig = (re.search(rf'button "Buy {fruit}" \[ref=(\w+)\]', whole) for fruit in ("Plum", "Fig"))
    assert plum
    assert fig
    part = await agent.do("read", where='row "Fig 1 Buy Fig"')
    assert f'button "Buy Fig" [ref={fig[1]}]' in part
    await agent.do("click", target=plum[1])
    assert await agent.proof() == "bought Plum"
    await agent.do("read", where='row "Fig 1 Buy Fig"')
    await agent.do("click", target=fig[1])
    assert await agent.proof() == "bought Fig"


async def test_a_picture_has_a_pixel_for_each_point(agent: Agent, site: Site) -> None:
    from PIL import Image

    await agent.do("open", url=f"{site.origin}/canvas")
    told = await agent.do("screenshot")
    assert "1280×800" in told
    import io

    picture = Image.open(io.BytesIO(agent.pictures[0]))
    # The board begins at 50,100.
    assert picture.getpixel((40, 150))[0] > 250
    assert picture.getpixel((60, 150))[0] < 245
    assert "300×200" in await agent.do("screenshot", where="css=#board")
    await agent.do("open", url=f"{site.origin}/huge")
    assert "1280×8000" in await agent.do("screenshot", whole=True)
    # What it is told does not say who sees it: that is told with each request, to whichever model is asked.
    seen = await agent.do("screenshot")
    agent.sees = False
    assert await agent.do("screenshot") == seen


async def test_a_page_whose_script_never_ends_does_not_hold_the_agent(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/hangs")
    await agent.do("click", target="Hang")
    outcome = await agent.say("read")
    assert "the page does not answer" in outcome.content
    told = await agent.do("tabs", action="list")
    assert told.startswith("1 (in front)")
    await agent.do("open", url=f"{site.origin}/form", new_tab=True)
    await agent.do("tabs", action="close", tab=1)
    assert ": form" in await agent.do("read")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("press", {"keys": "Controll+a"}, "there is no key"),
        ("type", {"target": "Country", "text": "x"}, "it is no field that takes text"),
        ("click", {"target": "css=["}, "that is no CSS selector"),
        ("select", {"target": "Country", "options": ["Mars"]}, "it has no such option"),
        ("back", {}, "there is no page to go back to"),
        ("wait", {"text": "Godot", "seconds": 0.5}, "'Godot' is not on the page after 0.5 s"),
        ("click", {"target": " "}, "the target is empty"),
        ("wait", {"text": "a", "gone": "b"}, "give text or gone, not both"),
        ("open", {"url": "javascript:alert(1)"}, "only http and https addresses are opened"),
        ("open", {"url": "http://"}, "names no host"),
        ("open", {"url": "http://127.0.0.1:1/"}, "browsers open no pages at this port"),
    ],
)
async def test_errors_say_what_to_do(
    name: str, arguments: dict[str, Any], words: str, agent: Agent, site: Site
) -> None:
    if name != "back":
        await agent.do("open", url=f"{site.origin}/select")
    outcome = await agent.say(name, **arguments)
    assert not outcome.ok
    assert words in outcome.content


async def test_whatever_comes_from_a_page_is_labelled_as_words_of_strangers(agent: Agent, site: Site) -> None:
    outcome = await agent.say("open", url=f"{site.origin}/form")
    assert "text" in outcome.labels.values()
    assert all("text" in tool.fields.values() for tool in agent.toolbox.all())
    assert not any(tool.default for tool in agent.toolbox.all())
