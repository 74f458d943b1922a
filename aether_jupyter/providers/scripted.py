"""Deterministic models for tests and tutorials, chosen by name only: `scripted:NAME`.

A script is a pure function from the number of answers given so far and the transcript to the next answer. It never
stands in for a real model: nothing falls back to it, and it is not offered in any list.

| Name | What it does |
|---|---|
| `hello` | one text answer |
| `echo-file` | `write_file` notes.txt, `read_file` it, answer with what was read |
| `risky` | `run_command` `rm -r build`, then an answer that says whether it ran |
| `loop` | `run_command` `echo N` for ever, another N each time; for limits |
| `stuck` | the same `read_file` call for ever; for the detection of loops |
| `slow` | twenty steps: a thought spoken over 5 seconds, then `run_command` `sleep 0.2; echo N`; then an answer |
| `ask` | `ask_person`, then an answer with what the person said |
| `parallel` | three `write_file` calls in one step, then an answer |
| `malformed` | a call with arguments that are no JSON until it is guided, then an answer |
| `empty` | says nothing until it is guided, then an answer |
| `unknown-tool` | calls a tool that does not exist, then an answer |
| `result` | `final_result` with `{"answer": 42}` |
| `parent` | `spawn_agent` with the goal of a child, `wait_agent`, then an answer |
| `fail` | the request is refused |
| `down` | the provider is never to be reached |
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..abc import Availability, ModelInfo
from ..config import Settings
from ..model.errors import ModelRefused, ModelUnavailable, UnknownName
from ..model.message import ModelTurn, Part, Text, Thinking, ToolCall, ToolTurn, Turn, UserTurn
from ..plugins import hookimpl

if TYPE_CHECKING:
    from pydantic_ai.models import Model

Script = Callable[[int, Sequence[Turn]], Sequence[Part]]
"""`(answers given so far, the transcript without its system part) -> the parts of the next answer`; it may raise."""


@dataclass(frozen=True)
class _Registered:
    script: Script
    pace_s: float = 0.0
    sees: bool = False


def register(name: str, script: Script, *, pace_s: float = 0.0, sees: bool = False) -> None:
    """Make `script` the model `scripted:NAME`. Each answer is spoken word by word over `pace_s` seconds.

    A call whose id is empty gets `call-STEP-PLACE`. One that `sees` finds images in the turns, as they were shown.
    """
    _SCRIPTS[name] = _Registered(script, pace_s, sees)


class Scripted:
    """The provider of scripts."""

    prefix = "scripted"
    short = False
    serial = False

    def models(self) -> list[ModelInfo]:
        """None: a script is for tests, and nobody is to choose one by chance."""
        return []

    def info(self, name: str) -> ModelInfo:
        """Raises `UnknownName`."""
        if name not in _SCRIPTS:
            raise UnknownName(f"No script {name!r}; there are {', '.join(sorted(_SCRIPTS))}")
        return ModelInfo(
            id=f"scripted:{name}",
            label=f"Script {name}",
            available=Availability(True, "deterministic"),
            input_usd=0.0,
            output_usd=0.0,
            sees=_SCRIPTS[name].sees,
            note="a script for tests, not a language model",
        )

    async def create(self, name: str, progress: Callable[[str, float | None], None]) -> Model[Any]:
        """A model that follows the script."""
        self.info(name)
        model: Model[Any] = _model_class()(name)
        return model

    async def close(self) -> None:
        """Nothing is open."""


@hookimpl
def register_models(settings: Settings) -> list[Scripted]:
    """The scripts."""
    return [Scripted()]


_CLASS: list[Any] = []


def _model_class() -> Any:
    """The class of scripted models, made on first use: pydantic-ai takes long to import."""
    if _CLASS:
        return _CLASS[0]
    from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ThinkingPart, ToolCallPart
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.usage import RequestUsage

    from .spoken import OnText, SpokenModel, to_turns

    class ScriptedModel(SpokenModel):
        def __init__(self, name: str) -> None:
            super().__init__("scripted", name)

        async def speak(
            self,
            messages: list[ModelMessage],
            settings: ModelSettings,
            parameters: ModelRequestParameters,
            on_text: OnText | None,
        ) -> ModelResponse:
            registered = _SCRIPTS[self.model_name]
            turns = to_turns(messages)
            step = sum(isinstance(turn, ModelTurn) for turn in turns)
            parts = registered.script(step, turns)
            if on_text is not None:
                await _say(parts, registered.pace_s, on_text)
            said: list[Any] = []
            for place, part in enumerate(parts):
                if isinstance(part, Text):
                    said.append(TextPart(part.text))
                elif isinstance(part, Thinking):
                    said.append(ThinkingPart(part.text))
                else:
                    arguments: Any = part.raw if part.arguments is None else part.arguments
                    said.append(ToolCallPart(part.tool, arguments, part.id or f"call-{step}-{place}"))
            return ModelResponse(
                parts=said,
                usage=RequestUsage(input_tokens=_tokens(turns), output_tokens=_tokens(parts)),
                model_name=self.model_name,
                finish_reason="tool_call" if any(isinstance(part, ToolCall) for part in parts) else "stop",
            )

    _CLASS.append(ScriptedModel)
    return ScriptedModel


async def _say(parts: Sequence[Part], pace_s: float, on_text: Callable[[Any, str], None]) -> None:
    words = [
        ("text" if isinstance(part, Text) else "thinking", word)
        for part in parts
        if isinstance(part, Text | Thinking)
        for word in re.findall(r"\S+\s*|\s+", part.text)
    ]
    for kind, word in words:
        if pace_s:
            await asyncio.sleep(pace_s / len(words))
        on_text(kind, word)


def _tokens(things: Sequence[Turn] | Sequence[Part]) -> int:
    """A count that depends on the words alone, near to four characters a token."""
    total = 0
    for thing in things:
        if isinstance(thing, ModelTurn):
            total += _tokens(thing.parts)
        elif isinstance(thing, ToolCall):
            total += 4 + len(json.dumps(thing.arguments)) // 4
        elif isinstance(thing, ToolTurn):
            total += 4 + len(thing.content) // 4
        else:
            total += 1 + len(thing.text) // 4
    return total


def _results(turns: Sequence[Turn]) -> list[ToolTurn]:
    return [turn for turn in turns if isinstance(turn, ToolTurn)]


def _call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(id="", tool=tool, arguments=arguments)


def _hello(step: int, turns: Sequence[Turn]) -> list[Part]:
    return [Text("Hello from a scripted model.")]


def _echo_file(step: int, turns: Sequence[Turn]) -> list[Part]:
    if step == 0:
        return [
            Thinking("I write the file first."),
            _call("write_file", path="notes.txt", content="written by an agent\n"),
        ]
    if step == 1:
        return [Thinking("Now I read it back."), _call("read_file", path="notes.txt")]
    return [Text(f"The file says: {_results(turns)[-1].content}")]


def _risky(step: int, turns: Sequence[Turn]) -> list[Part]:
    if step == 0:
        return [Thinking("The old build is in the way."), _call("run_command", command="rm -r build")]
    last = _results(turns)[-1]
    return [Text("The build folder is gone." if last.ok else f"I could not remove the build folder: {last.content}")]


def _loop(step: int, turns: Sequence[Turn]) -> list[Part]:
    return [Thinking(f"Round {step + 1}."), _call("run_command", command=f"echo {step + 1}")]


def _stuck(step: int, turns: Sequence[Turn]) -> list[Part]:
    return [_call("read_file", path="missing.txt")]


def _slow(step: int, turns: Sequence[Turn]) -> list[Part]:
    if step < 20:
        thought = (
            f"Step {step + 1} of 20. I look at what is there, weigh what to do next, and wait a little before I go on."
        )
        return [Thinking(thought), _call("run_command", command=f"sleep 0.2; echo {step + 1}")]
    return [Text("Twenty steps are done.")]


def _ask(step: int, turns: Sequence[Turn]) -> list[Part]:
    if step == 0:
        return [_call("ask_person", question="Which colour shall I use?", options=["red", "blue"])]
    return [Text(f"You said: {_results(turns)[-1].content}")]


def _parallel(step: int, turns: Sequence[Turn]) -> list[Part]:
    if step == 0:
        return [_call("write_file", path=f"part{n}.txt", content=f"part {n}\n") for n in (1, 2, 3)]
    return [Text(f"{sum(turn.ok for turn in _results(turns))} of 3 files are written.")]


def _malformed(step: int, turns: Sequence[Turn]) -> list[Part]:
    if step == 0:
        return [ToolCall(id="", tool="write_file", arguments=None, raw='{"path": "notes.txt", "content": ')]
    return [Text("I gave up on the call.")]


def _empty(step: int, turns: Sequence[Turn]) -> list[Part]:
    return [] if step == 0 else [Text("Now I answer.")]


def _unknown_tool(step: int, turns: Sequence[Turn]) -> list[Part]:
    if step == 0:
        return [_call("teleport", to="the moon")]
    return [Text("There is no such tool.")]


def _result(step: int, turns: Sequence[Turn]) -> list[Part]:
    return [_call("final_result", answer=42)]


def _apprentice(step: int, turns: Sequence[Turn]) -> list[Part]:
    """Knows nothing but what it is told: hands in a file, and begins it as its memory says; looks back on a refusal."""
    told = "\n".join(turn.text for turn in turns if isinstance(turn, UserTurn))
    rule = re.search(r"the first line of the file must be: ([\w: ]+)", told)
    if told.startswith("The task was:"):
        lessons = [f"Before a file is handed in at the desk, {rule[0]}."] if rule else []
        refused, worked = (["the file was refused"], []) if rule else ([], ["the file was accepted"])
        rating = 1 if rule else 5
        return [_call("final_result", rating=rating, worked=worked, failed=refused, lessons=lessons, strategy="")]
    if step == 0:
        head = f"{rule[1].strip()}\n" if rule else ""
        return [_call("write_file", path="release.txt", content=f"{head}version 2.0 is out\n")]
    if step == 1:
        return [_call("run_command", command="sh /workspaces/desk/hand_in.sh release.txt")]
    return [Text(f"The desk said: {_results(turns)[-1].content}")]


def _clerk(step: int, turns: Sequence[Turn]) -> list[Part]:
    """Writes a letter in an editor, asks a person for the word that belongs in it, and saves it."""
    calls = [
        _call("desktop_open", program="mousepad letter.txt"),
        _call("desktop_type", text="Dear Priya,\nthe report is ready.\n"),
        _call("ask_for_help", question="Which word opens the archive? Type it here, or hand back with a note."),
    ]
    if step < len(calls):
        return [calls[step]]
    told = [turn.text for turn in turns if isinstance(turn, UserTurn)]
    note = next((found[1] for text in told if (found := re.search(r"\(hand-back\): (.*)", text))), "")
    after = [
        _call("desktop_press", keys="ctrl+End"),
        _call("desktop_type", text=f"{note}\n"),
        _call("desktop_press", keys="ctrl+s"),
    ]
    if step < len(calls) + len(after):
        return [after[step - len(calls)]]
    return [Text("The letter is written and saved as letter.txt.")]


def _surfer(step: int, turns: Sequence[Turn]) -> list[Part]:
    """Opens the address in its goal and says what the page says first."""
    if step == 0:
        goal = next(turn.text for turn in turns if isinstance(turn, UserTurn))
        address = re.search(r"https?://\S+", goal)
        return [_call("browser_open", url=address[0] if address else "https://example.org/")]
    if step == 1:
        return [_call("browser_read", kind="text")]
    return [Text(_results(turns)[-1].content[:500])]


def _parent(step: int, turns: Sequence[Turn]) -> list[Part]:
    if step == 0:
        return [_call("spawn_agent", goal="Say hello.", model="scripted:hello")]
    if step == 1:
        found = re.search(r"\d+", _results(turns)[-1].content)
        return [_call("wait_agent", pid=int(found.group()) if found else 0)]
    return [Text(f"The child came to: {_results(turns)[-1].content}")]


def _fail(step: int, turns: Sequence[Turn]) -> list[Part]:
    raise ModelRefused("The script refuses every request; choose another model")


def _down(step: int, turns: Sequence[Turn]) -> list[Part]:
    raise ModelUnavailable("The script plays a provider that is down; try again later")


_SCRIPTS: dict[str, _Registered] = {
    "hello": _Registered(_hello),
    "echo-file": _Registered(_echo_file),
    "risky": _Registered(_risky),
    "loop": _Registered(_loop),
    "stuck": _Registered(_stuck),
    "slow": _Registered(_slow, pace_s=5.0),
    "ask": _Registered(_ask),
    "parallel": _Registered(_parallel),
    "malformed": _Registered(_malformed),
    "empty": _Registered(_empty),
    "unknown-tool": _Registered(_unknown_tool),
    "result": _Registered(_result),
    "apprentice": _Registered(_apprentice),
    "clerk": _Registered(_clerk, sees=True),
    "surfer": _Registered(_surfer),
    "parent": _Registered(_parent),
    "fail": _Registered(_fail),
    "down": _Registered(_down),
}
