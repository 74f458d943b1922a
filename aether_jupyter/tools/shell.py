"""The tool that runs a command in the agent's sandbox and tells plainly how it ended."""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from .. import beneath
from ..abc import Completed, Tool, ToolContext
from ..config import Settings
from ..declare import tool
from ..model.errors import AetherError, FolderNotFound
from ..model.events import OutputDelta
from ..model.harmless import line
from ..model.tool import Evidence, Outcome
from ..plugins import hookimpl

Stream = Literal["stdout", "stderr"]

_KEPT_BYTES = 50_000_000
"""Bytes of one stream that go to its file; what a command writes beyond is counted and dropped."""

_FOLDER = ".aether/outputs"
_FOLDER_BYTES = 500_000_000
"""Bytes of all kept outputs of a home, beyond which no more is kept: a command that floods is often run again."""

_HOME = "."
"""The home, where a folder is told."""

_BLOCK = 256_000
_EVIDENCE = 2_000
_NOTICE_S = 0.1
_NOTICE_CHARS = 4_000


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """`run_command`; its limits come with each call's context."""
    return [run_command]


@tool(
    risk="execute",
    effect="commit",
    args={"command": "select:command", "timeout_s": "time", "cwd": "select:file"},
    fields={"stdout": "text", "stderr": "text", "exit_code": "system"},
)
async def run_command(
    ctx: ToolContext,
    command: Annotated[str, msgspec.Meta(min_length=1, max_length=100_000)],
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] | None = None,
    cwd: str = "",
) -> Outcome:
    """Run a shell command in your home directory. Returns exit code, stdout and stderr; as a rule there is no network.

    `cd` and `export` last for your next commands; file tools always start from your home directory.

    Args:
        command: Command line for bash, such as 'ls -la' or 'python3 script.py'.
        timeout_s: Seconds after which it is ended.
        cwd: Directory to run this one command in, relative to your home directory.
    """
    allowed = min(timeout_s or ctx.timeout_s, ctx.max_timeout_s)
    sandbox = await ctx.sandbox()
    label = re.sub(r"[^A-Za-z0-9_.-]", "_", ctx.call_id)[:100].lstrip(".") or "call"
    out = _Output(ctx, "stdout", f"{_FOLDER}/{label}.stdout")
    err = _Output(ctx, "stderr", f"{_FOLDER}/{label}.stderr")
    try:
        done = await sandbox.run(
            command,
            timeout_s=allowed,
            cwd=cwd or ctx.folder,
            output_limit=0,
            on_output=lambda stream, data: (out if stream == "stdout" else err).take(data),
        )
    except FolderNotFound as error:
        if cwd or not ctx.folder:
            raise
        return Outcome(
            ok=False,
            content=f"Nothing was run: your working directory {line(ctx.folder)} does not exist any more. "
            "Your next command begins in your home directory again.",
            error=error.code,
            evidence=Evidence(sandbox=sandbox.name, folder=_HOME),
        )
    finally:
        out.flush()
        err.flush()
    share = ctx.output_limit
    if out.size + err.size > ctx.output_limit:
        # A stream that needs less than its half leaves the rest to the other.
        share = max(ctx.output_limit // 2, ctx.output_limit - min(out.size, err.size))
    # A command that is given a folder of its own leaves the agent's where it was.
    folder = done.folder if not cwd and done.folder != (ctx.folder or _HOME) else ""
    return _outcome(done, out, err, share, allowed, sandbox.name, folder)


def _outcome(
    done: Completed, out: _Output, err: _Output, share: int, allowed: float, sandbox: str, folder: str
) -> Outcome:
    lines = [f"exit code: {done.exit_code}"] if done.exit_code is not None else []
    if done.exit_code == 137:
        lines = ["exit code: 137 (killed, as a rule because the sandbox's memory limit was reached)"]
    if done.timed_out:
        lines = [f"timed out after {allowed:g} s and was ended; this is what it had printed"]
    if folder:
        lines.append(f"working directory: {line(folder) if folder != _HOME else 'your home directory'}")
    shown_out, shown_err = out.shown(share), err.shown(share)
    if shown_out:
        lines.append(f"stdout:\n{shown_out.rstrip()}")
    if shown_err:
        lines.append(f"stderr:\n{shown_err.rstrip()}")
    if not shown_out and not shown_err:
        lines.append("(no output)")
    ok = done.exit_code == 0 and not done.timed_out
    return Outcome(
        ok=ok,
        content="\n".join(lines),
        error=None if ok else "tool_timeout" if done.timed_out else "tool_failed",
        evidence=Evidence(
            exit_code=done.exit_code,
            stdout=out.ends(),
            stderr=err.ends(),
            stdout_bytes=out.size,
            stderr_bytes=err.size,
            stdout_path=out.written,
            stderr_path=err.written,
            sha256=out.digest.hexdigest(),
            timed_out=done.timed_out,
            sandbox=sandbox,
            folder=folder,
        ),
    )


def _kept_bytes(home: Path) -> int:
    try:
        return sum(entry.size_bytes for entry in beneath.listing(home, _FOLDER))
    except AetherError:
        return 0


class _Output:
    """One stream of a running command: its ends in memory, the whole in a file once it is long, the news as notices."""

    def __init__(self, ctx: ToolContext, stream: Stream, path: str) -> None:
        self._ctx = ctx
        self._stream: Stream = stream
        self._path = path
        self._limit = ctx.output_limit
        self._head = bytearray()
        self._tail = bytearray()
        self._block = bytearray()
        self._stored = 0
        self._trouble = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._news = ""
        self._told_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.size = 0
        self.written = ""
        self.digest = hashlib.sha256()

    def take(self, data: bytes) -> None:
        """The next bytes, as they arrive."""
        self.size += len(data)
        self.digest.update(data)
        room = self._limit - len(self._head)
        if room > 0:
            self._head += data[:room]
        self._tail += data[-self._limit :]
        if len(self._tail) > 2 * self._limit:
            del self._tail[: len(self._tail) - self._limit]
        if self._stored + len(self._block) < _KEPT_BYTES and not self._trouble:
            self._block += data
            if self.size > self._limit and len(self._block) >= _BLOCK:
                self._store()
        self._tell(data)

    def flush(self) -> None:
        """The command has ended: say and store what is left."""
        if self._timer is not None:
            self._timer.cancel()
        self._news += self._decoder.decode(b"", final=True)
        self._notify()
        if self.size > self._limit:
            self._store()

    def shown(self, share: int) -> str:
        """What the model reads: all of it, or head, tail and where the rest is."""
        if self.size <= min(share, self._limit):
            return self._head.decode("utf-8", "replace")
        if not self.written and not self._trouble:
            self._store()
        head = bytes(self._head[: share // 2]).decode("utf-8", "ignore")
        tail = bytes(self._tail[-(share // 2) :]).decode("utf-8", "ignore")
        left = self.size - len(head.encode()) - len(tail.encode())
        where = f"the whole is in {self.written}" if self.written else f"the rest was not kept: {self._trouble}"
        if self.size > self._stored and self.written:
            where = f"the first {self._stored} bytes are in {self.written}"
        return f"{head}\n[… {left} bytes left out; {where} …]\n{tail}"

    def ends(self) -> str:
        """What is kept as evidence: all of it if short, else its two ends."""
        if self.size <= min(_EVIDENCE, self._limit):
            return self._head.decode("utf-8", "replace")
        half = _EVIDENCE // 2
        ends = (bytes(self._head[:half]).decode("utf-8", "ignore"), bytes(self._tail[-half:]).decode("utf-8", "ignore"))
        return "\n[…]\n".join(ends)

    def _store(self) -> None:
        home: Path = self._ctx.home
        try:
            if not self.written:
                kept = _kept_bytes(home)
                if kept > _FOLDER_BYTES:
                    self._trouble = f"{_FOLDER} holds {kept} bytes already; delete there what is not needed any more"
                    self._block.clear()
                    return
                # A name that is there already is from an earlier try of the same call.
                beneath.write(home, self._path, bytes(self._block))
                self.written = self._path
            else:
                beneath.append(home, self._path, bytes(self._block))
            self._stored += len(self._block)
        except AetherError as error:
            self._trouble = error.message
        self._block.clear()

    def _tell(self, data: bytes) -> None:
        self._news = (self._news + self._decoder.decode(data))[-_NOTICE_CHARS:]
        if self._timer is None:
            wait = self._told_at + _NOTICE_S - time.monotonic()
            if wait <= 0:
                self._notify()
            else:
                self._timer = asyncio.get_running_loop().call_later(wait, self._notify)

    def _notify(self) -> None:
        self._timer = None
        if self._news:
            news, self._news = self._news, ""
            self._told_at = time.monotonic()
            self._ctx.notify(OutputDelta(self._ctx.pid, self._ctx.call_id, self._stream, news))
