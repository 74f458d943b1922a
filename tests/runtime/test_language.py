"""Asking models: retries, breaker, fallback, translation and what an answer is made of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aether_jupyter.abc import Availability, ModelInfo
from aether_jupyter.config import Settings
from aether_jupyter.model.errors import (
    ModelAnswerCut,
    ModelNotConfigured,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
    UnknownName,
)
from aether_jupyter.model.message import ModelTurn, Part, Text, Thinking, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.model.tool import Risk, ToolSpec
from aether_jupyter.providers.scripted import Scripted, register
from aether_jupyter.runtime.language import Language

READ = ToolSpec(
    name="read_file",
    description="Read a file.",
    parameters={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    risk=Risk.SAFE,
)
LIST = ToolSpec(name="list_files", description="List.", parameters={"type": "object"}, risk=Risk.SAFE)


class FakeClock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Fake:
    """A provider whose models do what `plan` says, call by call, and remember what they were asked."""

    short = False
    serial = False

    def __init__(self, prefix: str, plan: Sequence[Any], *, ready: bool = True) -> None:
        self.prefix = prefix
        self.plan = list(plan)
        self.ready = ready
        self.asked: list[list[Any]] = []
        self.under_way = self.most = 0

    def models(self) -> list[ModelInfo]:
        return [self.info("one")]

    def info(self, name: str) -> ModelInfo:
        available = Availability(self.ready, "" if self.ready else "no key is set", "" if self.ready else "Set a key")
        return ModelInfo(id=f"{self.prefix}:{name}", label=name, available=available)

    async def create(self, name: str, progress: Callable[[str, float | None], None]) -> Any:
        from pydantic_ai.messages import ModelResponse

        from aether_jupyter.providers.spoken import SpokenModel

        provider = self

        class FakeModel(SpokenModel):
            async def speak(self, messages: Any, settings: Any, parameters: Any, on_text: Any) -> ModelResponse:
                provider.asked.append(messages)
                provider.under_way += 1
                provider.most = max(provider.most, provider.under_way)
                try:
                    await asyncio.sleep(0)
                    step = provider.plan.pop(0) if len(provider.plan) > 1 else provider.plan[0]
                    if on_text is not None and isinstance(step, ModelAnswerCut):
                        on_text("text", "half a ")
                    if isinstance(step, Exception):
                        raise step
                    return step if isinstance(step, ModelResponse) else response(*step)
                finally:
                    provider.under_way -= 1

        return FakeModel(self.prefix, name)

    async def close(self) -> None:
        return None


def response(*parts: Any, reason: Any = "stop", tokens: tuple[int, int] = (10, 5)) -> Any:
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.usage import RequestUsage

    return ModelResponse(
        parts=[TextPart(part) if isinstance(part, str) else part for part in parts],
        usage=RequestUsage(input_tokens=tokens[0], output_tokens=tokens[1]),
        finish_reason=reason,
    )


def call(tool: str, arguments: Any, call_id: str = "c1") -> Any:
    from pydantic_ai.messages import ToolCallPart

    return ToolCallPart(tool, arguments, call_id)


def language(*providers: Any, clock: FakeClock | None = None, **changes: Any) -> Language:
    settings = Settings(home=Path("/nonexistent"), **changes)
    return Language({provider.prefix: provider for provider in providers}, settings, clock or FakeClock())


async def ask(it: Language, *models: str, **options: Any) -> Any:
    return await it.ask(models or ("a:one",), system="be good", turns=(UserTurn("go"),), **options)


@pytest.mark.anyio
async def test_an_unavailable_model_is_asked_again_with_growing_waits() -> None:
    clock = FakeClock()
    fake = Fake("a", [ModelUnavailable("down"), ModelUnavailable("down"), ModelUnavailable("down"), ("hi",)])
    answer = await ask(language(fake, clock=clock))
    assert answer.parts == (Text("hi"),)
    assert answer.attempts == 4
    assert clock.slept == sorted(clock.slept)


@pytest.mark.anyio
async def test_retry_after_is_obeyed() -> None:
    clock = FakeClock()
    await ask(language(Fake("a", [ModelRateLimited("slow down", retry_after_s=7.0), ("hi",)]), clock=clock))
    assert 7.0 <= clock.slept[0] < 8.0


@pytest.mark.anyio
async def test_it_gives_up_after_the_set_number_of_attempts() -> None:
    fake = Fake("a", [ModelUnavailable("down")])
    with pytest.raises(ModelUnavailable) as caught:
        await ask(language(fake, model_attempts=3))
    assert len(fake.asked) == 3
    assert caught.value.details["attempts"] == 3


@pytest.mark.anyio
async def test_a_refused_request_is_neither_repeated_nor_sent_elsewhere() -> None:
    first, second = Fake("a", [ModelRefused("no")]), Fake("b", [("hi",)])
    with pytest.raises(ModelRefused):
        await ask(language(first, second), "a:one", "b:one")
    assert (len(first.asked), len(second.asked)) == (1, 0)


@pytest.mark.anyio
async def test_the_next_model_answers_where_the_first_is_down() -> None:
    first, second = Fake("a", [ModelUnavailable("down")]), Fake("b", [("hi",)])
    answer = await ask(language(first, second, model_attempts=2), "a:one", "b:one")
    assert (answer.model, answer.attempts) == ("b:one", 3)


@pytest.mark.anyio
async def test_a_fallback_without_a_key_does_not_hide_why_the_first_failed() -> None:
    first, second = Fake("a", [ModelUnavailable("down")]), Fake("b", [("hi",)], ready=False)
    with pytest.raises(ModelUnavailable, match="down"):
        await ask(language(first, second, model_attempts=1), "a:one", "b:one")


@pytest.mark.anyio
async def test_the_circuit_opens_after_five_failures_and_closes_when_one_call_succeeds() -> None:
    clock = FakeClock()
    fake = Fake("a", [ModelUnavailable("down")])
    it = language(fake, clock=clock, model_attempts=5)
    with pytest.raises(ModelUnavailable):
        await ask(it)
    with pytest.raises(ModelUnavailable, match="left alone for"):
        await ask(it)
    assert len(fake.asked) == 5
    clock.time += 31
    fake.plan = [("hi",)]
    assert (await ask(it)).parts == (Text("hi"),)
    assert (await ask(it)).attempts == 1


@pytest.mark.anyio
async def test_while_half_open_only_one_call_tries() -> None:
    clock = FakeClock()
    fake = Fake("a", [ModelUnavailable("down")])
    it = language(fake, clock=clock)
    with pytest.raises(ModelUnavailable):
        await ask(it)
    clock.time += 31
    fake.plan = [("hi",)]
    results = await asyncio.gather(ask(it), ask(it), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Answer", "ModelUnavailable"]


@pytest.mark.anyio
async def test_a_fault_of_the_provider_does_not_keep_the_circuit_half_open_for_ever() -> None:
    clock = FakeClock()
    fake = Fake("a", [ModelUnavailable("down")])
    it = language(fake, clock=clock)
    with pytest.raises(ModelUnavailable):
        await ask(it)
    clock.time += 31
    fake.plan = [KeyError("a fault"), ("hi",)]
    with pytest.raises(KeyError):
        await ask(it)
    assert (await ask(it)).parts == (Text("hi"),)


@pytest.mark.anyio
async def test_a_rate_limit_does_not_open_the_circuit() -> None:
    fake = Fake("a", [*[ModelRateLimited("wait", retry_after_s=0.1)] * 8, ("hi",)])
    assert (await ask(language(fake, model_attempts=10))).attempts == 9


@pytest.mark.anyio
async def test_a_cut_answer_is_asked_again_and_the_listener_is_told() -> None:
    heard: list[str] = []
    fake = Fake("a", [ModelAnswerCut("the answer was cut short"), ("whole",)])
    answer = await ask(language(fake), on_text=lambda kind, text: heard.append(text))
    assert answer.parts == (Text("whole"),)
    assert "half a " in heard
    assert "cut short; asking again" in "".join(heard)


@pytest.mark.anyio
async def test_at_most_the_set_number_of_calls_is_under_way() -> None:
    fake = Fake("a", [("hi",)])
    it = language(fake, model_calls=3)
    await asyncio.gather(*(ask(it) for _ in range(20)))
    assert fake.most == 3


@pytest.mark.anyio
async def test_a_cancelled_call_leaves_its_slot() -> None:
    register("never", lambda step, turns: [Thinking("wait " * 50)], pace_s=60.0)
    it = language(Scripted(), Fake("a", [("hi",)]), model_calls=1)
    task = asyncio.create_task(ask(it, "scripted:never", on_text=lambda kind, text: None))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await ask(it)).parts == (Text("hi"),)


@pytest.mark.anyio
async def test_only_the_answer_that_counts_is_charged() -> None:
    fake = Fake("openai", [ModelUnavailable("down"), response("hi", tokens=(1_000_000, 0))])
    answer = await ask(language(fake), "openai:gpt-5-mini")
    assert answer.attempts == 2
    assert answer.cost_known
    assert 0.05 < answer.cost_usd < 5.0
    assert answer.usage.input_tokens == 1_000_000


@pytest.mark.anyio
async def test_an_unknown_price_is_said_to_be_unknown() -> None:
    answer = await ask(language(Fake("openai", [("hi",)])), "openai:made-up-9000")
    assert (answer.cost_usd, answer.cost_known) == (0.0, False)


@pytest.mark.anyio
async def test_a_recording_costs_what_the_recorded_model_costs() -> None:
    it = language(Fake("cassette", [("hi",)]))
    recorded = await ask(it, "cassette:x.jsonl?record=openai:gpt-5-mini")
    assert recorded.cost_usd > 0
    assert it.estimate("cassette:x.jsonl?record=openai:gpt-5-mini", "", (), (), 1000)[1] > 0
    assert (await ask(it, "cassette:x.jsonl")).cost_usd == 0


@pytest.mark.anyio
async def test_missing_usage_is_said_to_be_unknown() -> None:
    answer = await ask(language(Fake("a", [response("hi", tokens=(0, 0))])))
    assert not answer.usage.known


@pytest.mark.anyio
async def test_arguments_that_are_no_object_come_as_raw_text() -> None:
    for given, expected in {
        '{"path": "a"}': ({"path": "a"}, ""),
        '{"path": ': (None, '{"path": '),
        '["a"]': (None, '["a"]'),
        "": (None, ""),
        "null": (None, "null"),
        '{"path":' + "[" * 300 + "]" * 300 + "}": (None, '{"path":' + "[" * 300 + "]" * 300 + "}"),
        '{"path":' + "[" * 9000 + "]" * 9000 + "}": (None, '{"path":' + "[" * 9000 + "]" * 9000 + "}"),
    }.items():
        answer = await ask(language(Fake("a", [(call("read_file", given),)])), tools=(READ,))
        (part,) = answer.parts
        assert (part.arguments, part.raw) == expected


@pytest.mark.anyio
async def test_empty_arguments_are_fine_where_nothing_is_required() -> None:
    answer = await ask(language(Fake("a", [(call("list_files", ""),)])), tools=(LIST,))
    assert answer.parts[0].arguments == {}


@pytest.mark.anyio
async def test_calls_with_one_id_get_ids_of_their_own() -> None:
    twice = (call("list_files", {}), call("list_files", {}), call("list_files", {}, ""))
    answer = await ask(language(Fake("a", [twice])), tools=(LIST,))
    ids = [part.id for part in answer.parts]
    assert len(set(ids)) == 3
    assert ids[0] == "c1"


@pytest.mark.anyio
async def test_an_id_of_an_earlier_step_is_not_taken_again() -> None:
    """Servers that give no ids, or count anew with each answer: the journal, exports and screens know a call by it."""
    turns = (UserTurn("go"), ModelTurn((ToolCall("c1", "list_files", {}),)), ToolTurn("c1", "list_files", "a"))
    fake = Fake("a", [(call("list_files", {}),)])
    answer = await language(fake).ask(("a:one",), system="", turns=turns, tools=(LIST,))
    assert [part.id for part in answer.parts] == ["c1-2"]


@pytest.mark.anyio
async def test_halves_of_surrogate_pairs_become_text_that_can_be_kept() -> None:
    lone = "caf\udce9 \ud83d"
    fake = Fake(
        "a",
        [
            (
                lone,
                call("read_file", '{"path": "a\\ud83d", "more": [{"\\udcff": 1}]}'),
                call("read_file", {"path": lone}),
            )
        ],
    )
    answer = await ask(language(fake), tools=(READ,))
    msgspec.json.encode(answer.parts)
    assert answer.parts[0].text == "caf\ufffd \ufffd"
    assert answer.parts[1].arguments == {"path": "a\ufffd", "more": [{"\ufffd": 1}]}
    assert answer.parts[2].arguments == {"path": "caf\ufffd \ufffd"}


@pytest.mark.anyio
async def test_more_calls_than_a_step_may_have_are_left_out_with_a_note() -> None:
    many = tuple(call("list_files", {}, f"c{n}") for n in range(100))
    answer = await ask(language(Fake("a", [many])), tools=(LIST,))
    assert sum(isinstance(part, ToolCall) for part in answer.parts) == 64
    assert "36 calls" in answer.parts[-1].text


@pytest.mark.anyio
async def test_a_call_cut_by_the_limit_of_tokens_never_runs() -> None:
    cut = response(call("read_file", '{"path": "a"}'), reason="length")
    answer = await ask(language(Fake("a", [cut])), tools=(READ,))
    assert answer.parts[0].arguments is None
    assert "path" in answer.parts[0].raw


@pytest.mark.anyio
async def test_ten_megabytes_of_text_are_bounded() -> None:
    answer = await ask(language(Fake("a", [("x" * 10_000_000,)])))
    assert len(answer.parts[0].text) < 1_000_200
    assert "10,000,000 characters" in answer.parts[0].text


@pytest.mark.anyio
async def test_ten_megabytes_of_arguments_never_run() -> None:
    answer = await ask(
        language(Fake("a", [(call("read_file", json.dumps({"path": "x" * 10_000_000})),)])), tools=(READ,)
    )
    assert answer.parts[0].arguments is None
    assert len(answer.parts[0].raw) < 2000
    assert "10,000,012 characters, of which 4,000,000 are allowed" in answer.parts[0].raw


@pytest.mark.anyio
async def test_a_withheld_answer_is_a_refusal() -> None:
    with pytest.raises(ModelRefused, match="content filter"):
        await ask(language(Fake("a", [response(reason="content_filter")])))


@pytest.mark.anyio
async def test_results_follow_their_calls_and_missing_ones_are_filled_in() -> None:
    fake = Fake("a", [("hi",)])
    turns: tuple[Turn, ...] = (
        UserTurn("go"),
        ModelTurn((ToolCall("c1", "read_file", {"path": "a"}), ToolCall("c2", "read_file", None, "{"))),
        UserTurn("hurry"),
        ToolTurn("c1", "read_file", "text"),
    )
    await language(fake).ask(("a:one",), system="s", turns=turns)
    last = fake.asked[0][-1].parts
    assert [type(part).__name__ for part in last] == ["ToolReturnPart", "ToolReturnPart", "UserPromptPart"]
    assert last[1].outcome == "failed"
    assert json.loads(fake.asked[0][1].parts[1].args_as_json_str()) == {"unreadable": "{"}


@pytest.mark.anyio
async def test_a_session_translates_only_what_is_new() -> None:
    fake = Fake("a", [("hi",)])
    it = language(fake)
    session = it.session()
    turns: list[Turn] = [UserTurn("go"), ModelTurn((Text("one"),)), UserTurn("more")]
    await it.ask(("a:one",), system="s", turns=turns, session=session)
    turns += [ModelTurn((Text("two"),)), UserTurn("end")]
    await it.ask(("a:one",), system="s", turns=turns, session=session)
    first, second = fake.asked
    assert second[0] is first[0]
    assert second[1] is first[1]
    assert len(second) == 5


@pytest.mark.anyio
async def test_a_tail_is_said_last_in_its_own_request_and_never_kept() -> None:
    fake = Fake("a", [("hi",)])
    it = language(fake)
    session = it.session()
    called = ToolCall("c1", "read_file", {"path": "a"})
    turns: list[Turn] = [UserTurn("go"), ModelTurn((called,)), ToolTurn("c1", "read_file", "text")]
    await it.ask(("a:one",), system="s", turns=turns, session=session, tail="the plan as it is")
    turns += [ModelTurn((Text("two"),)), UserTurn("more")]
    await it.ask(("a:one",), system="s", turns=turns, session=session, tail="the plan as it became")
    await it.ask(("a:one",), system="s", turns=turns, session=session)
    first, second, third = (
        [getattr(part, "content", None) for message in asked for part in message.parts] for asked in fake.asked
    )
    assert first[-2:] == ["text", "the plan as it is"]
    assert second[-2:] == ["more", "the plan as it became"]
    assert third == second[:-1]


@pytest.mark.anyio
async def test_a_session_whose_past_changed_is_translated_anew() -> None:
    fake = Fake("a", [("hi",)])
    it = language(fake)
    session = it.session()
    await it.ask(
        ("a:one",), system="s", turns=(UserTurn("go"), ModelTurn((Text("1"),)), UserTurn("x")), session=session
    )
    await it.ask(("a:one",), system="s", turns=(UserTurn("other"), ModelTurn((Text("2"),))), session=session)
    assert fake.asked[1][0].parts[1].content == "other"


@pytest.mark.anyio
async def test_details_of_the_provider_come_back_to_it() -> None:
    from pydantic_ai.messages import ThinkingPart

    thought = ThinkingPart("hm", signature="sig", provider_name="anthropic", id="t1")
    fake = Fake("a", [response(thought, "hi")])
    it = language(fake)
    answer = await ask(it)
    kept: tuple[Part, ...] = answer.parts
    await it.ask(("a:one",), system="s", turns=(UserTurn("go"), ModelTurn(kept), UserTurn("more")))
    back = fake.asked[1][1].parts[0]
    assert (back.signature, back.id, back.provider_name) == ("sig", "t1", "anthropic")


@pytest.mark.anyio
async def test_without_a_model_the_error_names_the_ways_out() -> None:
    it = language(Fake("openai", [("hi",)], ready=False))
    for attempt in (it.default_model, lambda: it.check("openai:gpt-5-mini")):
        with pytest.raises(ModelNotConfigured) as caught:
            attempt()
        for way in ("OPENAI_API_KEY", "OLLAMA_HOST", "aether_jupyter[local]"):
            assert way in caught.value.message


@pytest.mark.anyio
async def test_an_unknown_provider_is_an_unknown_name() -> None:
    for model in ("nobody:x", "openai", "openai:"):
        with pytest.raises(UnknownName):
            language(Fake("openai", [("hi",)])).check(model)


@pytest.mark.anyio
async def test_the_default_is_the_first_that_is_ready_and_never_a_script() -> None:
    assert language(Fake("openai", [], ready=False), Fake("local", [])).default_model() == "local:one"
    with pytest.raises(ModelNotConfigured):
        language(Scripted()).default_model()


@pytest.mark.anyio
async def test_the_reservation_covers_prompt_and_answer() -> None:
    it = language(Fake("openai", [("hi",)]))
    tokens, usd = it.estimate("openai:gpt-5-mini", "s" * 3500, (UserTurn("u" * 3500),), (READ,), 1000)
    assert 3000 < tokens < 3200
    assert 0.002 < usd < 0.01
    with_tail, _ = it.estimate("openai:gpt-5-mini", "", (), (), 1000, tail="t" * 3500)
    assert 2000 <= with_tail < 2100
