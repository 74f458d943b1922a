"""The words of `%aether`: each a function from its arguments to what the cell shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from ..client import decisions, show
from ..client.client import Aether
from ..client.pictures import contents
from ..client.run import connect, plain_client
from ..model.errors import BadRequest
from ..model.feedback import Thumb
from ..model.harmless import code, line, plain
from ..model.process import Signal
from ..model.tool import Approval, Remember


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
    """Do what the line says. Raises `BadRequest` for what it does not understand, and whatever the server raises."""
    word, _, rest = line.strip().partition(" ")
    if word == "connect":
        where, _ = _parsed(rest, "connect URL [TOKEN]", least=1, most=2)
        client = connect(*where)
        return Words(f"Connected to {client.address.url} as {client.me().user}.")
    do = _WORDS.get(word or "ps")
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


def _ps(client: Aether, rest: str) -> Any:
    _, options = _parsed(rest, "ps [--all]", {"--all": bool})
    return show.Table(client.processes(reaped="--all" in options))


def _logs(client: Aether, rest: str) -> Any:
    [which], _ = _parsed(rest, "logs PID", least=1, most=1)
    pid, after, rows = _pid(which, "logs PID"), 0, []
    while page := client.records(pid, after=after, limit=1000):
        after = page[-1].n
        for record in page:
            kind, said = show.event_text(record.event)
            if kind:
                rows.append(f"{record.n:>4}  {kind:8}  {line(said, 300)}")
    return Words("\n".join(rows))


def _context(client: Aether, rest: str) -> Any:
    usage = "context PID [--step N]"
    [which], options = _parsed(rest, usage, {"--step": int}, least=1, most=1)
    return Words(show.context_text(client.context(_pid(which, usage), options.get("--step"), chars=400)))


def _plan(client: Aether, rest: str) -> Any:
    [which], options = _parsed(rest, "plan PID [--set FILE]", {"--set": str}, least=1, most=1)
    pid = _pid(which, "plan PID")
    if "--set" not in options:
        return Words(show.plan_text(client.plan(pid)))
    try:
        outline = Path(options["--set"]).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"--set {options['--set']}: {error}") from None
    return Words(show.plan_text(client.set_plan(pid, outline, seen=show.plan_seen(outline))))


def _signal(client: Aether, rest: str) -> Any:
    given, _ = _parsed(rest, "signal PID STOP", least=1, most=2)
    # The terminal names the signal first; both are understood.
    names = [word.upper() for word in given if word.upper() in Signal.__members__]
    if len(names) != 1:
        raise BadRequest(f"Say which signal: {', '.join(Signal.__members__)}")
    pid = _pid(next((word for word in given if word.upper() not in names), ""), "signal PID STOP")
    process = client.signal(pid, Signal(names[0]))
    return Words(f"Agent {pid} gets {names[0]}; it is {process.state.value} now.")


_SEND = "send PID [--image FILE …] words"
_IMAGE = re.compile(r"""\s*--image[ =]+("[^"]+"|'[^']+'|\S+)\s*""")


def _send(client: Aether, rest: str) -> Any:
    which, words = _said(rest, _SEND)
    pid, images = _pid(which, _SEND), []
    while (found := _IMAGE.match(words)) is not None:
        images += contents(found[1].strip("'\""))
        words = words[found.end() :]
    if not words.strip():
        raise BadRequest(f"Say it as: %aether {_SEND}")
    client.send(pid, words.strip(), images=[client.keep_image(content) for content in images])
    return Words(f"Sent to agent {pid}; it reads it before its next step.")


def _extend(client: Aether, rest: str) -> Any:
    kinds = {"--steps": int, "--tokens": int, "--cost": float, "--wall": float}
    [which], options = _parsed(rest, "extend PID --steps 25", kinds, least=1, most=1)
    pid = _pid(which, "extend PID --steps 25")
    more = {{"--cost": "cost_usd", "--wall": "wall_s"}.get(key, key[2:]): value for key, value in options.items()}
    process = client.extend(pid, **(more or {"steps": 25}))
    return Words(f"Agent {pid} has {show.steps(process)} steps, {show.money(process)}; it is {process.state.value}.")


def _model(client: Aether, rest: str) -> Any:
    [which, model], _ = _parsed(rest, "model PID MODEL", least=2, most=2)
    pid = _pid(which, "model PID MODEL")
    client.choose_model(pid, model)
    return Words(f"Agent {pid} asks {model} from its next step on.")


def _take(client: Aether, rest: str) -> Any:
    [which], _ = _parsed(rest, "take PID", least=1, most=1)
    pid = _pid(which, "take PID")
    client.take_control(pid)
    return Words(f"You have control of agent {pid}; it has stopped. %aether return {pid} hands it back.")


def _return(client: Aether, rest: str) -> Any:
    which, note = _said(rest, "return PID [what it should know]", words=False)
    pid = _pid(which, "return PID [what it should know]")
    client.hand_back(pid, note)
    return Words(f"Agent {pid} has control again.")


def _snapshot(client: Aether, rest: str) -> Any:
    which, label = _said(rest, "snapshot PID [what it shall be called]", words=False)
    taken = client.take_snapshot(_pid(which, "snapshot PID [what it shall be called]"), label=label)
    return Words(
        f"Snapshot {taken.id} of agent {taken.pid}, step {taken.step}. %aether restore {taken.id} goes on from it."
    )


def _snapshots(client: Aether, rest: str) -> Any:
    given, _ = _parsed(rest, "snapshots [PID]", most=1)
    return Words(show.snapshots_text(client.snapshots(_pid(given[0], "snapshots [PID]") if given else None)))


def _restore(client: Aether, rest: str) -> Any:
    usage = "restore ID [--paused]"
    [which], options = _parsed(rest, usage, {"--paused": bool}, least=1, most=1)
    return Words(show.branched_text(client.restore_snapshot(_pid(which, usage), paused="--paused" in options)))


def _fork(client: Aether, rest: str) -> Any:
    usage = "fork PID [--step N] [--model MODEL] [--paused]"
    [which], options = _parsed(rest, usage, {"--step": int, "--model": str, "--paused": bool}, least=1, most=1)
    made = client.fork(
        _pid(which, usage), options.get("--step"), model=options.get("--model", ""), paused="--paused" in options
    )
    return Words(show.branched_text(made))


def _models(client: Aether, rest: str) -> Any:
    _parsed(rest, "models")
    return Words(show.models_text(client.models()))


def _approvals(client: Aether, rest: str) -> Any:
    _parsed(rest, "approvals")
    waiting = client.approvals()
    if not waiting:
        return Words("Nothing waits for you.", "Nothing waits for you.")
    text = "\n\n".join(f"{a.id}  agent {a.pid}\n{show.call_text(a)}" for a in waiting)
    return Words(text, "\n\n---\n\n".join(f"Agent {a.pid}. {show.approval_markdown(a)}" for a in waiting))


def _approve(client: Aether, rest: str) -> Any:
    [which], options = _parsed(rest, "approve ID", {"--always": bool, "--session": bool}, least=1, most=1)
    remember: Remember = "always" if "--always" in options else "session" if "--session" in options else "once"
    approval = _approval(client, which)
    client.decide(approval, **decisions.yes(approval, remember=remember))
    if approval.kind == "limit":
        return Words(f"Agent {approval.pid} goes on: {decisions.offered(approval)}.")
    kept = {"once": "", "session": " Calls like it are approved for this agent.", "always": " So are all like it."}
    return Words(f"Approved: {line(show.call_text(approval))}.{kept[remember]}")


def _refuse(client: Aether, rest: str) -> Any:
    which, why = _said(rest, "refuse ID [why]", words=False)
    approval = _approval(client, which)
    client.decide(approval, **decisions.no(approval, why))
    return Words(f"Refused: {line(show.call_text(approval))}.")


def _answer(client: Aether, rest: str) -> Any:
    which, words = _said(rest, "answer ID words")
    approval = _approval(client, which)
    client.decide(approval, **decisions.answer(approval, words))
    return Words(f"Answered agent {approval.pid}.")


def _feedback(client: Aether, rest: str) -> Any:
    usage = "feedback PID [STEP up|down|none words …]"
    which, said = _said(rest, usage, words=False)
    pid = _pid(which, usage)
    if not said:
        return Words(show.feedback_text(client.feedback(pid)))
    step, _, more = said.partition(" ")
    thumb, _, comment = more.strip().partition(" ")
    if not step.isdecimal() or thumb not in ("up", "down", "none"):
        raise BadRequest(f"Say which step, and up, down or none: %aether {usage}")
    given = client.give_feedback(pid, int(step), cast(Thumb, thumb), comment.strip())
    taken = given.thumb == "none" and not given.comment
    return Words(f"Taken back on step {step}." if taken else show.feedback_text([given]))


def _profile(client: Aether, rest: str) -> Any:
    agent = rest.strip()
    if not agent:
        return Words(show.profiles_text(client.profiles()))
    return Words(show.profile_text(client.profile(int(agent) if agent.isdecimal() else agent)))


def _rules(client: Aether, rest: str) -> Any:
    _parsed(rest, "rules")
    return Words(show.rules_text(client.rules()))


def _revoke(client: Aether, rest: str) -> Any:
    [key], _ = _parsed(rest, "revoke ID", least=1, most=1)
    client.revoke(key)
    return Words(f"Rule {key} is withdrawn; such calls ask again.")


def _of_agent(rest: str) -> tuple[str, str, str]:
    """A name, the colon, and what comes after it. A name has spaces as often as not; one with a colon is quoted."""
    found = re.fullmatch(r"\s*(?:(['\"])(.*?)\1|([^:]*))\s*(?:(:)(.*))?", rest, re.DOTALL)
    if found is None:
        raise BadRequest("The name does not read well; put quotation marks round it, and a colon after it before words")
    return (found[2] or found[3] or "").strip(), found[4] or "", (found[5] or "").strip()


def _memory(client: Aether, rest: str) -> Any:
    agent, colon, question = _of_agent(rest)
    if not agent:
        return Words(show.spaces_text(client.spaces()))
    if colon and not question:
        raise BadRequest("Say what to recall: %aether memory NAME: words, or leave out the colon for the newest")
    if question:
        return Words(show.recall_text(client.recall(agent, question)))
    return Words(show.page_text(client.memories(agent, limit=20), agent))


def _notes(client: Aether, rest: str) -> Any:
    agent, colon, text = _of_agent(rest)
    if not agent:
        raise BadRequest("Say which agent: %aether notes NAME, or %aether notes NAME: words")
    versions = client.notes(agent)
    if colon:
        written = client.write_notes(agent, text, version=versions[0].version if versions else 0)
        return Words(f"MEMORY.md of {agent} is version {written.version}.")
    text = versions[0].text if versions else ""
    return Words(text or f"{agent} has no MEMORY.md; %aether notes {agent}: words writes one.")


def _doctor(client: Aether, rest: str) -> Any:
    _parsed(rest, "doctor")
    return Words(show.checks_text(client.health().checks))


_WORDS: dict[str, Callable[[Aether, str], Any]] = {
    "ps": _ps,
    "logs": _logs,
    "context": _context,
    "plan": _plan,
    "signal": _signal,
    "send": _send,
    "extend": _extend,
    "model": _model,
    "take": _take,
    "return": _return,
    "snapshot": _snapshot,
    "snapshots": _snapshots,
    "restore": _restore,
    "fork": _fork,
    "models": _models,
    "approvals": _approvals,
    "approve": _approve,
    "refuse": _refuse,
    "answer": _answer,
    "feedback": _feedback,
    "profile": _profile,
    "rules": _rules,
    "revoke": _revoke,
    "memory": _memory,
    "notes": _notes,
    "doctor": _doctor,
}


def _parsed(
    rest: str, usage: str, kinds: Mapping[str, type] | None = None, *, least: int = 0, most: int = 0
) -> tuple[list[str], dict[str, Any]]:
    """The plain words of a line, from `least` to `most`, and its options, each converted to its kind."""
    kinds = kinds or {}
    words, options = [], {}
    left = rest.split()
    while left:
        word = left.pop(0)
        key, at, value = word.partition("=")
        if not word.startswith("--"):
            words.append(word)
        elif key not in kinds:
            raise BadRequest(f"{key} is no option here: %aether {usage}")
        elif kinds[key] is bool:
            options[key] = True
        else:
            value = value if at else left.pop(0) if left else ""
            try:
                options[key] = kinds[key](value)
            except ValueError:
                raise BadRequest(f"{key}: {value!r} is no number") from None
    if not least <= len(words) <= most:
        says = "Say which one" if len(words) < least else f"{' '.join(words[most:])!r} is too much"
        raise BadRequest(f"{says}: %aether {usage}")
    return words, options


def _said(rest: str, usage: str, *, words: bool = True) -> tuple[str, str]:
    """The first word, and the rest as it was written; quotes around all of it go."""
    which, _, said = rest.strip().partition(" ")
    said = said.strip()
    if len(said) > 1 and said[0] == said[-1] and said[0] in "'\"" and said[0] not in said[1:-1]:
        said = said[1:-1]
    if not which or (words and not said):
        raise BadRequest(f"Say {'what' if which else 'which one'}: %aether {usage}")
    return which, said


def _pid(word: str, usage: str) -> int:
    if not word.isdecimal():
        raise BadRequest(f"Say which agent: %aether {usage}")
    return int(word)


def _approval(client: Aether, which: str) -> Approval:
    if which.isdecimal():
        return decisions.only(int(which), client.approvals(pid=int(which)))
    return client.approval(which)
