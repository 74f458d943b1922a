"""Agents whose model the server chooses: families, changes in the middle of a run, permissions, overrides, restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.abc import Availability, ModelInfo
from aether_jupyter.app import App, open_app
from aether_jupyter.clock import SystemClock
from aether_jupyter.config import Settings
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Limits
from aether_jupyter.model.errors import (
    BadRequest,
    Forbidden,
    IllegalTransition,
    ModelNotConfigured,
    ModelUnavailable,
    ProcessNotFound,
    UnknownName,
)
from aether_jupyter.model.events import ModelAnswered, ModelChosen, ModelRequested
from aether_jupyter.model.message import Part, Text, ToolCall, Turn
from aether_jupyter.model.permission import parse_permission
from aether_jupyter.model.process import Process, State
from aether_jupyter.model.routing import parse_rule
from aether_jupyter.model.tool import Decision
from aether_jupyter.plugins import hookimpl, load_plugins
from aether_jupyter.providers import scripted
from aether_jupyter.runtime.language import Language

ANA = Principal.person("ana")
BOB = Principal.person("bob")
Script = Callable[[int, Sequence[Turn]], Sequence[Part]]

INFOS = {
    # dollars a million tokens in and out, window
    "small": (1.0, 1.0, 20_000),
    "middle": (10.0, 10.0, 20_000),
    "roomy": (11.0, 11.0, 1_000_000),
    "large": (100.0, 100.0, 1_000_000),
}


class Shop:
    """A provider of four priced models, all of which follow one script and tell which of them was asked."""

    prefix = "shop"
    short = False
    serial = False

    def __init__(self, script: Script, down: Sequence[str] = ()) -> None:
        self.script = script
        self.down = set(down)
        self.looked = 0
        for name in INFOS:
            scripted.register(name, self._as(name))

    def _as(self, name: str) -> Script:
        def speak(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
            if name in self.down:
                raise ModelUnavailable(f"shop:{name} is closed")
            return self.script(step, turns)

        return speak

    def models(self) -> list[ModelInfo]:
        self.looked += 1
        return [self.info(name) for name in INFOS]

    def info(self, name: str) -> ModelInfo:
        if name not in INFOS:
            raise UnknownName(f"No model {name}")
        given, said, window = INFOS[name]
        return ModelInfo(f"shop:{name}", name, Availability(True), given, said, window)

    async def create(self, name: str, progress: Any) -> Any:
        return scripted._model_class()(name)

    async def close(self) -> None:
        pass

    @hookimpl
    def register_models(self, settings: Settings) -> list[Any]:
        return [self]


@pytest.fixture
def shop() -> Any:
    built_in = dict(scripted._SCRIPTS)
    yield Shop
    scripted._SCRIPTS.clear()
    scripted._SCRIPTS.update(built_in)


FAMILIES: dict[str, Any] = {
    "cheap_models": ("shop:small",),
    "standard_models": ("shop:middle", "shop:roomy"),
    "frontier_models": ("shop:large",),
}


@asynccontextmanager
async def opened(home: Path, ticks: Any, shop: Shop, **settings: Any) -> AsyncIterator[App]:
    given = Settings(home=home / "aether", durability="NORMAL", model_attempts=1, **{**FAMILIES, **settings})
    async with open_app(given, plugins=[ticks, shop]) as app:
        yield app


async def run(app: App, *, goal: str = "Mend the build", model: str = "auto", **fields: Any) -> Process:
    p = await app.processes.spawn(ANA, AgentSpec(goal=goal, model=model, tools=("tick",), **fields))
    return await app.processes.wait(ANA, p.pid, timeout_s=30)


async def events(app: App, pid: int, kind: type) -> list[Any]:
    return [r.event for r in await app.processes.records(ANA, pid, limit=1000) if isinstance(r.event, kind)]


async def asked(app: App, pid: int) -> list[str]:
    return [event.model.removeprefix("shop:") for event in await events(app, pid, ModelRequested)]


def tick(n: int, word: str = "tock") -> ToolCall:
    return ToolCall(f"t{n}", "tick", {"word": f"{word}{n}"})


def wrong(n: int) -> ToolCall:
    return ToolCall(f"w{n}", "tick", {"wrod": f"{n}"})


async def test_an_agent_asks_the_family_of_its_task_and_says_why(tmp_path: Path, ticks: Any, shop: Any) -> None:
    async with opened(tmp_path, ticks, shop(lambda n, turns: [tick(n)] if n < 2 else [Text("done")])) as app:
        p = await run(app)
        assert p.exit is not None
        assert p.exit.code == 0
        requests = await events(app, p.pid, ModelRequested)
        assert [(e.model, e.family, e.since) for e in requests] == [("shop:middle", "standard", 1)] * 3
        assert {e.why for e in requests} == {"Standard: nothing asks for a cheaper or a stronger model."}
        plain = await run(app, goal="Summarise it")
        assert await asked(app, plain.pid) == ["small"] * 3
        named = await run(app, model="shop:large")
        assert [(e.why, e.family) for e in await events(app, named.pid, ModelRequested)] == [("", None)] * 3
        kept = await run(app, goal="Summarise it", model="auto:frontier")
        assert await asked(app, kept.pid) == ["large"] * 3


async def test_what_keeps_going_wrong_goes_one_family_up_and_stays_there(tmp_path: Path, ticks: Any, shop: Any) -> None:
    def script(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [wrong(n)] if n < 2 else [tick(n)] if n < 4 else [Text("done")]

    async with opened(tmp_path, ticks, shop(script)) as app:
        p = await run(app)
        assert p.exit is not None
        assert p.exit.code == 0
        assert await asked(app, p.pid) == ["middle", "middle", "large", "large", "large"]
        last = (await events(app, p.pid, ModelRequested))[-1]
        assert last.why == "Frontier: the last steps went wrong with a standard model."
        assert last.since == 3


async def test_when_the_money_runs_out_a_cheaper_model_goes_on(tmp_path: Path, ticks: Any, shop: Any) -> None:
    def script(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [tick(n, "word " * 400)] if n < 3 else [Text("done")]

    async with opened(tmp_path, ticks, shop(script)) as app:
        p = await run(app, limits=Limits(cost_usd=0.02), max_output_tokens=600)
        assert p.exit is not None
        assert p.exit.code == 0
        assert p.cost_usd <= 0.02
        models = await asked(app, p.pid)
        assert models[0] == "middle"
        assert models[-1] == "small"
        why = (await events(app, p.pid, ModelRequested))[-1].why
        assert "left" in why, why


async def test_what_no_longer_fits_the_window_goes_to_a_larger_one(tmp_path: Path, ticks: Any, shop: Any) -> None:
    def script(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [tick(n, "long " * 6_000)] if n < 3 else [Text("done")]

    async with opened(tmp_path, ticks, shop(script)) as app:
        p = await run(app)
        assert await asked(app, p.pid) == ["middle", "roomy", "roomy", "roomy"]
        assert "shop:middle cannot hold the" in (await events(app, p.pid, ModelRequested))[1].why


async def test_a_model_that_is_down_is_answered_for_and_that_is_told(tmp_path: Path, ticks: Any, shop: Any) -> None:
    answers = shop(lambda n, turns: [Text("done")], down=["middle", "roomy"])
    async with opened(tmp_path, ticks, answers) as app:
        p = await run(app)
        assert p.model == "shop:large", "the stronger neighbour comes before the cheaper one"
        (request,) = await events(app, p.pid, ModelRequested)
        (answer,) = await events(app, p.pid, ModelAnswered)
        assert (request.model, answer.model) == ("shop:middle", "shop:large")
        assert answer.instead == "shop:middle is closed"


async def test_rules_of_the_administrator_come_first(tmp_path: Path, ticks: Any, shop: Any) -> None:
    rules = tuple(map(parse_rule, ("frontier role=reviewer", "cheap goal~=tidy why='tidying is easy'")))
    async with opened(tmp_path, ticks, shop(lambda n, turns: [Text("done")]), routing=rules) as app:
        review = await run(app, role="reviewer")
        tidy = await run(app, goal="Tidy up, all of it")
        assert (review.model, tidy.model) == ("shop:large", "shop:small")
        assert (await events(app, tidy.pid, ModelRequested))[0].why == "Cheap: tidying is easy."


async def test_a_family_that_is_denied_is_not_asked(tmp_path: Path, ticks: Any, shop: Any) -> None:
    denied = (parse_permission("deny model=shop:middle"), parse_permission("deny model=shop:roomy"))
    async with opened(tmp_path, ticks, shop(lambda n, turns: [Text("done")]), permissions=denied) as app:
        p = await run(app)
        assert p.model == "shop:large"
        assert "no standard model is ready here" in (await events(app, p.pid, ModelRequested))[0].why
        with pytest.raises(Forbidden, match="The model shop:small is not permitted"):
            await run(app, permissions=(parse_permission("deny model=shop:*"),))


async def test_what_is_named_besides_comes_after_the_families_and_only_if_it_is_permitted(
    tmp_path: Path, ticks: Any, shop: Any
) -> None:
    provider = shop(lambda n, turns: [Text("done")], down=list(INFOS))
    denied = (parse_permission("deny model=scripted:ask"),)
    settings = {"permissions": denied, "fallback_models": ("scripted:ask", "scripted:hello")}
    async with opened(tmp_path, ticks, provider, **settings) as app:
        p = await run(app)
        assert p.model == "scripted:hello"
        (answer,) = await events(app, p.pid, ModelAnswered)
        assert answer.instead == "shop:middle is closed"


async def test_an_administrator_may_forbid_later_what_was_named_besides(tmp_path: Path, ticks: Any, shop: Any) -> None:
    def script(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [ToolCall("q", "ask_person", {"question": "On?"})] if n == 0 else [Text("done")]

    provider = shop(script)
    spec = AgentSpec(goal="Mend it", model="auto", fallbacks=("scripted:hello",), tools=("ask_person",))
    async with opened(tmp_path, ticks, provider) as app:
        pid = (await app.processes.spawn(ANA, spec)).pid
        await app.processes.wait(ANA, pid, timeout_s=30)
    denied = (parse_permission("deny model=scripted:hello"),)
    async with opened(tmp_path, ticks, provider, permissions=denied) as app:
        await answer(app)
        p = await app.processes.wait(ANA, pid, timeout_s=30)
        assert p.exit is not None
        assert (p.exit.code, p.model) == (0, "shop:middle")


async def test_the_route_outlives_the_server(tmp_path: Path, ticks: Any, shop: Any) -> None:
    def script(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if n < 2:
            return [wrong(n)]
        return [tick(n)] if n < 3 else [ToolCall("q", "ask_person", {"question": "Which?"})] if n < 4 else [Text("k")]

    spec = AgentSpec(goal="Mend it", model="auto", tools=("tick", "ask_person"))
    provider = shop(script)
    async with opened(tmp_path, ticks, provider) as app:
        p = await app.processes.spawn(ANA, spec)
        p = await app.processes.wait(ANA, p.pid, timeout_s=30)
        assert p.state is State.WAITING
        before = await asked(app, p.pid)
        assert before[-1] == "large"
    async with opened(tmp_path, ticks, provider) as app:
        (question,) = await app.approvals.list(ANA)
        await app.approvals.decide(ANA, question.id, Decision(verdict="answer", answer="that"))
        await app.processes.wait(ANA, p.pid, timeout_s=30)
        requests = await events(app, p.pid, ModelRequested)
        assert [e.model for e in requests[len(before) :]] == ["shop:large"]
        assert requests[-1].since == requests[2].since == 3


async def test_a_person_chooses_another_model_in_the_middle_of_a_run(tmp_path: Path, ticks: Any, shop: Any) -> None:
    def script(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [ToolCall(f"q{n}", "ask_person", {"question": "On?"})] if n < 2 else [Text("done")]

    async with opened(tmp_path, ticks, shop(script)) as app:
        p = await app.processes.spawn(ANA, AgentSpec(goal="Mend it", model="auto", tools=("ask_person",)))
        p = await app.processes.wait(ANA, p.pid, timeout_s=30)
        for wrong_model, error in (("auto:fast", UnknownName), ("nobody:x", UnknownName), ("", BadRequest)):
            with pytest.raises(error):
                await app.processes.choose_model(ANA, p.pid, wrong_model)
        with pytest.raises(ProcessNotFound):
            await app.processes.choose_model(BOB, p.pid, "shop:small")
        p = await app.processes.choose_model(ANA, p.pid, "shop:small")
        assert p.model == "shop:small"
        assert p.state is State.WAITING, "what it waits for is not answered by that"
        assert await events(app, p.pid, ModelChosen) == [ModelChosen("shop:small", "ana")]
        await answer(app)
        p = await app.processes.wait(ANA, p.pid, timeout_s=30)
        assert await asked(app, p.pid) == ["middle", "small"]
        assert (await events(app, p.pid, ModelRequested))[-1].why == ""
        await app.processes.choose_model(ANA, p.pid, "auto:frontier")
        await answer(app)
        p = await app.processes.wait(ANA, p.pid, timeout_s=30)
        assert await asked(app, p.pid) == ["middle", "small", "large"]
        with pytest.raises(IllegalTransition, match="has ended; it asks no model any more"):
            await app.processes.choose_model(ANA, p.pid, "shop:small")


async def answer(app: App) -> None:
    (question,) = await app.approvals.list(ANA)
    await app.approvals.decide(ANA, question.id, Decision(verdict="answer", answer="yes"))


async def test_a_chosen_model_is_checked_like_at_the_start(tmp_path: Path, ticks: Any, shop: Any) -> None:
    provider = shop(lambda n, turns: [ToolCall("q", "ask_person", {"question": "On?"})])
    denied = (parse_permission("deny model=shop:large why='too dear'"),)
    async with opened(tmp_path, ticks, provider, permissions=denied) as app:
        p = await app.processes.spawn(ANA, AgentSpec(goal="Mend it", model="auto", tools=("ask_person",)))
        await app.processes.wait(ANA, p.pid, timeout_s=30)
        with pytest.raises(Forbidden, match="too dear"):
            await app.processes.choose_model(ANA, p.pid, "shop:large")
        with pytest.raises(ModelNotConfigured, match="no key"):
            await app.processes.choose_model(ANA, p.pid, "anthropic:claude-haiku-4-5")
        assert await events(app, p.pid, ModelChosen) == []


async def test_who_waits_for_a_model_goes_on_with_another_at_once(tmp_path: Path, ticks: Any, shop: Any) -> None:
    provider = shop(lambda n, turns: [Text("done")], down=["middle"])
    async with opened(tmp_path, ticks, provider) as app:
        p = await app.processes.spawn(ANA, AgentSpec(goal="Mend it", model="shop:middle", tools=("tick",)))
        async with asyncio.timeout(20):
            while (p := await app.processes.get(ANA, p.pid)).state is not State.WAITING:
                await asyncio.sleep(0.02)
        assert p.wait is not None
        assert p.wait.kind == "resource"
        await app.processes.choose_model(ANA, p.pid, "shop:small")
        p = await app.processes.wait(ANA, p.pid, timeout_s=10)
        assert p.exit is not None
        assert p.exit.code == 0
        assert await asked(app, p.pid) == ["middle", "small"]


async def test_auto_can_be_the_default_and_nothing_is_looked_up_at_each_step(
    tmp_path: Path, ticks: Any, shop: Any
) -> None:
    provider = shop(lambda n, turns: [tick(n)] if n < 20 else [Text("done")])
    async with opened(tmp_path, ticks, provider, default_model="auto") as app:
        await app.surroundings.models()
        looked = provider.looked
        p = await run(app, model="")
        assert p.step == 21
        assert provider.looked == looked
        checks = {check.name: check for check in await app.surroundings.health()}
        assert checks["model"].detail == "auto is the default"
        assert checks["model families"].detail == (
            "cheap: shop:small; standard: shop:middle, shop:roomy; frontier: shop:large"
        )
        told = await app.surroundings.route(AgentSpec(goal="Count them"))
        assert (told.family, told.models[0]) == ("cheap", "shop:small")
        named = await app.surroundings.route(AgentSpec(goal="Count them", model="shop:large"))
        assert (named.family, named.models) == (None, ("shop:large",))


async def test_a_family_that_names_what_cannot_be_asked_is_told_by_the_doctor(
    tmp_path: Path, ticks: Any, shop: Any
) -> None:
    provider = shop(lambda n, turns: [Text("done")])
    cheap = ("anthropic:claude-haiku-4-5", "shop:small")
    async with opened(tmp_path, ticks, provider, cheap_models=cheap, default_model="auto") as app:
        check = next(c for c in await app.surroundings.health() if c.name == "model families")
        assert not check.ok
        assert check.detail.startswith("cheap: shop:small; ")
        assert check.fix.startswith("c.Aether.cheap_models: anthropic:claude-haiku-4-5: no key")


def language(**settings: Any) -> Language:
    given = Settings(home=Path("/nowhere"), **settings)
    return Language(load_plugins(given, ()).models, given, SystemClock())


def test_families_are_derived_from_the_keys_that_are_set() -> None:
    found = language(environment={"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"})
    assert found.roster().families == {
        "cheap": ("openai:gpt-5-nano", "anthropic:claude-haiku-4-5"),
        "standard": ("openai:gpt-5-mini", "openai:gpt-4.1-mini", "anthropic:claude-sonnet-4-5"),
        "frontier": ("openai:gpt-5.1", "anthropic:claude-opus-4-6"),
    }
    listed = {info.id: info.families for info in found.models()}
    assert listed["openai:gpt-5.1"] == ("frontier",)
    assert listed["google:gemini-2.5-pro"] == (), "no key, so nobody can be routed there"


def test_a_default_model_that_only_its_owner_knows_is_a_standard_one() -> None:
    found = language(environment={"OPENAI_BASE_URL": "http://localhost:1"}, default_model="openai:house")
    assert found.roster().families["standard"] == ("openai:house",)
    found.check("auto")


def test_without_any_model_auto_says_what_to_do() -> None:
    bare = Language({}, Settings(home=Path("/nowhere")), SystemClock())
    with pytest.raises(ModelNotConfigured, match=r"auto: no language model is ready here\. Set a key"):
        bare.check("auto")


def test_work_beside_the_steps_goes_to_a_cheap_model_of_a_provider_that_was_named() -> None:
    both = language(environment={"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"})
    assert both.auxiliary(("anthropic:claude-opus-4-6",)) == ("anthropic:claude-haiku-4-5", "anthropic:claude-opus-4-6")
    assert both.auxiliary(("scripted:hello",)) == ("scripted:hello",)
    assert both.auxiliary(("auto",))[:2] == ("openai:gpt-5-nano", "anthropic:claude-haiku-4-5")
    assert both.auxiliary(("auto:frontier",))[2] == "openai:gpt-5.1"
    scripts = language(default_model="scripted:hello")
    assert scripts.auxiliary(("scripted:risky",)) == ("scripted:risky",), "a script stands for no other"
    named = language(environment={"OPENAI_API_KEY": "k"}, cheap_models=("scripted:hello",))
    assert named.auxiliary(("openai:gpt-5.1",)) == ("scripted:hello", "openai:gpt-5.1")
