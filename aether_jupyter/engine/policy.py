"""Allow, ask or deny one tool call: from its declared risk, the mode and the sandbox, then from permissions; pure."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from ..model.agent import Mode, SandboxSpec
from ..model.message import ToolCall
from ..model.tool import RISKS, Risk, ToolSpec
from .permissions import Applied, Level

MODES: tuple[Mode, ...] = tuple(Mode)
_FREE: dict[Mode, frozenset[Risk]] = {
    Mode.PLAN: frozenset({Risk.SAFE}),
    Mode.ASK_ALWAYS: frozenset({Risk.SAFE}),
    Mode.ASK_RISKY: frozenset({Risk.SAFE, Risk.WRITE}),
    Mode.ACCEPT_EDITS: frozenset({Risk.SAFE, Risk.WRITE, Risk.EXECUTE}),
    Mode.AUTONOMOUS: frozenset(RISKS),
}


class Ruling(msgspec.Struct, frozen=True):
    """What may happen with a call, its effective risk, the reason in words, and who decided it."""

    verdict: Literal["allow", "ask", "deny"]
    risk: Risk
    why: str
    by: Level | Literal["mode"] = "mode"


def clamp(mode: Mode, most: Mode) -> Mode:
    """The mode asked for, or the freest that the administrator allows."""
    return min(mode, most, key=MODES.index)


def rule(spec: ToolSpec, mode: Mode, sandbox: SandboxSpec, resolved: str) -> Ruling:
    """Decide one call. `resolved` is the sandbox it would really run in.

    A command that could reach the network counts as network; one on the bare host counts as destructive, since
    nothing holds it.
    """
    risk = spec.risk
    if risk is Risk.EXECUTE and resolved == "host":
        risk = Risk.DESTRUCTIVE
    elif risk is Risk.EXECUTE and sandbox.network != "none":
        risk = Risk.NETWORK
    if risk in _FREE[mode]:
        return Ruling("allow", risk, f"{risk} is free in mode {mode}")
    if mode is Mode.PLAN:
        return Ruling("deny", risk, "This agent may only plan: it reads, and changes nothing.")
    where = "on the bare host, without isolation" if resolved == "host" else "in its sandbox"
    because = {
        Risk.WRITE: "it writes files and you asked to see every change",
        Risk.EXECUTE: f"it runs a program {where}",
        Risk.NETWORK: "it can reach the network",
        Risk.DESTRUCTIVE: f"what it does {where} cannot be undone",
        Risk.SAFE: "",
    }[risk]
    return Ruling("ask", risk, because)


def permitted(ruling: Ruling, applied: Applied | None, most: Mode) -> Ruling:
    """What becomes of the mode's ruling under the permission that wins, if one fits.

    A deny denies and an ask asks, whatever the mode. An allow spares a question of the mode, but only as far as
    `most`, the freest mode the administrator grants, would; it frees nothing destructive and nothing that is denied.
    """
    if applied is None:
        return ruling
    line, risk, why = applied.permission, ruling.risk, _why(applied)
    if line.verdict == "deny":
        words = f"Not permitted by {_WHO[applied.by]}: {why}. Do not repeat this call; find another way."
        return Ruling("deny", risk, words, applied.by)
    if ruling.verdict == "deny":
        return ruling
    if line.verdict == "ask":
        return Ruling("ask", risk, f"{_WHO[applied.by]} wants it to be asked: {why}", applied.by)
    if ruling.verdict == "ask" and risk is not Risk.DESTRUCTIVE and risk in _FREE[most]:
        return Ruling("allow", risk, f"{_WHO[applied.by]} allows it: {why}", applied.by)
    return ruling


def model_denial(model: str, applied: Applied) -> str:
    """The sentence that says why a model must not be asked."""
    return f"The model {model} is not permitted by {_WHO[applied.by]}: {_why(applied)}."


def _why(applied: Applied) -> str:
    words = (applied.permission.why or str(applied.permission)).rstrip(".")
    return words if applied.certain else f"{words} (it may fall under this)"


_WHO: dict[Level, str] = {"administrator": "the administrator", "person": "whoever started this agent"}


def digest(call: ToolCall, pid: int) -> str:
    """What an approval is bound to: the tool, its canonical arguments, the call and the process (SHA-256, hex)."""
    body = msgspec.json.encode([pid, call.id, call.tool, call.arguments], order="sorted")
    return hashlib.sha256(body).hexdigest()
