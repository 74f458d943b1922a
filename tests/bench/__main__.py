"""`python -m tests.bench [--only PREFIX]` prints one JSON line a figure; it ends with 1 if one misses its bar.

A figure and its floor come from the same run: they take turns, and what is told is the turn whose ratio is the median.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .model_server import model_server

Line = dict[str, Any]


def _child(module: str, *arguments: object) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{module} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _line(figure: str, value: float, unit: str, floor: float | None, bar: float | None, **more: Any) -> Line:
    """`bar` is the most the ratio may be; below 0, the least (the figure is a rate)."""
    ratio = value / floor if floor else None
    ok = ratio is None or bar is None or (ratio <= bar if bar > 0 else ratio >= -bar)
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in more.items()}
    return {
        "figure": figure,
        "value": round(value, 5),
        "unit": unit,
        "floor": None if floor is None else round(floor, 5),
        "ratio": None if ratio is None else round(ratio, 2),
        "bar": None if bar is None else abs(bar),
        "ok": ok and more.get("failures", 0) == 0,
        **rounded,
    }


def _median(pairs: list[tuple[Line, Line]], key: str) -> tuple[Line, Line]:
    ranked = sorted(pairs, key=lambda pair: pair[1][key] / pair[0][key])
    return ranked[len(ranked) // 2]


def loop_single(url: str) -> Iterator[Line]:
    """One agent, ten steps, a model that answers at once."""
    pairs: list[tuple[Line, Line]] = []
    for _ in range(3):
        floor, ours = _child("floor", url, 1, 10, 0, 9), _child("ours", url, 1, 10, 0, 9)
        one = {"wall_s": statistics.median(f["wall_s"] for f in floor)}
        two = {"wall_s": statistics.median(f["wall_s"] for f in ours), "failures": sum(f["failures"] for f in ours)}
        two["cpu_ms_step"] = statistics.median(f["cpu_ms_step"] for f in ours)
        pairs.append((one, two))
    floor, ours = _median(pairs, "wall_s")
    yield _line(
        "loop.single",
        ours["wall_s"],
        "s",
        floor["wall_s"],
        5,
        cpu_ms_step=ours["cpu_ms_step"],
        failures=ours["failures"],
    )


def fleet_100(url: str) -> Iterator[Line]:
    """A hundred agents, ten steps, 50 ms an answer."""
    pairs: list[tuple[Line, Line]] = []
    for _ in range(3):
        pairs += zip(_child("floor", url, 100, 10, 50, 2), _child("ours", url, 100, 10, 50, 2), strict=True)
    failures = sum(ours["failures"] for _, ours in pairs)
    for key, figure in (("wall_s", "fleet.100.wall"), ("p95_s", "fleet.100.p95")):
        floor, ours = _median(pairs, key)
        more = {"cpu_ms_step": ours["cpu_ms_step"], "failures": failures, "rss_mb": ours["rss_mb"]}
        yield _line(figure, ours[key], "s", floor[key], 3, **more)


def fleet_1000(url: str) -> Iterator[Line]:
    """A thousand agents, three steps, 50 ms an answer; below 400 MB."""
    pairs = [(_child("floor", url, 1000, 3, 50, 1)[0], _child("ours", url, 1000, 3, 50, 1)[0]) for _ in range(3)]
    floor, ours = _median(pairs, "wall_s")
    rss = max(each["rss_mb"] for _, each in pairs)
    failures = sum(each["failures"] for _, each in pairs)
    line = _line("fleet.1000", ours["wall_s"], "s", floor["wall_s"], 4, failures=failures, rss_mb=rss, rss_bar_mb=400)
    line["ok"] = line["ok"] and rss < 400
    yield line


def feed_fanout(_: str) -> Iterator[Line]:
    """Ten readers; events a second that each of them gets."""
    found = [_child("feed") for _ in range(3)]
    found.sort(key=lambda each: each["value"] / each["floor"])
    yield _line("feed.fanout", found[1]["value"], "events/s", found[1]["floor"], -20, clients=10)


def server_start(_: str) -> Iterator[Line]:
    """CPU seconds and MB up to the first answer of `/aether/health`, beside a server without the extension."""
    from .start import start

    start(True)
    plain = [start(False) for _ in range(3)]
    ours = [start(True) for _ in range(3)]
    cpu, memory = (statistics.median(each[i] for each in plain) for i in (0, 1))
    our_cpu, our_memory = (statistics.median(each[i] for each in ours) for i in (0, 1))
    added = {"added_cpu_s": our_cpu - cpu, "added_mb": our_memory - memory, "memory_mb": our_memory}
    yield _line("server.start", our_cpu, "CPU s", cpu, None, **added)


def crash_resume(_: str) -> Iterator[Line]:
    """Seconds from the start of a new server until every one of 100 agents of a killed one works again.

    The floor is the start of the same server where nothing is to be resumed; the bar is five seconds in all.
    """
    from tests.crash.fleet import resume_s

    floor, value = resume_s(agents=0), resume_s(agents=100)
    line = _line("crash.resume", value, "s", floor, None, agents=100, bar_s=5)
    line["ok"] = value < 5
    yield line


def memory_speed(_: str) -> Iterator[Line]:
    """Recall, one memory and many, among 10,000 and 100,000 memories, beside bare FTS5 and numpy."""
    for figure, count, most_s, times in (("memory.10k", 10_000, None, 3), ("memory.100k", 100_000, 0.06, 1)):
        runs = [_child("memory", "speed", count) for _ in range(times)]
        found = sorted(runs, key=lambda run: run["recall_s"] / run["floor_s"])[times // 2]
        more = {"after_change_s": found["after_change_s"]}
        line = _line(figure, found["recall_s"], "s", found["floor_s"], None if most_s else 1.5, **more)
        if most_s is not None:
            line |= {"bar_s": most_s, "ok": max(found["recall_s"], found["after_change_s"]) < most_s}
        yield line
    one = _line("memory.remember", found["remember_s"], "s", None, None, bar_s=0.001)
    yield one | {"ok": found["remember_s"] < 0.001}
    many = _line("memory.ingest", found["ingest_per_s"], "memories/s", None, None, bar_per_s=5000)
    yield many | {"ok": found["ingest_per_s"] >= 5000}


def recall_longconv(_: str) -> Iterator[Line]:
    """Recall over long conversations: the share of evidence among the first five and ten, beside plain FTS5."""
    data = os.environ.get("AETHER_LONGCONV")
    if not data:
        yield {"figure": "recall.longconv", "skipped": "AETHER_LONGCONV names no folder of conversations", "ok": True}
        return
    found = _child("memory", "longconv", data)
    for most, bar, least in ((5, None, 0.0), (10, -1.15, 0.70)):
        figure = f"recall.longconv.r{most}"
        more = {"questions": found["questions"]} | ({"least": least} if least else {})
        line = _line(figure, found[f"ours{most}"], "R", found[f"plain{most}"], bar, **more)
        yield line | {"ok": line["ok"] and found[f"ours{most}"] >= least}


def recall_paraphrase(_: str) -> Iterator[Line]:
    """Facts asked for in other words, among a thousand memories: in the first five, where full text finds none."""
    found = _child("memory", "paraphrase", 1_000)
    more = {"plain": found["plain"], "questions": found["questions"], "least": 0.75, "plain_most": 0.1}
    line = _line("recall.paraphrase", found["ours"], "R", None, None, **more)
    yield line | {"ok": found["ours"] >= 0.75 and found["plain"] <= 0.1}


def sandbox_first_command(_: str) -> Iterator[Line]:
    """From nothing to the end of a container's first command, beside the engine's own `docker run`; p50 below 0.7 s."""
    if subprocess.run(["docker", "image", "inspect", "aether-sandbox"], capture_output=True).returncode != 0:
        yield {
            "figure": "sandbox.first_command",
            "skipped": "no Docker engine with the image aether-sandbox",
            "ok": True,
        }
        return
    found = _child("sandbox", 20)
    line = _line("sandbox.first_command", found["p50_s"], "s", found["floor_s"], None, p95_s=found["p95_s"], bar_s=0.7)
    yield line | {"ok": found["p50_s"] < 0.7}


def display(_: str) -> Iterator[Line]:
    """First frame, picture as a model gets it, a screen that changes all the time, and eight desktops with browsers."""
    if not _engine():
        yield {"figure": "display", "skipped": "no Docker engine with the images (make images)", "ok": True}
        return
    found = _child("display", "one")
    for figure, key, most_s in (
        ("display.first_frame", "first_frame_s", 2.0),
        ("display.screenshot", "picture_s", 0.03),
    ):
        line = _line(figure, found[key], "s", None, None, bar_s=most_s)
        yield line | {"ok": found[key] < most_s}
    yield _line("display.bridge", found["bridged_mb_s"], "MB/s", found["direct_mb_s"], -0.9)
    eight = _child("display", "eight")
    line = _line("display.eight", eight["memory_gb"], "GB", None, None, ready_s=eight["ready_s"], bar_gb=24)
    yield line | {"ok": eight["memory_gb"] < 24}


def _engine() -> bool:
    """Whether Docker answers and has the images."""
    images = Path(__file__).parents[2] / "images" / "build"
    done = subprocess.run([str(images), "--check", "desktop", "desktop-light"], capture_output=True, check=False)
    return done.returncode == 0


def snapshot_pause(_: str) -> Iterator[Line]:
    """How long an agent with 500 MB of files is held for a snapshot, beside a plain copy; the bar is three seconds."""
    found = _child("snapshot", 500)
    names = ("whole_s", "again_pause_s", "again_s", "changed_pause_s", "changed", "import_s", "restore_s")
    more = {name: found[name] for name in names}
    line = _line("snapshot.pause", found["pause_s"], "s", found["floor_s"], None, bar_s=3, **more)
    yield line | {
        "ok": found["pause_s"] < 3 and found["again"] == 0 and found["changed"] < 100_000 and found["goes_on"]
    }


FIGURES: dict[str, Callable[[str], Iterator[Line]]] = {
    "loop.single": loop_single,
    "fleet.100": fleet_100,
    "fleet.1000": fleet_1000,
    "feed.fanout": feed_fanout,
    "server.start": server_start,
    "crash.resume": crash_resume,
    "sandbox.first_command": sandbox_first_command,
    "memory": memory_speed,
    "recall.longconv": recall_longconv,
    "recall.paraphrase": recall_paraphrase,
    "display": display,
    "snapshot.pause": snapshot_pause,
}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="prefix of the figures' names")
    only = parser.parse_args().only
    missed = False
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(model_server())
        for name, measure in FIGURES.items():
            if not (name.startswith(only) or only.startswith(name)):
                continue
            for line in measure(url):
                if line["figure"].startswith(only):
                    print(json.dumps(line), flush=True)
                    missed = missed or not line["ok"]
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
