"""How an agent reads where no screen of ours is: figures, words, Markdown, tables. What agents wrote is escaped."""

from __future__ import annotations

import html
import re
import shlex
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ..abc import Check
from ..answers import ModelList, SpaceList
from ..model.context import ContextView
from ..model.events import (
    ApprovalClosed,
    ApprovalDecided,
    ApprovalRequested,
    AuxiliaryAnswered,
    AuxiliaryRequested,
    ContextCompacted,
    ControlAsked,
    ControlReturned,
    ControlTaken,
    Event,
    FeedbackGiven,
    Guidance,
    LimitsExtended,
    MemoriesGiven,
    MessageSent,
    ModelAnswered,
    ModelChosen,
    ModelFailed,
    ModelRequested,
    PlanChanged,
    ProcessErased,
    ProcessExited,
    ProcessReaped,
    ProcessRestored,
    ProcessSpawned,
    Reflected,
    RequestMoved,
    RequestOpened,
    ShellClosed,
    ShellOpened,
    SignalSent,
    SnapshotDeleted,
    SnapshotTaken,
    StateChanged,
    ToolEnded,
    ToolStarted,
)
from ..model.feedback import Judgement
from ..model.harmless import code, formatted, line, markdown, plain
from ..model.image import captions
from ..model.memory import Alike, Consolidated, Memory, MemoryPage, MemoryUse, Merged, Recall
from ..model.memory_file import ImportReport
from ..model.message import AGENT, Text, Thinking
from ..model.personal import Holding
from ..model.plan import PlanAsItStands, outline
from ..model.process import Process, State
from ..model.profile import Profile, Standing
from ..model.snapshot import Branched, Comparison, Snapshot, SnapshotDetail
from ..model.tool import Approval, ApprovalRule
from ..model.view import describe
from .decisions import offered

MIME = "application/vnd.aether.process+json"


def money(process: Process) -> str:
    """`$0.42`, `$0.42 of $2`, `<$0.01`, `~$0.42` where a provider gave no figures."""
    limit = process.limits.cost_usd
    of = f" of ${limit:g}" if limit is not None else ""
    return ("" if process.cost_known else "~") + dollars(process.cost_usd) + of


def dollars(cost_usd: float) -> str:
    """`$0.42`, `$0.00`, `<$0.01`."""
    return "$0.00" if cost_usd == 0 else "<$0.01" if cost_usd < 0.01 else f"${cost_usd:,.2f}"


def tokens(count: int) -> str:
    """`940`, `18.4k`, `1.1M`."""
    return str(count) if count < 1000 else f"{count / 1000:.1f}k" if count < 999_950 else f"{count / 1e6:.1f}M"


def span(seconds: float) -> str:
    """`0m 38s`, `1h 08m`, `2d 3h`."""
    whole = max(0, int(seconds))
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600}h"


def time_spent(process: Process, now: float | None = None) -> str:
    """The time it was RUNNING."""
    running = 0.0
    if process.run_since is not None:
        running = max(0.0, (time.time() if now is None else now) - process.run_since)
    return span(process.run_s + running)


def steps(process: Process) -> str:
    """`12/50`, or `52` without a limit."""
    return f"{process.step}/{process.limits.steps}" if process.limits.steps else str(process.step)


def plan(process: Process) -> str:
    """How much of its plan is done, `4/6`; '' without one."""
    return f"{process.plan_done}/{process.plan_steps}" if process.plan_steps else ""


def word(process: Process) -> str:
    """The state as people say it."""
    if process.state is State.ZOMBIE:
        return "Done" if process.exit is not None and process.exit.code == 0 else "Failed"
    if process.needs_person:
        return "Waiting for you"
    return process.state.value.capitalize()


def figures(process: Process) -> str:
    """One line: `after 27 steps, 6m 20s, $0.51 (81.0k tokens, MODEL, PID 4131)`."""
    count = f"{process.step} step" + ("" if process.step == 1 else "s")
    model = line(process.model, 80) or "no model"
    spent = f"{count}, {time_spent(process)}, {money(process)}"
    return f"after {spent} ({tokens(process.tokens)} tokens, {model}, PID {process.pid})"


def summary_markdown(process: Process, *, bound: str = "", approvals: Iterable[Approval] = ()) -> str:
    """What a saved notebook shows: state and figures, then the result, the failure, or what it waits for."""
    head = f"**{word(process)}** {markdown(figures(process))}"
    parts = [head]
    if process.exit is not None:
        message = process.exit.message
        if process.exit.code == 0 and process.exit.result is not None:
            import msgspec

            shown = msgspec.json.format(msgspec.json.encode(process.exit.result), indent=2).decode()
            parts.append(code(shown))
        elif message:
            parts.append(formatted(message))
        if bound:
            parts.append(f"Result: `{bound}`.")
    elif process.needs_person:
        waiting = list(approvals)
        parts += [approval_markdown(one) for one in waiting]
        if not waiting and process.wait is not None:
            parts.append(markdown(line(process.wait.detail, 400)))
    elif process.voice is not None:
        parts.append(markdown(line(process.voice.text, 280)))
    return "\n\n".join(parts)


def summary_text(process: Process) -> str:
    """The same as plain text."""
    lines = [f"{word(process)} {figures(process)}"]
    if process.exit is not None and process.exit.message:
        lines.append(plain(process.exit.message))
    elif process.wait is not None and process.wait.detail:
        lines.append(line(process.wait.detail, 400))
    return "\n".join(lines)


def approval_markdown(approval: Approval) -> str:
    """The whole of what waits for a decision, and how to decide it from a cell."""
    how = f"Decide it in the Approvals panel, or here: `%aether approve {approval.id}`, `%aether refuse {approval.id}`."
    if approval.kind == "question":
        options = "".join(f"\n- {markdown(line(o, 300))}" for o in approval.options)
        how = f"Answer it in the Approvals panel, or here: `%aether answer {approval.id} …`."
        return f"It asks: {markdown(approval.question)}{options}\n\n{how}"
    if approval.kind == "limit":
        how = (
            f"Decide it in the Approvals panel, or here: `%aether approve {approval.id}` ({offered(approval)}), "
            f"`%aether refuse {approval.id}` (it ends)."
        )
        return f"{markdown(approval.because or approval.question)}\n\n{how}"
    risk = f" ({approval.risk.value})" if approval.risk is not None else ""
    parts = [f"It asks to run{risk}:", code(call_text(approval))]
    if approval.preview:
        parts.append(code(approval.preview))
    if approval.because:
        parts.append(f"It asks because {markdown(approval.because)}.")
    if approval.where:
        parts.append(f"Where: {markdown(approval.where)}")
    return "\n\n".join([*parts, how])


def asked_text(approval: Approval) -> str:
    """All that a person must know to decide, as plain text."""
    if approval.kind == "question":
        options = "".join(f"\n  {number}. {line(option)}" for number, option in enumerate(approval.options, 1))
        return f"Agent {approval.pid} asks: {plain(approval.question)}{options}"
    if approval.kind == "limit":
        return f"Agent {approval.pid}: {plain(approval.because or approval.question)}"
    risk = f" ({approval.risk.value})" if approval.risk is not None else ""
    where = f", {approval.where}" if approval.where else ""
    because = f"It asks because {approval.because}." if approval.because else ""
    parts = [f"Agent {approval.pid} asks to run{risk}{where}:", call_text(approval), approval.preview, because]
    return plain("\n".join(part for part in parts if part))


def checks_text(checks: Iterable[Check]) -> str:
    """Each part's answer on a line, and below it what to do where it is not well."""
    listed = list(checks)
    wide = max((len(check.name) for check in listed), default=0)
    rows = []
    for check in listed:
        rows.append(f"{'ok  ' if check.ok else 'FAIL' if check.fatal else 'no  '}  {check.name:{wide}}  {check.detail}")
        if not check.ok and check.fix:
            rows.append(f"{'':{wide + 8}}→ {check.fix}")
    return "\n".join(rows)


def rules_text(rules: Iterable[ApprovalRule]) -> str:
    """Standing approvals, one a line."""
    rows = [
        f"{r.id}  {r.tool}  {'agent ' + str(r.pid) if r.pid is not None else 'every agent'}  used {r.uses} times"
        for r in rules
    ]
    return "\n".join(rows) or "No standing approvals."


def models_text(found: ModelList) -> str:
    """One line a model: its id, the families it belongs to, its price, and what keeps it from being asked."""
    wide = max((len(each.id) for each in found.models), default=0)
    rows = []
    for each in found.models:
        free = each.input_usd == each.output_usd == 0
        known = each.input_usd is not None and each.output_usd is not None
        price = "free" if free else f"${each.input_usd:g} in, ${each.output_usd:g} out" if known else "price not known"
        ready = "" if each.available.ok else f"  not ready: {line(each.available.detail, 200)}"
        sees = ", takes images" if each.sees else ""
        mark = "*" if each.id == found.default else " "
        rows.append(f"{mark} {each.id:{wide}}  {', '.join(each.families) or '-':18}  {price}{sees}{ready}")
    asked = f"Agents that name no model ask {found.default}." if found.default else "No model is set up."
    rows.append(f"{asked} Prices are for a million tokens.")
    return "\n".join(rows)


def call_text(approval: Approval) -> str:
    """The exact call in full: the tool, then each argument."""
    call = approval.call
    if call is None:
        return approval.question or approval.because
    rows = [call.tool]
    for name, value in (call.arguments or {}).items():
        text = value if isinstance(value, str) else _json(value)
        rows.append(f"  {name}: " + text.replace("\n", "\n    "))
    return "\n".join(rows)


def event_text(event: Event) -> tuple[str, str]:
    """An event as `(kind, words)`; kind is empty for what is not shown in a timeline."""
    match event:
        case ProcessSpawned(process=process, spec=spec):
            return "start", process.goal + captions(spec.images)
        case ProcessRestored(told=told):
            return "goes on", told
        case SnapshotTaken(snapshot=snapshot):
            return "snapshot", f"{snapshot.id} taken by {snapshot.by}" + (
                f": {snapshot.label}" if snapshot.label else ""
            )
        case SnapshotDeleted(snapshot=key):
            return "snapshot", f"{key} deleted"
        case ModelRequested(step=step, model=model, why=why, since=since) if why and step == since:
            return "model", f"{model}. {why}"
        case ModelChosen(model=model, by=by):
            return "model", f"{by} chose {model}"
        case ModelAnswered(model=model, parts=parts, instead=instead):
            words = " ".join(p.text for p in parts if isinstance(p, Text | Thinking) and p.text.strip())
            if instead:
                words = f"[answered by {model}, for {instead.rstrip('.')}] {words}".rstrip()
            return ("thought" if words else ""), words
        case ToolStarted(call=call):
            return "action", describe(call)
        case ToolEnded(tool=tool, outcome=outcome):
            return ("result" if outcome.ok else "error"), f"{tool}: {outcome.content}{captions(outcome.images)}"
        case MessageSent(sender=sender, text=text, images=images):
            return "message", f"{sender}: {text}{captions(images)}"
        case ModelFailed(message=message):
            return "error", message
        case Guidance(text=text):
            return "guided", text
        case MemoriesGiven(text=text):
            return "remembers", text
        case ApprovalRequested(approval=approval):
            what = describe(approval.call) if approval.call else approval.question or approval.because
            return "asks", f"{approval.id}: {what}"
        case ApprovalDecided(decision=decision, kind=kind):
            tail = decision.answer or decision.reason or ""
            return "decided", f"{kind}: {decision.verdict} by {decision.by}" + (f": {tail}" if tail else "")
        case ApprovalClosed(why=why):
            return "closed", why
        case SignalSent(signal=signal):
            return "signal", signal.value
        case LimitsExtended(limits=limits):
            return "limits", f"steps {limits.steps}, tokens {limits.tokens}, cost {limits.cost_usd}"
        case StateChanged(state=state, why=why) if why:
            return "state", f"{state.value}: {why}"
        case ProcessExited(status=status):
            return ("answer" if status.code == 0 else "failed"), status.message or status.reason
        case RequestOpened(request=request):
            return "asks", f"agent {request.receiver} ({request.kind}): {request.text}"
        case RequestMoved(request_id=request_id, status=status):
            return "request", f"{request_id} is {status.replace('_', ' ')}"
        case AuxiliaryAnswered(purpose=purpose, message=message) if message:
            return "error", f"no {purpose}: {message}"
        case ContextCompacted(first=first, last=last, summary=summary):
            return "compacted", f"steps {first} to {last}: {summary}"
        case PlanChanged(plan=changed, by=by):
            return "plan", f"by {by}\n{outline(changed)}"
        case Reflected(rating=rating, lessons=lessons):
            return "reflects", f"{rating} of 5. {' '.join(lessons)}".strip()
        case ControlTaken(by=by):
            return "control", f"{by} took over"
        case ControlAsked(by=by):
            return "control", f"{by} asks for it"
        case ControlReturned(by=by, why=why, note=note):
            ended = f"{by} handed back" if why == "returned" else f"{by} is gone; the agent has control again"
            return "control", f"{ended}{f': {note}' if note else ''}"
        case ShellOpened(by=by):
            return "terminal", f"{by} opened one in its sandbox"
        case ShellClosed(by=by, duration_s=duration):
            return "terminal", f"{by} left it after {duration:.0f} s"
        case FeedbackGiven(step=step, by=by, thumb=thumb, comment=comment):
            judged = {"up": "thumb up", "down": "thumb down", "none": "comment"}[thumb]
            return "feedback", f"{by} on step {step}: {judged}{f', {comment}' if comment else ''}"
        case (
            ModelRequested()
            | AuxiliaryRequested()
            | AuxiliaryAnswered()
            | ProcessReaped()
            | ProcessErased()
            | StateChanged()
        ):
            return "", ""


class Table(list[Process]):
    """A list of processes that shows itself as a table."""

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                str(p.pid),
                line(p.name, 40),
                p.state.value if p.reaped_at is None else "reaped",
                word(p),
                steps(p),
                plan(p),
                tokens(p.tokens),
                money(p),
                time_spent(p),
                line(p.model, 40),
                line(p.goal, 80),
            )
            for p in self
        ]

    HEAD = ("PID", "NAME", "STATE", "", "STEPS", "PLAN", "TOKENS", "COST", "TIME", "MODEL", "GOAL")

    def __repr__(self) -> str:
        if not self:
            return "No agents. Start one with %%agent, aether.spawn() or `aether run`."
        rows = [self.HEAD, *self._rows()]
        wide = [max(len(row[i]) for row in rows) for i in range(len(self.HEAD))]
        return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, wide, strict=True)).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No agents. Start one with <code>%%agent</code> or <code>aether.spawn()</code>.</p>"
        head = "".join(f'<th style="text-align:left">{html.escape(c.capitalize())}</th>' for c in self.HEAD)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{html.escape(c)}</td>' for c in row) + "</tr>"
            for row in self._rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _repr_markdown_(self) -> str:
        if not self:
            return "No agents. Start one with `%%agent` or `aether.spawn()`."
        rows = ["| " + " | ".join(c.capitalize() for c in self.HEAD) + " |", "|" + " --- |" * len(self.HEAD)]
        rows += ["| " + " | ".join(markdown(c) for c in row) + " |" for row in self._rows()]
        return "\n".join(rows)


def bundle(process: Process, text: str) -> dict[str, Any]:
    """The output of a cell: our renderer's data with Markdown and plain text beside it."""
    return {
        MIME: {"pid": process.pid, "cursor": 0, "name": process.name},
        "text/markdown": text,
        "text/plain": summary_text(process),
    }


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


_SEEN = re.compile(r"\A# plan (\d+):")


def plan_seen(outline: str) -> int | None:
    """Which plan an outline was made from: the number in the heading that `plan_text` gave it."""
    found = _SEEN.match(outline)
    return int(found[1]) if found else None


def plan_text(found: PlanAsItStands) -> str:
    """Which plan it is and how far as a heading, and the outline. Given back, it is refused if there is another now."""
    if not found.plan.steps:
        return "It has no plan."
    by = "the agent" if found.by == AGENT else line(found.by, 80)
    return plain(f"# plan {found.n}: {found.done} of {found.steps} done, changed by {by}\n{found.outline}")


def spaces_text(found: SpaceList) -> str:
    """Whose memories there are, how many in each layer, and who may read them besides."""
    rows = []
    for space in found.spaces:
        layers = ", ".join(f"{count} {layer}" for layer, count in space.layers.items())
        readers = f"; read by {', '.join(space.readers)} as well" if space.readers else ""
        rows.append(line(f"{space.agent}: {layers}{readers}", 300))
    if found.waiting:
        rows.append(f"{found.waiting} are not found by meaning yet; their vectors are being computed.")
    if found.waiting is None:
        rows.append("Recall goes by words alone; with the extra `memory` it goes by meaning, too.")
    return "\n".join(rows) if found.spaces else "Nobody remembers anything yet."


def feedback_text(found: Iterable[Judgement]) -> str:
    """One line a judgement, and what it did to memories."""
    rows = []
    for each in found:
        thumb = {"up": "thumb up", "down": "thumb down", "none": "comment"}[each.thumb]
        comment = f": {each.comment}" if each.comment else ""
        moved = ", ".join(f"{key} {by:+.1f}" for key, by in each.moved.items())
        weighed = f" (importance of memory {moved})" if moved else ""
        rows.append(line(f"step {each.step}: {each.by}, {thumb}{comment}{weighed}", 400))
    return "\n".join(rows) or "Nobody has said anything of it yet."


def standing_text(standing: Standing) -> str:
    """An agent's runs in one line."""
    s = standing
    ends = [(s.succeeded, "succeeded"), (s.failed, "failed"), (s.stopped, "stopped")]
    parts = [f"{s.tasks} task{'' if s.tasks == 1 else 's'}", *(f"{count} {word}" for count, word in ends if count)]
    if s.quality is not None:
        parts.append(f"rated {s.quality:.1f} of 5")
    if s.thumbs_up or s.thumbs_down:
        parts.append(f"{s.thumbs_up} thumbs up, {s.thumbs_down} down")
    if s.tasks:
        parts.append(f"{dollars(s.cost_usd)}, {tokens(s.tokens)} tokens, {span(s.run_s)}")
    return line(f"{s.agent}: {'; '.join(parts)}", 400)


def profiles_text(found: Iterable[Standing]) -> str:
    """One line an agent, who ended last first."""
    return "\n".join(standing_text(each) for each in found) or "No run of any agent has ended yet."


def profile_text(profile: Profile) -> str:
    """The figures of an agent, and what they rest on."""
    rows = [standing_text(profile)]
    if profile.tasks:
        mean = f"{dollars(profile.mean_cost_usd)}, {tokens(round(profile.mean_tokens))} tokens"
        rows.append(f"A task costs {mean} and takes {span(profile.mean_run_s)} on average.")
    named = (
        ("Roles", ", ".join(profile.roles)),
        ("Works with", ", ".join(f"{tool} ({count})" for tool, count in profile.tools.items())),
        ("Knows how", ", ".join(f"{tag} ({count})" for tag, count in profile.tags.items())),
    )
    rows += [line(f"{name}: {said}", 400) for name, said in named if said]
    rows += [line(f"What worked: {each.text}", 400) for each in profile.strategies[:3]]
    for task in profile.last:
        end = "stopped" if task.succeeded is None else "succeeded" if task.succeeded else "failed"
        rated = f", {task.rating} of 5" if task.rating is not None else ""
        rows.append(f"{task.pid:>6}  {end}{rated}  {line(task.goal, 120)}")
    said = [each for each in profile.feedback if each.comment]
    rows += [line(f"{each.by} on step {each.step} of {each.pid}: {each.comment}", 400) for each in said]
    return "\n".join(rows)


def memories_text(found: Iterable[Memory]) -> str:
    """One line a memory."""
    rows = []
    for each in found:
        weight = "pinned" if each.pinned else f"{each.importance:.1f}"
        rows.append(f"{each.id:>6}  {each.layer:10}  {weight:6}  {line(each.text, 200)}")
    return "\n".join(rows) or "Nothing is remembered."


def context_text(seen: ContextView) -> str:
    """What a model was told: the sections with their tokens, each entry on a line, and what came of each memory."""
    of = f" of {seen.window_tokens:,}" if seen.window_tokens else ""
    rows = [f"Agent {seen.pid}, step {seen.step} of {seen.last_step}, {seen.model}: {seen.tokens:,}{of} tokens"]
    if seen.input_tokens is not None:
        rows[0] += f" (the provider counted {seen.input_tokens:,})"
    if seen.why:
        rows.append(f"This model: {line(seen.why, 200)}")
    if not seen.kept:
        rows.append("The standing instructions and tools of this step were not kept.")
    if seen.abridged:
        rows.append(
            "Its provider says the system part, tools and reminders in its own, shorter words, and shortens results."
        )
    for section in seen.sections:
        rows.append(f"\n{section.title}  {section.tokens:,}")
        for entry in section.entries:
            said = " ".join(word for word in (entry.title, "" if entry.ok else "failed") if word)
            step = "" if entry.step is None else str(entry.step)
            rows.append(f"  {step:>5}  {entry.kind:8}  {line(f'{said}: {entry.text}' if said else entry.text, 160)}")
    if seen.memories:
        rows.append("")
    for memory in seen.memories:
        said = f"left out ({memory.left_out})" if memory.left_out else "cited" if memory.cited else "given, not cited"
        score = f"{memory.why.score:.2f}  " if memory.why is not None else ""
        rows.append(f"{memory.id:>7}  {score}{said}: {line(memory.text, 120)}")
    return "\n".join(rows)


def recall_text(found: Recall) -> str:
    """Best first, each with the parts of its score."""
    rows = []
    for each in found.found:
        why = each.why
        parts = (
            ("words", why.words),
            ("meaning", why.meaning),
            ("importance", why.importance),
            ("recency", why.recency),
        )
        told = ", ".join(f"{name} {value:.2f}" for name, value in parts)
        rows.append(f"{each.memory.id:>6}  {why.score:.2f} ({told})  {line(each.memory.text, 200)}")
    if found.found and not found.by_meaning:
        rows.append("Found by words alone.")
    return "\n".join(rows) or "Nothing fits."


def page_text(found: MemoryPage, agent: str) -> str:
    """One line a memory, and how to see the next page."""
    more = (
        [f"There are {found.total}; for the next add --cursor {found.next} to: aether memory list {shlex.quote(agent)}"]
        if found.next
        else []
    )
    return "\n".join([memories_text(found.memories), *more])


def snapshots_text(found: Iterable[Snapshot]) -> str:
    """One line a snapshot."""
    rows = []
    for each in found:
        whose = f"agent {each.pid}" if each.pid is not None else "from elsewhere"
        when = datetime.fromtimestamp(each.taken_at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        why = {"asked": "", "destructive": ", before what cannot be undone", "fork": ", for a fork", "imported": ""}
        size = f"{each.files:,} files, {each.size_bytes:,} bytes ({each.new_bytes:,} new)"
        words = f": {each.label}" if each.label else ""
        kept = ", kept" if each.kept else ""
        about = f"{each.id:>6}  {when}  {whose} ({each.name}), step {each.step}, {size}{why[each.reason]}{kept}{words}"
        rows.append(line(about, 300))
    return "\n".join(rows) or "No snapshots yet; aether snapshot take PID takes one."


def snapshot_text(found: SnapshotDetail) -> str:
    """What is in a snapshot."""
    rows = [snapshots_text([found.snapshot])]
    if found.layers:
        rows.append("memories: " + ", ".join(f"{count} {layer}" for layer, count in found.layers.items()))
    if found.plan.steps:
        rows += ["plan:", *(f"  {row}" for row in outline(found.plan).splitlines())]
    rows += [f"left out: {line(each.path)}: {each.why}" for each in found.left_out]
    rows += [f"open then: {len(each)} {kind}" for kind, each in found.extras.items()]
    return "\n".join(rows)


def comparison_text(found: Comparison) -> str:
    """What is otherwise in the second of two snapshots."""
    before, after = found.before, found.after
    counts = f"{found.added} added, {found.removed} removed, {found.changed} changed, {found.unchanged} as they were"
    rows = [
        f"snapshot {before.id} (step {before.step}) to {after.id} (step {after.step})",
        f"files: {counts}; {found.bytes:+,} bytes",
    ]
    for each in found.files:
        sign = "+" if each.before_bytes is None else "-" if each.after_bytes is None else "~"
        size = each.after_bytes if each.after_bytes is not None else each.before_bytes
        rows.append(f"  {sign} {line(each.path)} ({size:,} bytes)")
    rows += [f"plan: {line(each, 300)}" for each in found.plan]
    rows += [f"memories: {by:+} {layer}" for layer, by in found.layers.items() if by]
    return "\n".join(rows)


def branched_text(made: Branched) -> str:
    """Who goes on, and what differs from the moment it was branched from."""
    process = made.process
    return "\n".join([f"Agent {process.pid} ({line(process.name)}) goes on from step {process.step}.", *made.notes])


def alike_text(found: Iterable[Alike]) -> str:
    """Three lines a pair: how alike, and the two."""
    rows = []
    for each in found:
        how = "by meaning" if each.by_meaning else "by words"
        rows.append(f"{each.likeness:.2f} {how}: aether memory merge {each.first.id} {each.second.id}")
        rows += [f"{memory.id:>6}  {line(memory.text, 200)}" for memory in (each.first, each.second)]
    return "\n".join(rows) or "No two of them say the same."


def merged_text(found: Merged, *, dry_run: bool) -> str:
    """What stays, and what went into it."""
    gone = ", ".join(str(each.id) for each in found.gone)
    did = f"{gone} would go into {found.memory.id}" if dry_run else f"{gone} went into {found.memory.id}"
    return f"{did}; `aether memory restore ID` undoes it.\n{memories_text([found.memory])}"


def uses_text(found: Iterable[MemoryUse]) -> str:
    """One line for each time that a model was given it."""
    rows = []
    for each in found:
        cited = f"cited at step {each.cited}" if each.cited is not None else "not cited"
        rows.append(f"agent {each.pid}, step {each.step}: {each.how} with {each.score:.2f}, {cited}")
    return "\n".join(rows) or "No model was given it yet."


def import_text(report: ImportReport) -> str:
    """What an import would change, file by file, or what it left alone; and the sum."""
    rows = []
    shown = [each for each in report.changes if not report.applied or each.problem]
    for each in shown:
        where = f":{each.line}" if each.line else ""
        number = f" [{each.id}]" if each.id else ""
        rows.append(f"{each.kind:10}  {line(each.path, 120)}{where}{number}")
        rows += [f"            {plain(row)}" for row in each.diff.splitlines()]
        if each.problem:
            rows.append(f"            {line(each.problem, 400)}")
    left = sum(report.counts.values()) - report.counts["same"] - report.counts["missing"] - len(shown)
    if left > 0 and not report.applied:
        rows.append(f"… and {left} more")
    counts = [f"{count} {_KINDS[kind]}" for kind, count in report.counts.items() if count and kind in _KINDS]
    rows.append(f"{report.agent}: {', '.join(counts) or 'nothing to import'}.")
    if report.counts["missing"]:
        rows.append(
            f"{report.counts['missing']} memories have no file here; they stay, unless you say --forget-missing."
        )
    return "\n".join(rows)


_KINDS = {
    "new": "new",
    "changed": "changed",
    "moved": "moved to another layer",
    "forgotten": "forgotten",
    "notes": "MEMORY.md",
    "older": "older than what is there",
    "conflict": "in conflict",
    "unreadable": "unreadable",
    "same": "the same",
}


def holding_text(found: Holding) -> str:
    """What is kept, or was erased, by kind; and what stays."""
    whose = f"the agent {line(found.agent)} and those below it" if found.agent else f"everything of {line(found.owner)}"
    rows = [f"{'Erased' if found.erased else 'Kept'}: {whose}"]
    rows += [f"{count:>9,}  {kind}" for kind, count in found.counts.items()]
    rows.append(f"{found.files:>9,}  files ({found.file_bytes:,} bytes)")
    if found.running:
        rows.append(f"Not ended: {', '.join(map(str, found.running))}")
    rows += ["What stays:" if found.erased else "What an erasure leaves:", *(f"  - {each}" for each in found.stays)]
    return "\n".join(rows)


def reports_text(found: Iterable[Consolidated]) -> str:
    """A few lines for each consolidation and eviction."""
    rows: list[str] = []
    for each in found:
        moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.at))
        if each.evicted:
            rows.append(f"{moment}: {len(each.evicted)} were forgotten, for a layer was full.")
            continue
        cost = f"; {each.model}, ${each.cost_usd:.4f}" if each.model else ""
        rows.append(
            f"{moment}: {len(each.merged)} merged, {len(each.made)} made, {len(each.disagree)} pairs disagree{cost}"
        )
        rows += [f"  {gone} went into {kept}" for gone, kept in each.merged]
        rows += [f"  {key} was made" for key in each.made]
        rows += [f"  {one} disagrees with {other}" for one, other in each.disagree]
        rows += [f"  {line(each.note, 300)}"] if each.note else []
    return "\n".join(rows) or "Nothing was consolidated or evicted yet."
