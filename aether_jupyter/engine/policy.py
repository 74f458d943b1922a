"""Allow, ask or deny one tool call, from its declared risk, the mode and the sandbox; pure."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from ..model.agent import Mode, SandboxSpec
from ..model.message import ToolCall
from ..model.tool import RISKS, Risk, ToolSpec

MODES: tuple[Mode, ...] = tuple(Mode)
_FREE: dict[Mode, frozenset[Risk]] = {
    Mode.PLAN: frozenset({Risk.SAFE}),
    Mode.ASK_ALWAYS: frozenset({Risk.SAFE}),
    Mode.ASK_RISKY: frozenset({Risk.SAFE, Risk.WRITE}),
    Mode.ACCEPT_EDITS: frozenset({Risk.SAFE, Risk.WRITE, Risk.EXECUTE}),
    Mode.AUTONOMOUS: frozenset(RISKS),
}


class Ruling(msgspec.Struct, frozen=True):
    """What may happen with a call, its effective risk, and the reason in words."""

    verdict: Literal["allow", "ask", "deny"]
    risk: Risk
    why: str


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


def digest(call: ToolCall, pid: int) -> str:
    """What an approval is bound to: the tool, its canonical arguments, the call and the process (SHA-256, hex)."""
    body = msgspec.json.encode([pid, call.id, call.tool, call.arguments], order="sorted")
    return hashlib.sha256(body).hexdigest()
