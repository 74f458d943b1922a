"""The words of `%aether`: each a function from its arguments to what the cell shows."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from ..client import show
from ..client.client import Aether
from ..client.run import connect, plain_client
from ..model.errors import BadRequest
from ..model.harmless import code, line, plain
from ..model.process import Signal
from ..model.tool import Remember, Verdict


class Words:
    """Text that a cell shows as it is; Markdown where there is any."""

    def __init__(self, text: str, markdown: str = "") -> None:
        self._text = plain(text)
        self._markdown = markdown or code(text)

    def __repr__(self) -> str:
        return self._text

    def _repr_markdown_(self) -> str:
        return self._markdown


def perform(line: str) -> Any:
    """Do what the line says. Raises `BadRequest` for a word that is none, and whatever the server raises."""
    try:
        given = shlex.split(line)
    except ValueError:
        given = line.split()
    word, rest = (given[0], given[1:]) if given else ("ps", [])
    if word == "connect":
        if not rest:
            raise BadRequest("Say which server: %aether connect URL [TOKEN]")
        client = connect(*rest[:2])
        return Words(f"Connected to {client.address.url} as {client.me().user}.")
    do = _WORDS.get(word)
    if do is None:
        raise BadRequest(f"%aether has no word {word!r}; there are {', '.join([*_WORDS, 'connect'])}")
    with plain_client() as client:
        return do(client, rest)


def complete(shell: Any, event: Any) -> list[str]:
    """IPython completion: the words, then what may follow."""
    parts = event.line.split()
    if len(parts) < 2 or (len(parts) == 2 and not event.line.endswith(" ")):
        return [*_WORDS, "connect"]
    if parts[1] == "signal":
        return [s.value for s in Signal]
    return []


def _ps(client: Aether, rest: list[str]) -> Any:
    return show.Table(client.processes(reaped="--all" in rest))


def _logs(client: Aether, rest: list[str]) -> Any:
    pid, after, rows = _pid(rest, "logs PID"), 0, []
    while page := client.records(pid, after=after, limit=1000):
        after = page[-1].n
        for record in page:
            kind, said = show.event_text(record.event)
            if kind:
                rows.append(f"{record.n:>4}  {kind:8}  {line(said, 300)}")
    return Words("\n".join(rows))


def _signal(client: Aether, rest: list[str]) -> Any:
    pid = _pid(rest, "signal PID STOP")
    if len(rest) < 2 or rest[1].upper() not in Signal.__members__:
        raise BadRequest(f"Say which signal: {', '.join(Signal.__members__)}")
    process = client.signal(pid, Signal(rest[1].upper()))
    return Words(f"Agent {pid} gets {rest[1].upper()}; it is {process.state.value} now.")


def _send(client: Aether, rest: list[str]) -> Any:
    pid = _pid(rest, "send PID words")
    client.send(pid, _rest(rest[1:], "What to say: %aether send PID words"))
    return Words(f"Sent to agent {pid}; it reads it before its next step.")


def _extend(client: Aether, rest: list[str]) -> Any:
    pid, more = _pid(rest, "extend PID --steps 25"), {}
    for flag, value in zip(rest[1::2], rest[2::2], strict=False):
        name = {"--steps": "steps", "--tokens": "tokens", "--cost": "cost_usd", "--wall": "wall_s"}.get(flag)
        if name is None:
            raise BadRequest(f"{flag} is none of --steps, --tokens, --cost, --wall")
        more[name] = _number(value, whole=name in ("steps", "tokens"))
    process = client.extend(pid, **(more or {"steps": 25}))
    return Words(f"Agent {pid} has {show.steps(process)} steps, {show.money(process)}; it is {process.state.value}.")


def _approvals(client: Aether, rest: list[str]) -> Any:
    waiting = client.approvals()
    if not waiting:
        return Words("Nothing waits for you.", "Nothing waits for you.")
    text = "\n\n".join(f"{a.id}  agent {a.pid}\n{show.call_text(a)}" for a in waiting)
    return Words(text, "\n\n---\n\n".join(f"Agent {a.pid}. {show.approval_markdown(a)}" for a in waiting))


def _approve(client: Aether, rest: list[str]) -> Any:
    remember: Remember = "always" if "--always" in rest else "session" if "--session" in rest else "once"
    approval = client.approval(_key(rest, "approve ID"))
    if approval.kind == "limit":
        client.decide(approval, "extend", steps=25)
        return Words(f"Agent {approval.pid} goes on for 25 more steps.")
    client.decide(approval, "approve", remember=remember)
    kept = {"once": "", "session": " Calls like it are approved for this agent.", "always": " So are all like it."}
    return Words(f"Approved: {line(show.call_text(approval))}.{kept[remember]}")


def _refuse(client: Aether, rest: list[str]) -> Any:
    approval = client.approval(_key(rest, "refuse ID"))
    verdict: Verdict = "finish" if approval.kind == "limit" else "refuse"
    client.decide(approval, verdict, reason=" ".join(rest[1:]) or None)
    return Words(f"Refused: {line(show.call_text(approval))}.")


def _answer(client: Aether, rest: list[str]) -> Any:
    approval = client.approval(_key(rest, "answer ID words"))
    client.decide(approval, "answer", answer=_rest(rest[1:], "What to answer: %aether answer ID words"))
    return Words(f"Answered agent {approval.pid}.")


def _rules(client: Aether, rest: list[str]) -> Any:
    rows = [
        f"{r.id}  {r.tool}  {'agent ' + str(r.pid) if r.pid is not None else 'every agent'}  used {r.uses} times"
        for r in client.rules()
    ]
    return Words("\n".join(rows) or "No standing approvals.")


def _revoke(client: Aether, rest: list[str]) -> Any:
    key = _key(rest, "revoke ID")
    client.revoke(key)
    return Words(f"Rule {key} is withdrawn; such calls ask again.")


def _doctor(client: Aether, rest: list[str]) -> Any:
    checks = client.health().checks
    wide = max((len(c.name) for c in checks), default=0)
    rows = []
    for check in checks:
        rows.append(f"{'ok  ' if check.ok else 'FAIL' if check.fatal else 'no  '}  {check.name:{wide}}  {check.detail}")
        if not check.ok and check.fix:
            rows.append(f"{'':{wide + 8}}→ {check.fix}")
    return Words("\n".join(rows))


_WORDS: dict[str, Callable[[Aether, list[str]], Any]] = {
    "ps": _ps,
    "logs": _logs,
    "signal": _signal,
    "send": _send,
    "extend": _extend,
    "approvals": _approvals,
    "approve": _approve,
    "refuse": _refuse,
    "answer": _answer,
    "rules": _rules,
    "revoke": _revoke,
    "doctor": _doctor,
}


def _pid(rest: list[str], usage: str) -> int:
    if not rest or not rest[0].isdigit():
        raise BadRequest(f"Say which agent: %aether {usage}")
    return int(rest[0])


def _key(rest: list[str], usage: str) -> str:
    keys = [one for one in rest if not one.startswith("--")]
    if not keys:
        raise BadRequest(f"Say which one: %aether {usage} (%aether approvals lists them)")
    return keys[0]


def _rest(rest: list[str], usage: str) -> str:
    if not rest:
        raise BadRequest(usage)
    return " ".join(rest)


def _number(text: str, *, whole: bool) -> Any:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        raise BadRequest(f"{text!r} is no number") from None
