"""Recorded answers, replayed free and offline: `cassette:PATH`, recorded by `cassette:NAME?record=MODEL`.

A cassette is a file of JSON lines to be read by people: a line that says which model was recorded, then one line for
each answer with what was said since the answer before. A request is known by its whole transcript and its tools, not
by its system part, which names the process and the version. A request that was not recorded is refused with a
difference, never answered by something else.

Recording writes into `AETHER_HOME/cassettes` only, because an agent may name the model of another agent. What the
file already holds is replayed, so a run that was interrupted is recorded to its end.
"""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import importlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..abc import Availability, ModelInfo, ModelProvider
from ..config import Settings
from ..model.errors import BadRequest, ModelNotConfigured, ModelRefused
from ..model.message import ModelTurn, Turn, UserTurn
from ..plugins import hookimpl

if TYPE_CHECKING:
    from pydantic_ai.models import Model

Progress = Callable[[str, float | None], None]
VERSION = 1
_SHOWN = b'"images":[{'
"""What a cassette holds whose model was shown images: so it is shown them again, or the run would be another."""


class Cassette(msgspec.Struct, frozen=True, tag="cassette", tag_field="type"):
    """The first line: what was recorded."""

    model: str
    version: int = VERSION


class Take(msgspec.Struct, frozen=True, tag="take", tag_field="type"):
    """One answer. `step` counts the answers before it; `since` is what was said after the last of them."""

    step: int
    fingerprint: str
    tools: tuple[str, ...]
    since: tuple[Turn, ...]
    response: dict[str, Any]


class Cassettes:
    """The provider of replays. `borrow` gives the model that is recorded; the runtime sets it."""

    prefix = "cassette"
    short = False
    serial = False

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.home / "cassettes"
        self.borrow: Callable[[str, Progress], Awaitable[Model[Any]]] = _nobody

    def models(self) -> list[ModelInfo]:
        """The cassettes in `AETHER_HOME/cassettes`."""
        return [self.info(path.name) for path in sorted(self._folder.glob("*.jsonl"))]

    def info(self, name: str) -> ModelInfo:
        """Raises `BadRequest` for a recording outside the folder of cassettes."""
        path, record = self._read_name(name)
        if record:
            label, available = f"Recording of {record}", Availability(True, f"recorded into {path}")
        else:
            fix = f"Record it first: cassette:{path.name}?record=MODEL"
            available = Availability(True) if path.is_file() else Availability(False, f"there is no file {path}", fix)
            label = f"Replay of {path.stem}"
        return ModelInfo(
            id=f"cassette:{name}",
            label=label,
            available=available,
            input_usd=None if record else 0.0,
            output_usd=None if record else 0.0,
            sees=not record and path.is_file() and _SHOWN in path.read_bytes(),
            note="a model's answers are recorded" if record else "a replay of recorded answers, no language model",
        )

    async def create(self, name: str, progress: Progress) -> Model[Any]:
        """The replay, or the recording of another model."""
        path, record = self._read_name(name)
        await asyncio.to_thread(importlib.import_module, "aether_jupyter.providers.spoken")
        tape = await asyncio.to_thread(Tape.open, path, record)
        model: Model[Any] = _model_class()(name, tape, await self.borrow(record, progress) if record else None)
        return model

    async def close(self) -> None:
        """Every answer was written when it came."""

    def _read_name(self, name: str) -> tuple[Path, str]:
        written, _, query = name.partition("?")
        path = Path(written).expanduser()
        if not path.is_absolute() and (query or (self._folder / path).is_file()):
            path = self._folder / path
        if not query:
            return path, ""
        key, _, record = query.partition("=")
        if key != "record" or ":" not in record or record.startswith("cassette:"):
            raise BadRequest(f"{name!r}: a recording is asked for as cassette:NAME.jsonl?record=provider:model")
        if path.suffix != ".jsonl" or path.parent.resolve() != self._folder.resolve():
            raise BadRequest(f"{name!r}: cassettes are recorded into {self._folder} as NAME.jsonl")
        return path, record


@hookimpl
def register_models(settings: Settings) -> list[ModelProvider]:
    """The cassettes."""
    return [Cassettes(settings)]


async def _nobody(model_id: str, progress: Progress) -> Model[Any]:
    raise ModelNotConfigured(f"Nobody can give {model_id} to be recorded here")


class Tape:
    """The takes of one file by the fingerprint of their request."""

    def __init__(self, path: Path, model: str, takes: Sequence[Take]) -> None:
        self.path = path
        self.model = model
        self._takes = list(takes)
        self._by_print: dict[str, list[Take]] = defaultdict(list)
        self._played: dict[str, int] = defaultdict(int)
        for take in takes:
            self._by_print[take.fingerprint].append(take)

    @classmethod
    def open(cls, path: Path, record: str = "") -> Tape:
        """Read a cassette, or start one where `record` names a model. Raises `ModelNotConfigured`."""
        decoder = msgspec.json.Decoder(Cassette | Take)
        try:
            data = path.read_bytes() if path.exists() or not record else b""
            if record and not data:
                path.parent.mkdir(parents=True, exist_ok=True)
                data = msgspec.json.encode(Cassette(record)) + b"\n"
                path.write_bytes(data)
            elif record and not data.endswith(b"\n"):
                data = _mended(data)
                path.write_bytes(data)
            lines = [decoder.decode(line) for line in data.splitlines() if line.strip()]
        except FileNotFoundError:
            raise ModelNotConfigured(f"There is no cassette {path}; record it: cassette:…?record=MODEL") from None
        except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
            raise ModelNotConfigured(f"{path} is not a cassette: {error}") from error
        head = lines[0] if lines else None
        if not isinstance(head, Cassette) or head.version != VERSION:
            raise ModelNotConfigured(f"{path} is not a cassette of version {VERSION}")
        if record and head.model != record:
            raise ModelNotConfigured(f"{path} holds answers of {head.model}; remove it to record {record}")
        return cls(path, head.model, [line for line in lines[1:] if isinstance(line, Take)])

    def find(self, mark: str) -> Take | None:
        """The take of a request. The same request made again gets the next take of it, and the last for ever."""
        takes = self._by_print.get(mark)
        if not takes:
            return None
        played = self._played[mark]
        self._played[mark] += 1
        return takes[min(played, len(takes) - 1)]

    def add(self, take: Take) -> None:
        """Write one more answer."""
        line = msgspec.json.encode(msgspec.to_builtins(take) | {"since": _plain(take.since)}) + b"\n"
        with self.path.open("ab") as file:
            file.write(line)
            file.flush()
        self._takes.append(take)
        self._by_print[take.fingerprint].append(take)
        self._played[take.fingerprint] += 1

    def difference(self, turns: Sequence[Turn], tools: tuple[str, ...]) -> str:
        """Words on how a request differs from the nearest that was recorded."""
        step = _step(turns)
        takes = [take for take in self._takes if take.step == step]
        if not takes:
            return f"the cassette has {len(self._takes)} answers, none for step {step + 1}"
        asked = _lines(since(turns), tools)
        nearest = max(takes, key=lambda t: difflib.SequenceMatcher(None, _lines(t.since, t.tools), asked).ratio())
        known = _lines(nearest.since, nearest.tools)
        if known == asked:
            return "what was said before this step is another than what was recorded"
        return "\n".join(difflib.unified_diff(known, asked, "recorded", "asked", lineterm="", n=1))[:4000]


def _mended(data: bytes) -> bytes:
    """Whole lines: what a full disk or a sudden end left of an answer goes, a line without its end gets one."""
    before, line, rest = data.rpartition(b"\n")
    try:
        msgspec.json.decode(rest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return before + line if before else data
    return data + b"\n"


def fingerprint(turns: Sequence[Turn], tools: tuple[str, ...]) -> str:
    """What a request is known by."""
    return hashlib.sha256(msgspec.json.encode((_plain(turns), tools), order="sorted")).hexdigest()[:32]


def _plain(turns: Sequence[Turn]) -> list[Any]:
    """The turns as JSON; those without images as they were before there were any, so that old cassettes still fit."""
    told = [msgspec.to_builtins(turn) for turn in turns]
    return [{name: value for name, value in turn.items() if name != "images" or value} for turn in told]


def since(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """What was said after the last answer."""
    place = max((n for n, turn in enumerate(turns) if isinstance(turn, ModelTurn)), default=-1)
    return tuple(turns[place + 1 :])


def _step(turns: Sequence[Turn]) -> int:
    return sum(isinstance(turn, ModelTurn) for turn in turns)


def _lines(turns: Sequence[Turn], tools: tuple[str, ...]) -> list[str]:
    lines = [f"tools: {', '.join(tools)}"]
    for turn in turns:
        if isinstance(turn, UserTurn):
            lines += [f"user: {line}" for line in turn.text.splitlines()]
        elif not isinstance(turn, ModelTurn):
            lines += [f"{turn.tool}: {line}" for line in turn.content.splitlines()]
    return lines


_KEPT = {"parts", "usage", "model_name", "provider_name", "provider_details", "finish_reason"}

_CLASS: list[Any] = []


def _model_class() -> Any:
    """The class of replays, made on first use: pydantic-ai takes long to import."""
    if _CLASS:
        return _CLASS[0]
    from pydantic import TypeAdapter
    from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ThinkingPart
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

    from .spoken import OnText, SpokenModel, to_turns

    responses: TypeAdapter[ModelResponse] = TypeAdapter(ModelResponse)

    class CassetteModel(SpokenModel):
        def __init__(self, name: str, tape: Tape, recorded: Model[Any] | None) -> None:
            super().__init__("cassette", name)
            self._tape = tape
            self._recorded = recorded
            self._writing = asyncio.Lock()

        async def speak(
            self,
            messages: list[ModelMessage],
            settings: ModelSettings,
            parameters: ModelRequestParameters,
            on_text: OnText | None,
        ) -> ModelResponse:
            turns = to_turns(messages)
            tools = tuple(sorted(tool.name for tool in (*parameters.function_tools, *parameters.output_tools)))
            mark = fingerprint(turns, tools)
            take = self._tape.find(mark)
            if take is None and self._recorded is None:
                raise ModelRefused(
                    f"The run differs from the cassette {self._tape.path.name} at step {_step(turns) + 1}: "
                    f"{self._tape.difference(turns, tools)}"
                )
            if take is not None:
                response = responses.validate_python(take.response)
            else:
                assert self._recorded is not None
                response = await self._recorded.request(messages, settings, parameters)
                dumped = responses.dump_python(response, mode="json", include=_KEPT, exclude_none=True)
                dumped["usage"] = {name: count for name, count in dumped["usage"].items() if count}
                take = Take(_step(turns), mark, tools, since(turns), dumped)
                async with self._writing:
                    await asyncio.to_thread(self._tape.add, take)
            if on_text is not None:
                for part in response.parts:
                    if isinstance(part, TextPart):
                        on_text("text", part.content)
                    elif isinstance(part, ThinkingPart):
                        on_text("thinking", part.content)
            return response

    _CLASS.append(CassetteModel)
    return CassetteModel
