"""The browsers that are open, one a process, and the gate through which they reach the world."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from ..abc import Availability, Browser, BrowserKind, BrowserSeat, Onlooker
from ..config import Settings
from ..engine import permissions
from ..engine.permissions import Applied
from ..gate import Decision, Gate, Policy, pattern
from ..model.agent import AgentSpec, SandboxSpec
from ..model.errors import ToolFailed
from ..model.memory import memory_name

log = logging.getLogger(__name__)

REFUSALS = 50
SWEEP_S = 15.0
STATE = "state.json"


def policy_of(spec: SandboxSpec, private: tuple[str, ...], objection: Callable[[str, int], str]) -> Policy | None:
    """Where a process with this sandbox may browse; None for nowhere.

    `private` is the administrator's list, which is open to whose own list names the host as well.
    """
    if spec.network == "none":
        return None
    if spec.network == "host":
        return Policy(("*:*",), private, objection)
    listed = [pattern(each) for each in spec.hosts]

    def unlisted(host: str, port: int) -> str:
        if not any(each.fits(host, port) for each in listed):
            return f"{host}:{port} is not among the hosts of this agent: {', '.join(spec.hosts)}"
        return objection(host, port)

    return Policy(spec.hosts, private, unlisted)


@dataclass
class _Place:
    """One process's browser, and what the gate asks about it."""

    rules: Callable[[str], Applied | None]
    vouched: set[str] = field(default_factory=set)
    refused: deque[str] = field(default_factory=lambda: deque(maxlen=REFUSALS))
    browser: Browser | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def objection(self, host: str, port: int) -> str:
        """Why permissions keep a request from going to this host, '' if they do not."""
        applied = self.rules(host)
        if applied is None or applied.permission.verdict == "allow":
            return ""
        why = applied.permission.why or str(applied.permission)
        if applied.permission.verdict == "deny":
            return f"{host} is not permitted: {why}"
        if host in self.vouched:
            return ""
        return f"{host} is to be asked for ({why}); open it with browser_open, so that a person is asked"

    def refusals(self) -> Sequence[str]:
        """What the gate refused since it was last asked."""
        found = list(self.refused)
        self.refused.clear()
        return found


class Browsers:
    """Seats processes in the first kind of browser there is. Leaving its context closes all of them, and the gate."""

    def __init__(self, kinds: Mapping[str, BrowserKind], settings: Settings) -> None:
        self._kinds = list(kinds.values())
        self._settings = settings
        self._places: dict[int, _Place] = {}
        self._onlookers: dict[int, Onlooker] = {}
        self._gate = Gate(hear=self._heard)
        self._listening = asyncio.Lock()
        self._resting = asyncio.Event()

    async def __aenter__(self) -> Browsers:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_all()
        for each in self._kinds:
            await each.close()
        await self._gate.close()

    async def available(self) -> Availability:
        """Whether agents can browse here."""
        answers = [await kind.available() for kind in self._kinds]
        none = Availability(False, "no browser is registered", "Install aether_jupyter as a whole.")
        return next((answer for answer in answers if answer.ok), answers[0] if answers else none)

    async def open(
        self,
        pid: int,
        home: Callable[[], Awaitable[Path]],
        spec: SandboxSpec,
        state: Path | None,
        rules: Callable[[str], Applied | None],
    ) -> Browser:
        """The process's browser. `rules` gives the permission for a host. Raises `ToolFailed` with the way out."""
        place = self._places.setdefault(pid, _Place(rules))
        place.rules = rules
        policy = policy_of(spec, self._settings.private_hosts, place.objection)
        if policy is None:
            raise ToolFailed(
                "this agent has no network, so it cannot browse. A person can start one that has: its sandbox with "
                "network='allowed' and hosts, or network='host'"
            )
        async with place.lock:
            if self._places.get(pid) is not place:
                raise ToolFailed("the browser was closed, for the agent has ended")
            if place.browser is None or not place.browser.awake:
                await self._make_room()
            if place.browser is None:
                await self._listen()
                name = str(pid)
                secret = self._gate.admit(name, policy)
                most = self._settings.home_quota_bytes
                seat = BrowserSeat(
                    pid=pid,
                    home=home,
                    home_bytes=most if spec.disk_mb is None else min(most, spec.disk_mb << 20),
                    gate=f"http://{self._gate.host}:{self._gate.port}",
                    user=name,
                    secret=secret,
                    state=state,
                    refusals=place.refusals,
                    vouch=place.vouched.add,
                )
                kind = await self._kind()
                place.browser = await kind.open(seat)
                await place.browser.watch(self._onlookers.get(pid))
            return place.browser

    def opened(self, pid: int) -> Browser | None:
        """The process's browser, None if it has not opened one here."""
        place = self._places.get(pid)
        return place.browser if place is not None else None

    async def watch(self, pid: int, onlooker: Onlooker | None) -> None:
        """Show the process's browser from now on, and whichever it opens later; to nobody for None."""
        if onlooker is None:
            self._onlookers.pop(pid, None)
        else:
            self._onlookers[pid] = onlooker
        browser = self.opened(pid)
        if browser is not None:
            await browser.watch(onlooker)

    async def showing(self, pid: int) -> Mapping[str, Sequence[str]]:
        """The addresses of the pages that a process has open, as snapshots keep them."""
        browser = self.opened(pid)
        return {"pages": browser.addresses} if browser is not None else {}

    async def close(self, pid: int) -> None:
        """End the process's browser, if one is open."""
        place = self._places.pop(pid, None)
        if place is None:
            return
        async with place.lock:
            if place.browser is not None:
                await place.browser.close()
            self._gate.dismiss(str(pid))

    async def close_all(self) -> None:
        """End every browser; one that does not close is logged and does not keep the others open."""
        pids = list(self._places)
        for pid, result in zip(
            pids, await asyncio.gather(*(self.close(p) for p in pids), return_exceptions=True), strict=True
        ):
            if isinstance(result, Exception):
                log.error("the browser of process %s did not close", pid, exc_info=result)

    async def reap(self, alive: Container[int]) -> None:
        """Close the browsers of processes that have ended."""
        for pid in [pid for pid in self._places if pid not in alive]:
            await self.close(pid)

    async def sweep(self) -> None:
        """Have browsers that are not used give their memory back, for ever; with the last one Chromium itself goes."""
        while True:
            await asyncio.sleep(min(SWEEP_S, self._settings.browser_idle_s))
            late = [browser for browser in self._awake() if browser.idle_s > self._settings.browser_idle_s]
            for browser in late:
                await browser.rest()
            if late and not self._awake() and not any(place.lock.locked() for place in self._places.values()):
                for kind in self._kinds:
                    await kind.close()

    def _awake(self) -> list[Browser]:
        return [p.browser for p in self._places.values() if p.browser is not None and p.browser.awake]

    async def _make_room(self) -> None:
        """Have the browser rest that was not used for longest, if as many are awake as may be. Raises `ToolFailed`."""
        awake = self._awake()
        if len(awake) < self._settings.browsers:
            return
        longest = max(awake, key=lambda browser: browser.idle_s)
        if not longest.idle_s:
            raise ToolFailed(f"{len(awake)} browsers are at work on this server, and no more may be; try again later")
        await longest.rest()

    async def _kind(self) -> BrowserKind:
        for kind in self._kinds:
            if (await kind.available()).ok:
                return kind
        answer = await self.available()
        raise ToolFailed(f"there is no browser here: {answer.detail}. {answer.fix}")

    async def _listen(self) -> None:
        async with self._listening:
            if not self._gate.port:
                await self._gate.start()

    def _heard(self, decision: Decision) -> None:
        """Keep what was refused for whoever asked, and for the log."""
        if decision.allowed:
            return
        log.info("the gate refused process %s %s:%s: %s", decision.client, decision.host, decision.port, decision.why)
        place = self._places.get(int(decision.client or 0))
        if place is not None:
            place.refused.append(decision.why)


def seating(
    settings: Settings, owner: str, names: Sequence[str], spec: AgentSpec, model: Callable[[], str]
) -> tuple[Path | None, Callable[[str], Applied | None]]:
    """Where an agent's cookies are kept, None for nowhere; and the permission it has for a host.

    `names` are its own and those of the agents above it; `model` gives the one that thinks for it now.
    """
    policy = permissions.Policy(settings.permissions, spec.permissions)
    name, *parents = names

    def rules(host: str) -> Applied | None:
        return permissions.reached(policy, host, permissions.Caller(tuple(names), spec.role, model()))

    return state_of(settings, owner, memory_name(name, parents)) if spec.keep_profile else None, rules


def states_of(settings: Settings, owner: str) -> Path:
    """The folder with the kept cookies and storage of one owner's agents."""
    return settings.home / "browsers" / f"of-{quote(owner, safe='')}"


def state_of(settings: Settings, owner: str, agent: str) -> Path:
    """Where cookies and storage of one agent are kept, by the name under which it remembers."""
    return states_of(settings, owner) / hashlib.sha256(agent.encode()).hexdigest()[:32] / STATE
