"""Agents browse: policy and permissions are asked, what they read taints them, and the end of one ends its browser."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from aether_jupyter.app import App
from aether_jupyter.engine import loop
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Mode, SandboxSpec
from aether_jupyter.model.events import ToolEnded
from aether_jupyter.model.permission import parse_permission
from aether_jupyter.model.process import Process, Signal, State
from aether_jupyter.model.tool import Decision
from aether_jupyter.runtime.browsers import state_of

from .conftest import Script
from .site import Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ANA = Principal.person("ana")
TOOLS = ("browser_open", "browser_read", "browser_click", "browser_screenshot")
Calls = Sequence[tuple[str, dict[str, object]]]


async def run(app: App, model: str, **fields: Any) -> Process:
    defaults: dict[str, Any] = {
        "mode": Mode.AUTONOMOUS,
        "tools": TOOLS,
        "sandbox": SandboxSpec(network="host"),
    }
    process = await app.processes.spawn(ANA, AgentSpec(goal="look", model=model, **(defaults | fields)))
    return await app.processes.wait(ANA, process.pid, timeout_s=45)


async def outcomes(app: App, pid: int) -> list[ToolEnded]:
    records = await app.processes.records(ANA, pid, limit=1000)
    return [record.event for record in records if isinstance(record.event, ToolEnded)]


async def test_an_agent_browses_is_tainted_by_it_and_its_picture_is_kept(app: App, script: Script, site: Site) -> None:
    model = script(
        ("browser_open", {"url": f"{site.origin}/table"}),
        ("browser_click", {"target": "Buy Fig"}),
        ("browser_screenshot", {}),
    )
    process = await run(app, model)
    assert process.exit is not None
    assert process.exit.code == 0
    opened, clicked, shown = await outcomes(app, process.pid)
    assert "bought Fig" in clicked.outcome.content
    (image,) = shown.outcome.images
    assert (image.width, image.height) == (1280, 800)
    state = loop.begin(AgentSpec(goal="look"))
    for n, record in enumerate(await app.processes.records(ANA, process.pid, limit=1000)):
        state = loop.fold(state, record.event, n, 0.0)
    assert state.touched
    assert opened.outcome.ok


async def test_a_page_is_opened_only_if_a_person_says_so_where_the_mode_asks(
    app: App, script: Script, site: Site
) -> None:
    process = await run(app, script(("browser_open", {"url": f"{site.origin}/form"})), mode=Mode.ASK_RISKY)
    assert process.state is State.WAITING
    assert f"{site.origin}/form" not in "".join(site.asked[-3:])
    asked = len(site.asked)
    (approval,) = await app.approvals.list(ANA)
    assert len(site.asked) == asked
    await app.approvals.decide(ANA, approval.id, Decision(verdict="approve"), digest=approval.digest)
    process = await app.processes.wait(ANA, process.pid, timeout_s=45)
    assert process.exit is not None
    (ended,) = await outcomes(app, process.pid)
    assert ended.outcome.ok


async def test_a_host_that_is_denied_is_neither_opened_nor_reached_by_a_page(
    app: App, script: Script, site: Site
) -> None:
    model = script(
        ("browser_open", {"url": f"{site.other}/form"}),
        ("browser_open", {"url": f"{site.origin}/redirect?to={site.other}/form"}),
    )
    process = await run(app, model, permissions=(parse_permission("deny host=localhost"),))
    refused, led = await outcomes(app, process.pid)
    assert refused.outcome.error == "tool_refused"
    assert "The gate refused a request: localhost is not permitted: deny host=localhost" in led.outcome.content


async def test_the_end_of_an_agent_ends_its_browser(app: App, script: Script, site: Site) -> None:
    model = script(("browser_open", {"url": f"{site.origin}/form"}), ("browser_open", {"url": f"{site.origin}/hang"}))
    process = await app.processes.spawn(
        ANA,
        AgentSpec(goal="x", model=model, mode=Mode.AUTONOMOUS, tools=TOOLS, sandbox=SandboxSpec(network="host")),
    )
    browsers: Any = app.surroundings._browsers
    async with asyncio.timeout(20):
        while not any(target == "/hang" for target in site.asked):
            await asyncio.sleep(0.1)
    assert process.pid in browsers._places
    await app.processes.signal(ANA, process.pid, Signal.KILL)
    async with asyncio.timeout(10):
        while browsers._places or browsers._gate._clients:
            await asyncio.sleep(0.1)


async def test_a_profile_lasts_for_the_name_and_is_erased_with_it(app: App, script: Script, site: Site) -> None:
    def visits(query: str) -> str:
        return script(("browser_open", {"url": f"{site.origin}/cookies{query}"}))

    first = await run(app, visits("?set=ana"), name="shopper", keep_profile=True)
    state = state_of(app.settings, "ana", "shopper")
    async with asyncio.timeout(10):
        while not state.exists():
            await asyncio.sleep(0.1)
    second = await run(app, visits(""), name="shopper", keep_profile=True)
    (ended,) = await outcomes(app, second.pid)
    assert "cookie who=ana; storage ana" in ended.outcome.content
    third = await run(app, visits(""), name="shopper")
    (ended,) = await outcomes(app, third.pid)
    assert "cookie none" in ended.outcome.content
    holding = await app.personal.holding(ANA, "shopper")
    assert holding.files >= 1
    await app.personal.erase(ANA, "shopper", confirm="shopper")
    assert not state.exists()
    assert first.pid != second.pid


async def test_health_says_which_browser_there_is(app: App) -> None:
    check = next(check for check in await app.surroundings.health() if check.name == "browser")
    assert check.ok
    assert "chrom" in check.detail.lower()


async def test_a_snapshot_names_the_pages_that_are_open(app: App, script: Script, site: Site) -> None:
    model = script(
        ("browser_open", {"url": f"{site.origin}/form"}),
        ("browser_open", {"url": f"{site.origin}/table", "new_tab": True}),
        ("browser_wait", {"text": "Godot", "seconds": 60}),
    )
    spec = AgentSpec(
        goal="x", model=model, mode=Mode.AUTONOMOUS, tools=(*TOOLS, "browser_wait"), sandbox=SandboxSpec(network="host")
    )
    process = await app.processes.spawn(ANA, spec)
    async with asyncio.timeout(20):
        while len(await outcomes(app, process.pid)) < 2:
            await asyncio.sleep(0.1)
    snapshot = await app.captures.take(ANA, process.pid)
    assert snapshot.extras == {"pages": 2}
    detail = await app.captures.detail(ANA, snapshot.id)
    assert detail.extras == {"pages": [f"{site.origin}/form", f"{site.origin}/table"]}
    await app.processes.signal(ANA, process.pid, Signal.KILL)
