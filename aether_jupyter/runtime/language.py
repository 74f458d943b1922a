"""Asking a language model: translation, retries, circuit breakers, fallback, and what an answer costs.

The transcript of the journal becomes pydantic-ai's messages here and nowhere else. A `Session` keeps what was
translated, so a step translates only what is new. Models of our own answer through `speak`, which tells words as they
come for less than pydantic-ai's event stream costs; any other pydantic-ai model is streamed the usual way.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import importlib
import json
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import msgspec

from ..abc import Clock, ModelInfo, ModelProvider
from ..config import Settings
from ..engine import seeing
from ..engine import tokens as sizes
from ..engine.routing import Candidate, Roster
from ..engine.routing import roster as families_of
from ..model.context import Window
from ..model.errors import (
    AetherError,
    ContextFull,
    ModelAnswerCut,
    ModelError,
    ModelNotConfigured,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
    NotFound,
    UnknownName,
)
from ..model.image import Image, caption
from ..model.message import (
    KERNEL,
    ModelTurn,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolTurn,
    Turn,
    Usage,
    UserTurn,
    encodable,
)
from ..model.routing import FAMILIES, Family, is_auto, pinned
from ..model.tool import ToolSpec
from .failures import WAYS_OUT, mapped

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse, UserContent
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

log = logging.getLogger(__name__)

ORDER = ("openai", "anthropic", "google", "ollama", "local")
"""Where a default model is looked for, first to last; only what is ready to answer is taken."""

MAX_CALLS = 64
MAX_TEXT = 1_000_000
MAX_ARGUMENTS = 4_000_000
MAX_DEPTH = 100
FAILURES_TO_OPEN = 5
OPEN_S = 30.0
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
LONGEST_RETRY_AFTER_S = 120.0
_PATTERN = frozenset("!*?[")
FREE = frozenset({"local", "ollama", "scripted", "cassette"})

OnText = Callable[[Literal["text", "thinking"], str], None]
OnPrepare = Callable[[str, float | None], None]

Look = Callable[[Image, bool], Awaitable[tuple[bytes, str] | seeing.Unseen]]
"""Gives an image with its media type to a model that sees (True), else what was read off it. Raises `NotFound`."""
Shots = Mapping[seeing.Place, tuple[bytes, str] | seeing.Unseen | None]
"""What is to be shown or told of images; None of one that is gone."""
_NO_SHOTS: Shots = {}


@dataclass(frozen=True)
class Answer:
    """One whole answer. `model` is the id that gave it, `attempts` counts every request that was sent for it.

    `instead` says why the model that was asked first did not answer, '' where it did.
    """

    parts: tuple[Part, ...]
    usage: Usage
    cost_usd: float
    cost_known: bool
    model: str
    duration_s: float
    attempts: int
    instead: str = ""


@dataclass
class Session:
    """What was translated for one process already; made by nobody but `Language`, kept by whoever asks."""

    system: str = ""
    closed: list[ModelMessage] = field(default_factory=list)
    closed_turns: int = 0
    last_turn: Turn | None = None
    tools: Sequence[ToolSpec] | None = None
    parameters: ModelRequestParameters | None = None
    gallery: seeing.Gallery = field(default_factory=seeing.Gallery)
    shown: frozenset[seeing.Place] = frozenset()
    sees: bool = False


@runtime_checkable
class _Borrower(Protocol):
    """A provider whose models ask models of other providers (a cassette that records)."""

    borrow: Callable[[str, OnPrepare], Awaitable[Model[Any]]]


@dataclass
class _Circuit:
    """Open after too many failures in a row; half open (one call tries) when `OPEN_S` has passed."""

    failures: int = 0
    opened_at: float | None = None
    trying: bool = False


class Language:
    """Asks models by id (`provider:model`). At most `settings.model_calls` requests are under way at once."""

    def __init__(self, providers: dict[str, ModelProvider], settings: Settings, clock: Clock) -> None:
        self._providers = providers
        self._settings = settings
        self._clock = clock
        self._models: dict[str, Model[Any]] = {}
        self._making: dict[str, asyncio.Lock] = {}
        self._circuits: dict[str, _Circuit] = {}
        self._prices: dict[str, _Price | None] = {}
        self._roster: Roster | None = None
        self._windows: dict[str, Window] = {}
        self._seeing: dict[str, bool] = {}
        self._narrowed: dict[str, int] = {}
        self._slots: asyncio.Semaphore | None = None
        self._asking = 0
        self._secrets = tuple(
            value for name, value in settings.environment.items() if name.endswith("_KEY") and len(value) >= 6
        )
        for provider in providers.values():
            if isinstance(provider, _Borrower):
                provider.borrow = self._model

    async def prepare(self) -> None:
        """Look up off the event loop what translation, prices and routes need, once.

        `ask` does the imports too; `estimate` and `roster` would do it in the loop.
        """
        await _import_pydantic_ai()
        if self._roster is None:
            await asyncio.to_thread(self.roster)

    def session(self) -> Session:
        """A new cache for one process."""
        return Session()

    def models(self) -> list[ModelInfo]:
        """Every model that a person may choose, ready ones and others, each with its families. Looks anew."""
        listed = [info for provider in self._providers.values() for info in provider.models()]
        infos = {info.id: self._priced(info) for info in (*listed, *self._set_up())}
        self._roster = roster = self._rostered(infos.values())
        return [replace(info, families=roster.of(info.id), sees=self._takes_images(info)) for info in infos.values()]

    def roster(self) -> Roster:
        """The models of each family; as they were when `models` last looked."""
        if self._roster is None:
            self.models()
            assert self._roster is not None
        return self._roster

    def _set_up(self) -> list[ModelInfo]:
        """What is known of the models that the settings put into families, or make the default."""
        found = []
        for model_id in (*(m for family in FAMILIES for m in self._family(family)), self._settings.default_model):
            if model_id and not is_auto(model_id):
                with contextlib.suppress(AetherError):
                    provider, name = self._find(model_id)
                    found.append(provider.info(name))
        return found

    def _family(self, family: Family) -> tuple[str, ...]:
        models: tuple[str, ...] = getattr(self._settings, f"{family}_models")
        return models

    def _rostered(self, infos: Iterable[ModelInfo]) -> Roster:
        """Families of what can be asked here. An embedded model stands in only where there is nothing else."""
        ready = {info.id: self._candidate(info) for info in infos if info.available.ok}
        usual = [each for prefix in ORDER for each in ready.values() if each.provider == prefix]
        able = [each for each in usual if not self._providers[each.provider].short]
        chosen = {f: [ready[m] for m in self._family(f) if m in ready] for f in FAMILIES}
        default = ready.get(self._settings.default_model)
        if default is not None and default not in usual and not chosen["standard"]:
            able = [default, *able]
        return families_of(able or usual, chosen)

    def _candidate(self, info: ModelInfo) -> Candidate:
        # A provider with short prompts cuts them itself.
        short = self._providers[info.id.partition(":")[0]].short
        window = None if short else self._narrowed.get(info.id, info.context_tokens)
        sees = self._takes_images(info)
        return Candidate(info.id, window, info.max_tools, info.input_usd, info.output_usd, sees)

    def _takes_images(self, info: ModelInfo) -> bool:
        """What the settings say of it, the last line that fits; else what its provider says."""
        for line in reversed(self._settings.seeing_models):
            if fnmatch.fnmatchcase(info.id, line.removeprefix("!")):
                return not line.startswith("!")
        return info.sees

    def check(self, model_id: str) -> None:
        """Raise `UnknownName` or `ModelNotConfigured` for a model that cannot be asked, with the ways out.

        Instead of a model it may be `auto`, or `auto:` and a family.
        """
        if is_auto(model_id):
            pinned(model_id)
            if not self.roster().models():
                raise ModelNotConfigured(f"{model_id}: no language model is ready here. {WAYS_OUT}", model=model_id)
            return
        provider, name = self._find(model_id)
        available = provider.info(name).available
        if not available.ok:
            detail = f"{model_id}: {available.detail}".rstrip(".")
            fix = f"{available.fix.rstrip('.')}. " if available.fix else ""
            raise ModelNotConfigured(f"{detail}. {fix}{WAYS_OUT}", model=model_id)

    def knows(self, model_id: str) -> bool:
        """Whether there is a provider for it here."""
        prefix, _, name = model_id.partition(":")
        return bool(name) and prefix in self._providers

    def window(self, model_id: str) -> Window:
        """What the model takes at most. Raises `UnknownName` where its provider does not know it or is not here."""
        found = self._windows.get(model_id)
        if found is None:
            provider, name = self._find(model_id.partition("?record=")[2] or model_id)
            info = provider.info(name)
            found = self._windows[model_id] = Window(info.context_tokens, info.own_tokens, info.result_chars)
        return found

    def sees(self, model_id: str) -> bool:
        """Whether the model takes images. Raises `UnknownName` where its provider does not know it or is not here."""
        found = self._seeing.get(model_id)
        if found is None:
            provider, name = self._find(model_id.partition("?record=")[2] or model_id)
            found = self._seeing[model_id] = self._takes_images(provider.info(name))
        return found

    def default_model(self) -> str:
        """The id for agents that name no model. Raises `ModelNotConfigured` where none is ready."""
        if self._settings.default_model:
            return self._settings.default_model
        for prefix in ORDER:
            provider = self._providers.get(prefix)
            for info in provider.models() if provider is not None else ():
                if info.available.ok:
                    return info.id
        raise ModelNotConfigured(f"No language model is set up. {WAYS_OUT}")

    def auxiliary(self, models: Sequence[str]) -> tuple[str, ...]:
        """Whom to ask beside the steps of an agent that is asked from `models`: the cheap ones, then its own.

        Where nobody set up which are cheap, those of other providers than the agent's own are left out: what an agent
        reads goes to nobody who was not named. A script or a replay is never put in place of another. In `models`,
        `auto` stands for all that it may come to.
        """
        found = self.roster()
        own: list[str] = []
        for model in models:
            own += found.models(pinned(model)) if is_auto(model) else (model,)
        providers = {model.partition(":")[0] for model in own}.intersection(ORDER)
        cheap = self._settings.cheap_models or [
            model for model in found.families["cheap"] if model.partition(":")[0] in providers
        ]
        return tuple(dict.fromkeys((*cheap, *own)))

    def onlookers(self, models: Sequence[str]) -> tuple[str, ...]:
        """Whom to show an image beside the steps of an agent that is asked from `models`: those of `auxiliary` that
        take images, then others of its own providers, and those that `seeing_models` names in full.
        """
        found = self.roster()
        asked = self.auxiliary(models)
        providers = {model.partition(":")[0] for model in asked}.intersection(ORDER)
        near = (model for model in found.models() if model.partition(":")[0] in providers)
        named = (line for line in self._settings.seeing_models if not _PATTERN.intersection(line))
        return tuple(model for model in dict.fromkeys((*asked, *near, *named)) if self._may_see(model))

    def _may_see(self, model_id: str) -> bool:
        try:
            return self.sees(model_id)
        except AetherError:
            return False

    def short(self, model_id: str) -> bool:
        """Whether prompts of this model must be short. Raises `UnknownName`."""
        return self._find(model_id)[0].short

    def spare(self, model_id: str) -> bool:
        """Whether a call beside the agents' own would keep none of them waiting. Raises `UnknownName`.

        Half of the slots must be free, and of a model that answers one call at a time all.
        """
        if self._find(model_id)[0].serial:
            return not self._asking
        return self._asking < max(1, self._settings.model_calls // 2)

    def estimate(
        self,
        model_id: str,
        system: str,
        turns: Sequence[Turn],
        tools: Sequence[ToolSpec],
        max_output_tokens: int,
        tail: str = "",
    ) -> tuple[int, float]:
        """What one call may use at most, in tokens and dollars: the reservation. Unknown prices count as 0."""
        weight = sizes.weight(system) + sizes.weight(tail) + sizes.Scale().total(turns)
        return self.reserve(model_id, sizes.tokens(weight + sizes.tools_weight(tools)), max_output_tokens)

    def reserve(self, model_id: str, given: int, max_output_tokens: int) -> tuple[int, float]:
        """The same for a request whose `given` tokens are counted already."""
        given += 16
        price = self._price(model_id)
        usd = (given * price.input_usd + max_output_tokens * price.output_usd) / 1e6 if price is not None else 0.0
        return given + max_output_tokens, usd

    async def ask(
        self,
        model_ids: Sequence[str],
        *,
        system: str,
        turns: Sequence[Turn],
        tools: Sequence[ToolSpec] = (),
        temperature: float | None = None,
        max_output_tokens: int = 4096,
        on_text: OnText | None = None,
        on_prepare: OnPrepare | None = None,
        session: Session | None = None,
        tail: str = "",
        taken: frozenset[str] = frozenset(),
        look: Look | None = None,
    ) -> Answer:
        """The answer of the first of `model_ids` that can be reached.

        `tail` is said after the transcript, in this request alone: what holds now, and may read otherwise next time.
        Calls get ids that are neither `taken` nor among `turns`. `look` gives the images that `turns` name; a model
        that takes none is told so, and what was read off them.

        Each is tried up to `settings.model_attempts` times; the next is asked only where one is unavailable. Raises
        `ModelNotConfigured`, `ModelRefused`, `ContextFull`, `ModelUnavailable`, `ModelRateLimited` or `ModelAnswerCut`.
        Nothing of a cut answer is ever returned, and only the answer that is returned is charged.
        """
        if not model_ids:
            model_ids = (self.default_model(),)
        await _import_pydantic_ai()
        session = session if session is not None else Session()
        parameters = _parameters(session, tools)
        options: ModelSettings = {"max_tokens": max_output_tokens, "timeout": self._settings.model_timeout_s}
        if temperature is not None:
            options["temperature"] = temperature
        heard = _Heard(on_text) if on_text is not None else None
        began = self._clock.monotonic()
        attempts = 0
        failure: AetherError | None = None
        instead = ""
        for model_id in dict.fromkeys(model_ids):
            instead = instead or (failure.message if failure is not None else "")
            if failure is not None and heard is not None:
                heard.again(f"{failure.message}; asking {model_id} instead")
            try:
                shots = await self._shots(session, model_id, system, turns, look)
                messages = _translate(session, system, turns, tail, shots)
                response, tried = await self._persist(model_id, messages, options, parameters, heard, on_prepare)
            except ModelRefused:
                raise
            except (ContextFull, ModelUnavailable, ModelAnswerCut, ModelNotConfigured, UnknownName) as error:
                attempts += int(error.details.get("attempts", 0))
                failure = max((each for each in (error, failure) if each is not None), key=_telling)
                continue
            parts = _parts(response, {tool.name: tool for tool in tools}, _ids(turns), taken)
            usage = _usage(response)
            cost, known = self._cost(model_id, response, usage)
            return Answer(
                parts=parts,
                usage=usage,
                cost_usd=cost,
                cost_known=known,
                model=model_id,
                duration_s=self._clock.monotonic() - began,
                attempts=attempts + tried,
                instead=instead,
            )
        assert failure is not None
        raise failure

    async def _shots(
        self, session: Session, model_id: str, system: str, turns: Sequence[Turn], look: Look | None
    ) -> Shots:
        """The images that are to be translated now for this model: those that are shown, and were not before."""
        if look is None:
            return _NO_SHOTS
        _begin_anew_if_other(session, system, turns)
        shown = session.gallery.shown(turns)
        sees = self.sees(model_id)
        if session.sees != sees or {place for place in shown if place[0] < session.closed_turns} != session.shown:
            _begin_anew(session)
            shown = session.gallery.shown(turns)
        session.sees = sees
        found: dict[seeing.Place, tuple[bytes, str] | seeing.Unseen | None] = {}
        for place in sorted(shown):
            if place[0] < session.closed_turns:
                continue
            try:
                found[place] = await look(session.gallery.images[place], sees)
            except NotFound:
                found[place] = None
        return found

    async def close(self) -> None:
        """Close every provider; the first failure is raised after all were tried."""
        self._models.clear()
        failures: list[BaseException] = [
            result
            for result in await asyncio.gather(
                *(provider.close() for provider in self._providers.values()), return_exceptions=True
            )
            if isinstance(result, BaseException)
        ]
        if failures:
            raise failures[0]

    async def _persist(
        self,
        model_id: str,
        messages: list[ModelMessage],
        options: ModelSettings,
        parameters: ModelRequestParameters,
        heard: _Heard | None,
        on_prepare: OnPrepare | None,
    ) -> tuple[ModelResponse, int]:
        """Ask one model until it answers, or raise what the last try came to, with `attempts` in its details."""
        model = await self._model(model_id, on_prepare or _ignore)
        key = f"{model_id.partition(':')[0]} {model.base_url or ''}"
        attempt = 0
        while True:
            self._enter(key, model_id, attempt)
            attempt += 1
            if self._slots is None:
                self._slots = asyncio.Semaphore(self._settings.model_calls)
            try:
                async with self._slots:
                    self._asking += 1
                    try:
                        response = await _request(model, messages, options, parameters, heard)
                    finally:
                        self._asking -= 1
            except Exception as error:
                try:
                    failed = self._without_secrets(mapped(error, model_id, heard is not None and heard.spoke))
                except Exception:
                    # A fault of a provider's code is no answer about its server; the next call may try.
                    self._left(key, None)
                    raise
                self._left(key, failed)
                failed.details["attempts"] = attempt
                if isinstance(failed, ContextFull):
                    self._narrow(model_id, failed)
                final = isinstance(failed, ModelRefused | ModelNotConfigured | ContextFull)
                if final or attempt >= self._settings.model_attempts:
                    raise failed from error
                if heard is not None:
                    heard.again(f"{failed.message}; asking again")
                await self._clock.sleep(_backoff(failed, attempt))
            except BaseException:
                self._left(key, None)
                raise
            else:
                self._left(key, None)
                self._circuits.pop(key, None)
                return response, attempt

    def _narrow(self, model_id: str, error: ContextFull) -> None:
        """Keep in mind what the provider says that the model takes, until the server ends."""
        named = error.details.get("window_tokens", 0)
        if 0 < named < self.window(model_id).tokens:
            log.warning("%s takes %d tokens, as its provider says", model_id, named)
            self._windows[model_id] = msgspec.structs.replace(self.window(model_id), tokens=named)
            self._narrowed[model_id] = named
            self._roster = None

    def _without_secrets(self, error: ModelError) -> ModelError:
        """A server may repeat in its error what it was sent."""
        said = error.message
        for secret in self._secrets:
            said = said.replace(secret, "[key]")
        return error if said == error.message else type(error)(said, **error.details)

    def _enter(self, key: str, model_id: str, attempts: int) -> None:
        circuit = self._circuits.get(key)
        if circuit is None or circuit.opened_at is None:
            return
        rest = circuit.opened_at + OPEN_S - self._clock.monotonic()
        if rest > 0 or circuit.trying:
            raise ModelUnavailable(
                f"{model_id} failed {circuit.failures} times in a row; it is left alone for {max(rest, 1.0):.0f} s",
                retry_after_s=max(rest, 1.0),
                attempts=attempts,
            )
        circuit.trying = True

    def _left(self, key: str, error: ModelError | None) -> None:
        circuit = self._circuits.get(key)
        if circuit is not None:
            circuit.trying = False
        # A provider that asks to wait is well; it says when to come back.
        if not isinstance(error, ModelUnavailable | ModelAnswerCut) or isinstance(error, ModelRateLimited):
            return
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.failures += 1
        if circuit.failures >= FAILURES_TO_OPEN:
            circuit.opened_at = self._clock.monotonic()

    def _find(self, model_id: str) -> tuple[ModelProvider, str]:
        prefix, colon, name = model_id.partition(":")
        provider = self._providers.get(prefix)
        if not colon or not name or provider is None:
            known = ", ".join(f"{p}:…" for p in self._providers)
            raise UnknownName(f"No model {model_id!r}; a model is named provider:model, one of {known}")
        return provider, name

    async def _model(self, model_id: str, progress: OnPrepare) -> Model[Any]:
        model = self._models.get(model_id)
        if model is not None:
            return model
        async with self._making.setdefault(model_id, asyncio.Lock()):
            if model_id not in self._models:
                self.check(model_id)
                await _import_pydantic_ai()
                provider, name = self._find(model_id)
                self._models[model_id] = await provider.create(name, progress)
            return self._models[model_id]

    def _priced(self, info: ModelInfo) -> ModelInfo:
        price = self._price(info.id) if info.input_usd is None else None
        return info if price is None else replace(info, input_usd=price.input_usd, output_usd=price.output_usd)

    def _price(self, model_id: str) -> _Price | None:
        model_id = model_id.partition("?record=")[2] or model_id
        if model_id not in self._prices:
            self._prices[model_id] = _price(model_id) or self._said_price(model_id)
        return self._prices[model_id]

    def _said_price(self, model_id: str) -> _Price | None:
        """What the provider itself says that its model costs."""
        try:
            provider, name = self._find(model_id)
            info = provider.info(name)
        except AetherError:
            return None
        if info.input_usd is None or info.output_usd is None:
            return None
        return _Price(info.input_usd, info.output_usd, info.input_usd, True, provider.prefix, name)

    def _cost(self, model_id: str, response: ModelResponse, usage: Usage) -> tuple[float, bool]:
        # A recording costs what the recorded model costs; a replay nothing.
        model_id = model_id.partition("?record=")[2] or model_id
        if model_id.partition(":")[0] in FREE:
            return 0.0, True
        price = self._price(model_id)
        if price is None or not usage.known:
            return 0.0, False
        return price.of(response), True


def _ignore(what: str, done: float | None) -> None:
    """For those who do not want to know."""


class _Heard:
    """Tells words on, and knows whether any were told."""

    __slots__ = ("_on_text", "spoke")

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self.spoke = False

    def __call__(self, kind: Literal["text", "thinking"], text: str) -> None:
        if text:
            self.spoke = True
            self._on_text(kind, encodable(text))

    def again(self, why: str) -> None:
        """Say that what was heard does not count, if anything was."""
        if self.spoke:
            self._on_text("thinking", f"\n[{why}]\n")
        self.spoke = False


_IMPORTED: set[str] = set()


async def _import_pydantic_ai() -> None:
    """In a thread, for it takes a second or more and the event loop must go on."""
    if not _IMPORTED:
        await asyncio.to_thread(_import_all)


def _import_all() -> None:
    for name in ("pydantic_ai.models", "pydantic_ai.direct", "pydantic_ai.messages", "genai_prices"):
        importlib.import_module(name)
        _IMPORTED.add(name)
    from genai_prices.data_snapshot import get_snapshot

    get_snapshot()


async def _request(
    model: Model[Any],
    messages: list[ModelMessage],
    options: ModelSettings,
    parameters: ModelRequestParameters,
    heard: _Heard | None,
) -> ModelResponse:
    speak = getattr(model, "speak", None)
    if speak is not None:
        response: ModelResponse = await speak(messages, options, parameters, heard)
        return response
    from pydantic_ai.direct import model_request, model_request_stream

    silence_s = options.get("timeout")
    assert isinstance(silence_s, int | float)
    if heard is None:
        async with asyncio.timeout(silence_s):
            return await model_request(
                model, messages, model_settings=options, model_request_parameters=parameters, instrument=False
            )
    from pydantic_ai.messages import (
        PartDeltaEvent,
        PartStartEvent,
        TextPart,
        TextPartDelta,
        ThinkingPart,
        ThinkingPartDelta,
    )

    async with asyncio.timeout(silence_s) as deadline:
        async with model_request_stream(
            model, messages, model_settings=options, model_request_parameters=parameters, instrument=False
        ) as stream:
            loop = asyncio.get_running_loop()
            async for event in stream:
                deadline.reschedule(loop.time() + silence_s)
                if isinstance(event, PartStartEvent):
                    if isinstance(event.part, TextPart):
                        heard("text", event.part.content)
                    elif isinstance(event.part, ThinkingPart):
                        heard("thinking", event.part.content)
                elif isinstance(event, PartDeltaEvent):
                    if isinstance(event.delta, TextPartDelta):
                        heard("text", event.delta.content_delta)
                    elif isinstance(event.delta, ThinkingPartDelta):
                        heard("thinking", event.delta.content_delta or "")
            response = stream.get()
    if response.finish_reason is None and not (response.provider_details or {}).get("finish_reason"):
        # The SDKs take a connection that closed early for the end of the answer; only the reason tells.
        raise ModelAnswerCut("The answer was cut short: the connection closed before the model had finished")
    return response


def _telling(failure: AetherError) -> int:
    """Of several models that failed, the one that says most of what is to be done counts; of equals the last."""
    return 2 if isinstance(failure, ContextFull) else 0 if isinstance(failure, ModelNotConfigured | UnknownName) else 1


def _backoff(error: ModelError, attempt: int) -> float:
    """Seconds to wait: what the provider asked for and a little more, else a span that doubles, half of it chance."""
    asked = error.details.get("retry_after_s")
    if isinstance(asked, int | float):
        return min(float(asked), LONGEST_RETRY_AFTER_S) + random.uniform(0.05, 0.3)  # noqa: S311 no secret
    span = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** (attempt - 1))
    return span / 2 + random.uniform(0.0, span / 2)  # noqa: S311 no secret


def _parameters(session: Session, tools: Sequence[ToolSpec]) -> ModelRequestParameters:
    if session.parameters is None or (session.tools is not tools and session.tools != tools):
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.tools import ToolDefinition

        session.tools = tools
        session.parameters = ModelRequestParameters(
            function_tools=[
                ToolDefinition(
                    name=tool.name, description=tool.description, parameters_json_schema=tool.parameters, strict=False
                )
                for tool in tools
            ]
        )
    return session.parameters


def _begin_anew(session: Session) -> None:
    session.closed, session.closed_turns, session.gallery, session.shown = [], 0, seeing.Gallery(), frozenset()


def _begin_anew_if_other(session: Session, system: str, turns: Sequence[Turn]) -> None:
    """Forget what was translated if these turns do not go on from it."""
    done = session.closed_turns
    if done and (
        session.system != system
        or done > len(turns)
        or (turns[done - 1] is not session.last_turn and turns[done - 1] != session.last_turn)
    ):
        _begin_anew(session)
    session.system = system


def _translate(
    session: Session, system: str, turns: Sequence[Turn], tail: str, shots: Shots = _NO_SHOTS
) -> list[ModelMessage]:
    """pydantic-ai's messages for the transcript; what ends with a model's turn is translated once, `tail` each time.

    `shots` are the images to be shown of what is translated now; a line stands for others.
    """
    _begin_anew_if_other(session, system, turns)
    group: list[tuple[int, Turn]] = []
    for place in range(session.closed_turns, len(turns)):
        turn = turns[place]
        if isinstance(turn, ModelTurn):
            if not turn.parts:
                # An empty answer has no form that every provider accepts; the guidance after it says what was wrong.
                continue
            session.closed += _messages(group, session, system, shots)
            session.closed.append(_response(turn))
            session.closed_turns, session.last_turn = place + 1, turn
            group = []
        else:
            group.append((place, turn))
    if shots:
        session.shown |= {place for place in shots if place[0] < session.closed_turns}
    if tail:
        group.append((-1, UserTurn(tail, KERNEL)))
    return session.closed + _messages(group, session, system, shots)


def _messages(group: Sequence[tuple[int, Turn]], session: Session, system: str, shots: Shots) -> list[ModelMessage]:
    """One request: results first, in the order of their calls, for providers want them right after the calls."""
    from pydantic_ai.messages import (
        ModelRequest,
        ModelRequestPart,
        ModelResponse,
        SystemPromptPart,
        ToolCallPart,
        ToolReturnPart,
        UserPromptPart,
    )

    parts: list[ModelRequestPart] = []
    before = session.closed[-1] if session.closed else None
    if before is None and system:
        parts.append(SystemPromptPart(system))
    waiting: dict[str, str] = {}
    if isinstance(before, ModelResponse):
        waiting = {part.tool_call_id: part.tool_name for part in before.parts if isinstance(part, ToolCallPart)}
    results = {
        turn.call_id: (place, turn) for place, turn in group if isinstance(turn, ToolTurn) and turn.call_id in waiting
    }
    for call_id, tool in waiting.items():
        found = results.get(call_id)
        if found is None:
            parts.append(ToolReturnPart(tool, "This call did not run.", call_id, outcome="failed"))
        else:
            place, result = found
            outcome: Literal["success", "failed"] = "success" if result.ok else "failed"
            content: Any = _seen(result.content, place, result.images, shots)
            parts.append(ToolReturnPart(tool, content, call_id, outcome=outcome))
    for place, turn in group:
        if isinstance(turn, UserTurn):
            parts.append(UserPromptPart(_seen(turn.text, place, turn.images, shots)))
        elif isinstance(turn, ToolTurn) and turn.call_id not in waiting:
            parts.append(UserPromptPart(_seen(f"Result of {turn.tool}: {turn.content}", place, turn.images, shots)))
    return [ModelRequest(parts=parts)] if parts else []


def _seen(text: str, place: int, images: Sequence[Image], shots: Shots) -> str | list[UserContent]:
    """Words with the images that came with them, each after a line that says which it is."""
    if not images:
        return text
    from pydantic_ai.messages import BinaryContent

    said = [text]
    shown: list[UserContent] = []
    for number, image in enumerate(images):
        shot = shots.get((place, number))
        if shot is None:
            said.append(f"[{caption(image)}: not shown any more]")
        elif isinstance(shot, seeing.Unseen):
            said.append(seeing.told(caption(image), shot))
        else:
            said.append(f"[{caption(image)}]")
            data, media_type = shot
            shown.append(BinaryContent(data, media_type=media_type, identifier=image.digest[:12]))
    words = "\n".join(said)
    return [words, *shown] if shown else words


def _response(turn: ModelTurn) -> ModelResponse:
    from pydantic_ai.messages import ModelResponse, ModelResponsePart, TextPart, ThinkingPart, ToolCallPart

    parts: list[ModelResponsePart] = []
    by = ""
    for part in turn.parts:
        kept = dict(part.provider or {})
        by = kept.pop("by", by)
        details: Any = {"provider_details": kept.get("details"), "id": kept.get("id")}
        if by:
            details["provider_name"] = by
        if isinstance(part, Text):
            parts.append(TextPart(part.text, **details))
        elif isinstance(part, Thinking):
            parts.append(ThinkingPart(part.text, signature=kept.get("signature"), **details))
        else:
            arguments = part.arguments if part.arguments is not None else {"unreadable": part.raw[:2000]}
            parts.append(ToolCallPart(part.tool, arguments, part.id, **details))
    return ModelResponse(parts=parts, provider_name=by or None)


def _ids(turns: Sequence[Turn]) -> set[str]:
    """The ids of all calls so far: some servers give none, or count anew with each answer."""
    return {
        part.id for turn in turns if isinstance(turn, ModelTurn) for part in turn.parts if isinstance(part, ToolCall)
    }


def _parts(
    response: ModelResponse, tools: Mapping[str, ToolSpec], ids: set[str], taken: frozenset[str]
) -> tuple[Part, ...]:
    """The answer in the journal's classes: ids made unlike `ids` and `taken`, arguments read, sizes bounded."""
    from pydantic_ai.messages import TextPart, ThinkingPart, ToolCallPart

    parts: list[Part] = []
    calls = dropped = 0
    for part in response.parts:
        if isinstance(part, TextPart):
            if part.content:
                parts.append(Text(_bounded(part.content), _kept(part, response)))
        elif isinstance(part, ThinkingPart):
            kept = _kept(part, response)
            if part.signature:
                by = part.provider_name or response.provider_name or ""
                kept = (kept or {}) | {"signature": part.signature, "by": by}
            if part.content or kept:
                parts.append(Thinking(_bounded(part.content), kept))
        elif isinstance(part, ToolCallPart):
            if calls >= MAX_CALLS:
                dropped += 1
                continue
            calls += 1
            call_id = _unique(encodable(part.tool_call_id or "call"), ids, taken)
            arguments, raw = _arguments(part.args, tools.get(part.tool_name))
            parts.append(ToolCall(call_id, encodable(part.tool_name), arguments, raw, _kept(part, response)))
    if response.finish_reason == "length" and parts:
        last = parts[-1]
        if isinstance(last, ToolCall):
            # What was cut by the limit may happen to be whole JSON; it is still not the call the model meant.
            raw = last.raw or json.dumps(last.arguments)
            parts[-1] = ToolCall(last.id, last.tool, None, raw, last.provider)
        elif isinstance(last, Text):
            parts[-1] = Text(f"{last.text}\n[the answer ended at its limit of tokens]", last.provider)
    if response.finish_reason == "content_filter" and not parts:
        raise ModelRefused("The provider's content filter withheld the answer")
    if dropped:
        parts.append(Text(f"[{dropped} calls beyond the first {MAX_CALLS} of this answer were left out]"))
    return tuple(parts)


def _bounded(text: str) -> str:
    text = encodable(text)
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}\n[the answer had {len(text):,} characters; the rest was left out]"


def _kept(part: Any, response: ModelResponse) -> dict[str, Any] | None:
    """The provider's own details of a part, as far as JSON can hold them."""
    kept: dict[str, Any] = {}
    if part.provider_details:
        try:
            json.dumps(part.provider_details, ensure_ascii=False).encode()
            kept["details"] = part.provider_details
        except (TypeError, UnicodeEncodeError):
            kept = {}
    if part.id:
        kept["id"] = part.id
    if kept:
        kept["by"] = part.provider_name or response.provider_name or ""
    return kept or None


def _unique(call_id: str, ids: set[str], taken: frozenset[str]) -> str:
    chosen, number = call_id, 2
    while chosen in ids or chosen in taken:
        chosen, number = f"{call_id}-{number}", number + 1
    ids.add(chosen)
    return chosen


def _arguments(given: Any, tool: ToolSpec | None) -> tuple[dict[str, Any] | None, str]:
    """The arguments as an object, or None and the text that is none."""
    if isinstance(given, dict):
        return (None, "[nested too deep]") if _too_deep(given) else (_encodable(given), "")
    text = encodable(given or "")
    if len(text) > MAX_ARGUMENTS:
        return None, f"[{len(text):,} characters, of which {MAX_ARGUMENTS:,} are allowed] {text[:1000]}"
    if not text.strip():
        required = tool.parameters.get("required") if tool is not None else ()
        return ({}, "") if not required else (None, text)
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None, text[:MAX_TEXT]
    if not isinstance(read, dict) or _too_deep(read):
        return None, text[:MAX_TEXT]
    return _encodable(read), ""


def _too_deep(value: Any) -> bool:
    """Whether it is nested so deep that writing it down again could exhaust the stack."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _encodable(value: Any) -> Any:
    """JSON may name half of a surrogate pair (`\\ud83d`), which nothing here could write down again."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        if isinstance(value, str):
            return encodable(value)
        if isinstance(value, dict):
            return {encodable(name): _encodable(item) for name, item in value.items()}
        if isinstance(value, list):
            return [_encodable(item) for item in value]
    return value


def _usage(response: ModelResponse) -> Usage:
    usage = response.usage
    known = bool(usage.input_tokens or usage.output_tokens)
    return Usage(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, known)


@dataclass(frozen=True)
class _Price:
    """Dollars per million tokens of a small request. `plain` says that a large one costs no other rate.

    Working out one answer by the whole table costs as much time as the rest of a call, so plain prices are multiplied.
    """

    input_usd: float
    output_usd: float
    cached_usd: float
    plain: bool
    provider: str
    name: str

    def of(self, response: ModelResponse) -> float:
        usage = response.usage
        if self.plain and not usage.cache_write_tokens and not usage.details:
            fresh = usage.input_tokens - usage.cache_read_tokens
            used = fresh * self.input_usd + usage.cache_read_tokens * self.cached_usd
            return (used + usage.output_tokens * self.output_usd) / 1e6
        from genai_prices import calc_price

        return float(calc_price(usage, self.name, provider_id=self.provider).total_price)


def _price(model_id: str) -> _Price | None:
    """From genai-prices, which pydantic-ai brings along and keeps up to date; None where it does not know the model."""
    prefix, _, name = model_id.partition(":")
    if prefix in FREE:
        return _Price(0.0, 0.0, 0.0, True, prefix, name)
    from genai_prices import Usage as Priced
    from genai_prices import calc_price

    try:
        small, cached, large = (
            calc_price(
                Priced(input_tokens=size, cache_read_tokens=size * hit, output_tokens=size), name, provider_id=prefix
            )
            for size, hit in ((1000, 0), (1000, 1), (1_000_000, 0))
        )
    except (LookupError, ValueError):
        return None
    rate = float(small.input_price) * 1000
    return _Price(
        input_usd=rate,
        output_usd=float(small.output_price) * 1000,
        cached_usd=float(cached.input_price) * 1000,
        plain=small.total_price * 1000 == large.total_price,
        provider=prefix,
        name=name,
    )
