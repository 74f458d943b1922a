"""`aether` in a terminal: commands, exit codes, questions on a tty, and a server of its own where there is none."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import click
import pytest

from aether_jupyter.cli import doctor
from aether_jupyter.cli.common import CONFLICT, INTERRUPTED, NO_SERVER, NOT_THERE, WAITS
from aether_jupyter.cli.main import cli
from tests.drawn import drawn
from tests.faces import ROOT, Server, clean_environment


def aether(
    *arguments: str, env: dict[str, str], stdin: str = "", timeout: float = 90
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aether_jupyter", *arguments],
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        check=False,
    )


def data(*arguments: str, env: dict[str, str]) -> Any:
    return json.loads(aether(*arguments, "--json", env=env).stdout.splitlines()[-1])


def test_help_comes_at_once() -> None:
    heavy = ("httpx", "msgspec", "IPython", "pydantic", "traitlets")
    code = f"import sys, aether_jupyter.cli.main; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


COMMANDS = {
    " ".join((*above, name)): command
    for above, group in (((), cli), *(((n,), c) for n, c in cli.commands.items() if isinstance(c, click.Group)))
    for name, command in group.commands.items()
    if not isinstance(command, click.Group)
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself_and_speaks_json(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    if name != "serve":
        assert {"as_json", "url", "token"} <= {parameter.name for parameter in command.params}


def test_run_takes_permissions_and_a_wrong_one_is_explained(server: Server) -> None:
    given = ("run", "write", "--model", "scripted:echo-file", "--role", "clerk", "--permission")
    done = aether(
        *given, "deny tool=write_file why='hands off'", "--permission", "ask risk=network", env=server.environment
    )
    assert "hands off" in done.stdout
    wrong = aether(*given, "deny tol=x", env=server.environment)
    assert wrong.returncode != 0
    assert "Did you mean 'tool'?" in wrong.stderr


def test_run_mounts_shared_folders_by_name(server: Server) -> None:
    given = ("run", "hi", "--workspace", "data", "--workspace", "code")
    pid = int(aether(*given, "--detach", env=server.environment).stdout)
    with server.client() as client:
        assert client.spec(pid).workspaces == ("data", "code")
    wrong = aether("run", "hi", "--workspace", "../data", env=server.environment)
    assert wrong.returncode != 0
    assert "workspaces[0]" in wrong.stderr


def test_run_says_what_commands_may_reach_and_use(server: Server) -> None:
    given = ("run", "hi", "--host", "pypi.org", "--host", "*.pythonhosted.org", "--disk", "64")
    started = aether(*given, "--sandbox", "docker", "--detach", env=server.environment)
    assert started.returncode == 0, started.stderr
    with server.client() as client:
        box = client.spec(int(started.stdout)).sandbox
    assert (box.network, box.hosts, box.disk_mb) == ("allowed", ("pypi.org", "*.pythonhosted.org"), 64)
    for wrong, words in (
        (("--host", "http://pypi.org"), "sandbox.hosts: 'http://pypi.org'"),
        (("--network", "allowed"), "needs at least one host"),
        (("--disk", "999999"), "sandbox.disk_mb"),
        (("--host", "pypi.org", "--sandbox", "bubblewrap"), "needs the sandbox docker"),
    ):
        told = aether("run", "hi", *wrong, "--detach", env=server.environment)
        assert told.returncode != 0
        assert words in told.stderr


def test_images_go_with_a_goal_and_with_words(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(drawn())
    (tmp_path / "b.txt").write_text("no image")
    image = ("--image", str(tmp_path / "a.png"))
    pid = int(aether("run", "look", "--model", "scripted:ask", *image, "--detach", env=server.environment).stdout)
    assert aether("send", str(pid), "and this", *image, env=server.environment).returncode == 0
    with server.client() as client:
        assert len(client.spec(pid).images) == 1
    assert aether("logs", str(pid), env=server.environment).stdout.count("64×48, png") == 2
    wrong = aether("run", "look", "--image", str(tmp_path / "b.txt"), env=server.environment)
    assert wrong.returncode != 0
    assert "no PNG" in wrong.stderr


def test_what_the_model_was_told_is_shown_by_section(server: Server) -> None:
    pid = data("run", "tell by section", "--model", "scripted:echo-file", env=server.environment)["pid"]
    shown = aether("context", str(pid), "--step", "2", env=server.environment).stdout
    assert f"Agent {pid}, step 2 of 3, scripted:echo-file" in shown
    for title in ("System  ", "Tools, ", "Goal  ", "Step 1  "):
        assert f"\n{title}" in shown
    whole = data("context", str(pid), env=server.environment)
    assert whole["step"] == 3
    assert [section["kind"] for section in whole["sections"]] == ["system", "tools", "goal", "steps"]
    assert aether("context", str(pid), "--step", "9", env=server.environment).returncode == 4


def test_steps_are_judged_and_profiles_shown(server: Server) -> None:
    given = ("run", "hi", "--name", "judged clerk", "--no-reflect", "--json")
    assert aether(*given, env=server.environment).returncode == 0
    with server.client() as client:
        (process,) = client.processes(name="judged clerk")
        assert client.spec(process.pid).reflect is False
    pid = str(process.pid)
    said = aether("feedback", pid, "1", "down", "Be", "brief.", env=server.environment).stdout
    assert "thumb down: Be brief." in said
    assert data("feedback", pid, env=server.environment)[0]["comment"] == "Be brief."
    assert "judged clerk: 1 task; 1 succeeded; 0 thumbs up, 1 down" in aether("profile", env=server.environment).stdout
    shown = aether("profile", "judged clerk", env=server.environment).stdout
    assert f"{pid}  succeeded  hi" in shown
    assert aether("profile", pid, env=server.environment).stdout == shown
    assert "Taken back on step 1." in aether("feedback", pid, "1", "none", env=server.environment).stdout
    assert "Nobody has said" in aether("feedback", pid, env=server.environment).stdout
    assert aether("feedback", pid, "9", "up", env=server.environment).returncode == 2
    assert aether("feedback", "4711", "1", "up", env=server.environment).returncode == 4


def test_memories_are_kept_found_and_forgotten(server: Server) -> None:
    given = ("memory", "remember", "clerk", "--layer", "procedural", "--importance", "0.8", "--tag", "safe")
    kept = data(*given, "The", "safe", "opens", "with", "4711.", env=server.environment)
    assert (kept["text"], kept["layer"], kept["tags"]) == ("The safe opens with 4711.", "procedural", ["safe"])
    found = aether("memory", "recall", "clerk", "how", "does", "the", "safe", "open", env=server.environment).stdout
    assert "The safe opens with 4711." in found
    assert "words" in found
    assert "importance" in found
    assert "clerk: 1 procedural" in aether("memory", "list", env=server.environment).stdout
    assert "4711" in aether("memory", "list", "clerk", env=server.environment).stdout
    assert "Nothing fits" in aether("memory", "recall", "other", "safe", env=server.environment).stdout
    assert data("memory", "forget", str(kept["id"]), env=server.environment)["forgotten_at"]
    assert aether("memory", "forget", str(kept["id"]), env=server.environment).returncode == 4
    assert "Nothing is remembered" in aether("memory", "list", "clerk", env=server.environment).stdout
    assert "4711" in aether("memory", "list", "clerk", "--forgotten", env=server.environment).stdout
    assert data("memory", "restore", str(kept["id"]), env=server.environment)["version"] == 3


def test_memories_that_say_the_same_are_shown_and_merged(server: Server) -> None:
    kept = [
        data("memory", "remember", "twin", "The", "cellar", "is", n, env=server.environment)
        for n in ("dry", "dry!", "wet")
    ]
    first, second = (str(each["id"]) for each in kept[:2])
    assert f"aether memory merge {first} {second}" in aether("memory", "similar", "twin", env=server.environment).stdout
    seen = aether("memory", "merge", first, second, "--dry-run", env=server.environment).stdout
    assert f"{second} would go into {first}" in seen
    assert data("memory", "merge", first, second, "--text", "Dry.", env=server.environment)["memory"]["text"] == "Dry."
    pages = aether("memory", "list", "twin", "--sort", "strength", "--limit", "1", env=server.environment).stdout
    assert re.search(r"There are 2; for the next add --cursor \S+ to: aether memory list twin", pages)
    assert "0 merged, 0 made" in aether("memory", "consolidate", "twin", env=server.environment).stdout
    assert "0 merged" in aether("memory", "reports", "twin", env=server.environment).stdout
    assert "No model was given it yet." in aether("memory", "uses", first, env=server.environment).stdout


def test_memories_go_to_a_folder_and_come_back_edited(server: Server, tmp_path: Path) -> None:
    with server.client() as client:
        client.remember("filer", "The safe is blue.", "The lamp is red.")
    folder = tmp_path / "filer"

    def memory(what: str, *more: str) -> subprocess.CompletedProcess[str]:
        return aether("memory", what, "filer", str(folder), *more, env=server.environment)

    assert "4 files written" in memory("export").stdout
    assert "0 files written" in memory("export").stdout
    safe = next(folder.glob("semantic/*safe*.md"))
    safe.write_text(safe.read_text().replace("blue", "green").replace("tags: []", "tags: [safe]"))
    (folder / "social").mkdir()
    (folder / "social" / "ann.md").write_text("Ann has the key.")
    (folder / "semantic" / "broken.md").write_text("---\nimportance: much\n---\nx")

    shown = memory("import", "--dry-run")
    assert shown.returncode == CONFLICT
    assert "- The safe is blue." in shown.stdout
    assert "+ The safe is green." in shown.stdout
    assert "semantic/broken.md:2" in shown.stdout
    assert "1 unreadable, 1 changed, 1 new, 1 the same" in shown.stdout
    refused = memory("export")
    assert refused.returncode == CONFLICT
    assert "edited and not imported" in refused.stderr
    assert "--yes does it" in memory("import").stderr
    with server.client() as client:
        assert {each.text for each in client.memories("filer").memories} == {"The safe is blue.", "The lamp is red."}

    (folder / "semantic" / "broken.md").unlink()
    assert memory("import", "--yes").returncode == 0
    with server.client() as client:
        found = {each.text: each for each in client.memories("filer").memories}
    assert set(found) == {"The safe is green.", "The lamp is red.", "Ann has the key."}
    assert found["The safe is green."].tags == ("safe",)
    assert found["Ann has the key."].source.kind == "import"
    assert "nothing to import" not in memory("export").stdout
    assert sorted(path.name.partition("-")[2] for path in folder.glob("social/*")) == ["ann-has-the-key.md"]
    assert "3 the same" in memory("import", "--yes").stdout


def test_memory_md_is_shown_and_written(server: Server, tmp_path: Path) -> None:
    assert "has no MEMORY.md" in aether("memory", "notes", "noted", env=server.environment).stdout
    (tmp_path / "n.md").write_text("Be short.\n")
    given = ("memory", "notes", "noted", "--set")
    assert "version 1" in aether(*given, str(tmp_path / "n.md"), env=server.environment).stdout
    assert "version 2" in aether(*given, "-", env=server.environment, stdin="Be long.").stdout
    assert aether("memory", "notes", "noted", env=server.environment).stdout == "Be long.\n"
    assert [each["version"] for each in data("memory", "notes", "noted", env=server.environment)] == [2, 1]


def test_a_plan_is_shown_and_set_from_standard_input(server: Server, tmp_path: Path) -> None:
    env = server.environment
    assert aether("run", "x", "--model", "scripted:ask", "--name", "planner", env=env).returncode == WAITS
    pid = str(next(p["pid"] for p in data("ps", env=env) if p["name"] == "planner"))
    assert aether("plan", pid, env=env).stdout == "It has no plan.\n"
    done = aether("plan", pid, "--set", "-", stdin="- [x] read\n- [ ] write\n", env=env)
    assert done.stdout.splitlines()[1:] == ["- [x] read", "- [ ] write"]
    assert re.match(r"# plan \d+: 1 of 2 done, changed by ", done.stdout)
    shown = aether("plan", pid, env=env).stdout
    assert aether("plan", pid, "--set", "-", stdin=shown, env=env).stdout == shown
    seen = data("plan", pid, env=env)["n"]
    (tmp_path / "plan.md").write_text("- [x] read\n- [x] write\n")
    given = ("plan", pid, "--seen", str(seen), "--set", str(tmp_path / "plan.md"))
    assert data(*given, env=env)["done"] == 2
    assert aether(*given, env=env).returncode == CONFLICT
    late = aether("plan", pid, "--set", "-", stdin=shown + "- [ ] mine\n", env=env)
    assert late.returncode == CONFLICT, "what was printed says which plan it was made from"
    row = next(line for line in aether("ps", env=env).stdout.splitlines() if line.startswith(f"{pid} "))
    assert " 2/2 " in row
    assert "1 of the plan" in aether("plan", pid, "--set", "-", stdin="read it", env=env).stderr
    aether("signal", "KILL", pid, env=env)


def test_one_s_data_is_exported_and_an_agent_is_erased(server: Server, tmp_path: Path) -> None:
    with server.client() as client:
        client.remember("shredded", "The zanzibar is blue.")
    file = tmp_path / "me.zip"
    assert "README.md in it" in aether("export-me", str(file), "--agent", "shredded", env=server.environment).stdout
    assert file.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(file) as archive:
        assert b"zanzibar" in archive.read("tables/memory.jsonl")
    unknown = aether("export-me", str(tmp_path / "no.zip"), "--agent", "nobody", env=server.environment)
    assert "nothing is kept of an agent named 'nobody'" in unknown.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["me.zip"]
    asked = aether("erase-me", "--agent", "shredded", env=server.environment)
    assert "1  memories" in asked.stdout
    assert "--yes does it" in asked.stderr
    gone = data("erase-me", "--agent", "shredded", "--yes", env=server.environment)
    assert (gone["erased"], gone["counts"]["memories"]) == (True, 1)
    assert aether("erase-me", "--agent", "shredded", "--yes", env=server.environment).returncode == 2


def test_run_shows_steps_and_prints_the_answer(server: Server) -> None:
    done = aether("run", "write", "--model", "scripted:echo-file", env=server.environment)
    assert done.returncode == 0, done.stderr
    assert "write_file notes.txt" in done.stdout
    assert done.stdout.splitlines()[-1] == "The file says: written by an agent"
    assert "Done after 3 steps" in done.stderr


def test_run_detached_prints_the_pid(server: Server) -> None:
    done = aether("run", "hi", "--detach", env=server.environment)
    pid = int(done.stdout)
    assert data("ps", env=server.environment)[0]["pid"] == pid
    assert str(pid) in aether("ps", env=server.environment).stdout
    followed = aether("logs", str(pid), "--follow", env=server.environment)
    assert "Hello" in followed.stdout


def test_a_failed_run_fails(server: Server) -> None:
    done = aether("run", "x", "--model", "scripted:fail", env=server.environment)
    assert done.returncode == 1
    assert "refuses" in done.stdout + done.stderr


def test_without_a_person_it_waits_and_says_so_then_goes_on(server: Server) -> None:
    env = server.environment
    done = aether("run", "x", "--model", "scripted:risky", "--name", "asks", env=env)
    assert done.returncode == WAITS
    pid = str(next(p["pid"] for p in data("ps", env=env) if p["name"] == "asks"))
    assert "rm -r build" in aether("approvals", env=env).stdout
    assert data("refuse", pid, "--reason", "not today", env=env)["decision"]["verdict"] == "refuse"
    assert aether("approve", pid, env=env).returncode == NOT_THERE
    assert "not today" in aether("logs", pid, "--follow", env=env).stdout


def test_a_question_is_answered_and_limits_are_extended(server: Server) -> None:
    env = server.environment
    assert aether("run", "x", "--model", "scripted:ask", "--name", "asker", env=env).returncode == WAITS
    asker = str(next(p["pid"] for p in data("ps", env=env) if p["name"] == "asker"))
    assert aether("answer", asker, "blue", "please", env=env).returncode == 0
    assert "blue please" in aether("logs", asker, "-f", env=env).stdout
    done = aether("run", "x", "--model", "scripted:echo-file", "--steps", "1", "--name", "short", env=env)
    assert done.returncode == WAITS
    short = str(next(p["pid"] for p in data("ps", env=env) if p["name"] == "short"))
    assert data("extend", short, "--steps", "9", env=env)["limits"]["steps"] == 10


def test_models_are_listed_and_chosen(server: Server) -> None:
    env = server.environment
    assert aether("run", "x", "--model", "scripted:ask", "--name", "chooser", env=env).returncode == WAITS
    pid = str(next(p["pid"] for p in data("ps", env=env) if p["name"] == "chooser"))
    done = aether("model", pid, "auto", env=env)
    assert done.stdout.strip() == f"Agent {pid} asks auto from its next step on."
    assert data("model", pid, "auto:cheap", env=env)["model"] == "auto:cheap"
    assert "chose auto:cheap" in aether("logs", pid, env=env).stdout
    wrong = aether("model", pid, "auto:fast", env=env)
    assert wrong.returncode == 2
    assert "names no family of models" in wrong.stderr
    listed = aether("models", env=env).stdout
    assert any(line.split()[:3] == ["*", "scripted:hello", "cheap"] for line in listed.splitlines())
    assert {"models", "default"} <= data("models", env=env).keys()


def test_yes_approves_and_json_is_one_record_a_line(server: Server) -> None:
    done = aether("run", "x", "--model", "scripted:risky", "--yes", "--json", env=server.environment)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["event"]["type"] == "process.spawned"
    assert lines[-1]["state"] == "ZOMBIE"


def test_signals_and_words(server: Server) -> None:
    env = server.environment
    pid = aether("run", "x", "--model", "scripted:slow", "--detach", env=env).stdout.strip()
    assert aether("send", pid, "be", "quick", env=env).returncode == 0
    assert data("signal", "kill", pid, env=env)["delivered"] == [int(pid)]
    assert aether("signal", "stop", pid, env=env).returncode != 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("logs", "999999"), NOT_THERE, "No process 999999"),
        (("approve", "999999"), NOT_THERE, "999999"),
        (("run", "x", "--model", "scripted:nothing"), 2, "No script"),
        (("run",), 2, "Missing argument"),
        (("frob",), 2, "No such command"),
        (("ps", "--url", "http://127.0.0.1:9"), NO_SERVER, "does not answer"),
    ],
)
def test_errors_are_one_sentence_and_a_code(server: Server, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = aether(*arguments, env=server.environment)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_json_where_json_was_asked_for(server: Server) -> None:
    done = aether("logs", "999999", "--json", env=server.environment)
    assert json.loads(done.stdout)["type"] == "process_not_found"
    assert CONFLICT == 5
    for wrong in (("run", "--json"), ("logs", "0", "--json"), ("frob", "--json")):
        done = aether(*wrong, env=server.environment)
        assert (done.returncode, json.loads(done.stdout)["type"]) == (2, "bad_request")


def test_standing_approvals_are_listed_and_withdrawn(server: Server) -> None:
    env = server.environment
    assert aether("run", "x", "--model", "scripted:risky", "--name", "ruled", env=env).returncode == WAITS
    pid = str(next(p["pid"] for p in data("ps", env=env) if p["name"] == "ruled"))
    assert aether("approve", pid, "--session", env=env).returncode == 0
    [rule] = [rule for rule in data("rules", env=env) if str(rule["pid"]) == pid]
    assert rule["id"] in aether("rules", env=env).stdout
    assert data("revoke", rule["id"], env=env) == {"id": rule["id"]}
    assert aether("revoke", rule["id"], env=env).returncode == NOT_THERE


def test_without_a_server_one_is_started_for_the_run(tmp_path: Path) -> None:
    env = clean_environment() | {
        "AETHER_HOME": str(tmp_path / "home"),
        "AETHER_MODEL": "scripted:hello",
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "none"),
    }
    done = aether("run", "hi", env=env)
    assert done.returncode == 0, done.stderr
    assert "starting one for this run" in done.stderr
    assert "Hello" in done.stdout
    assert (tmp_path / "home" / "aether.db").exists(), "what it did is kept"
    assert not (tmp_path / "none").exists() or not list((tmp_path / "none").glob("jpserver*"))
    detached = aether("run", "hi", "--detach", env=env)
    assert detached.returncode == 2
    assert "aether serve" in detached.stderr


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal on POSIX")
def test_an_interrupt_reaches_the_agent(server: Server) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "aether_jupyter",
            "run",
            "x",
            "--model",
            "scripted:slow",
            "--mode",
            "autonomous",
            "--name",
            "interrupted here",
        ],
        env=server.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stderr is not None
    assert "has started" in process.stderr.readline()
    with server.client() as client:
        while client.processes(name="interrupted here")[0].step < 1:
            time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "waits for words" in said
    assert "Traceback" not in said
    with server.client() as client:
        [found] = client.processes(name="interrupted here")
        assert client.wait(found.pid, timeout_s=30).needs_person
        client.signal(found.pid, "KILL")


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
def test_on_a_terminal_it_asks(server: Server) -> None:
    import pty

    mine, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "aether_jupyter", "run", "x", "--model", "scripted:risky"],
        env=server.environment,
        stdin=its,
        stdout=its,
        stderr=its,
        cwd=ROOT,
    )
    os.close(its)
    said = b""
    until = time.monotonic() + 60
    answered = False
    while time.monotonic() < until:
        try:
            said += os.read(mine, 4096)
        except OSError:
            break
        if not answered and b"Run it?" in said:
            os.write(mine, b"y\n")
            answered = True
    assert process.wait(20) == 0
    os.close(mine)
    assert b"rm -r build" in said
    assert b"Done" in said


def test_the_doctor_checks_at_least_nine_things_and_each_has_its_fix(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AETHER_HOME", str(tmp_path / "new"))
    checks = doctor.examine(server.url, server.token)
    assert len(checks) >= 20
    assert len([check for check in checks if not check.name.startswith("server")]) >= 9
    assert all(check.fix for check in checks if not check.ok)
    assert {"server", "versions", "clock", "server: database"} <= {check.name for check in checks}
    assert not (tmp_path / "new").exists(), "looking leaves nothing behind"


def test_a_slow_answer_is_no_wrong_clock(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = doctor.Aether.health

    def slowly(client: doctor.Aether) -> Any:
        time.sleep(4.0)
        return asked(client)

    monkeypatch.setattr(doctor.Aether, "health", slowly)
    checks = {check.name: check for check in doctor._server(server.url, server.token)}
    assert float(checks["clock"].detail.split()[0]) < 3.0


def test_the_doctor_sees_a_broken_database_and_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AETHER_HOME", str(tmp_path))
    (tmp_path / "aether.db").write_bytes(b"not a database" * 100)
    checks = {check.name: check for check in doctor.examine("http://127.0.0.1:9")}
    assert not checks["database file"].ok
    assert "not a database" in checks["database file"].detail
    assert not checks["server"].ok
    assert checks["server"].fix
    done = aether(
        "doctor", env=clean_environment() | {"AETHER_HOME": str(tmp_path), "AETHER_URL": "http://127.0.0.1:9"}
    )
    assert done.returncode == 1
    assert "FAIL  database file" in done.stdout


def test_an_agent_is_captured_forked_and_taken_elsewhere(server: Server, tmp_path: Path) -> None:
    pid = data("run", "captured", "--model", "scripted:echo-file", env=server.environment)["pid"]
    taken = data("snapshot", "take", str(pid), "--label", "the end", env=server.environment)
    key = str(taken["id"])
    listed = aether("snapshot", "list", str(pid), env=server.environment).stdout
    assert f"agent {pid} (captured), step 3" in listed
    assert "the end" in listed
    assert "as they were" in aether("snapshot", "compare", key, key, env=server.environment).stdout
    forked = aether("snapshot", "fork", str(pid), "--step", "1", "--paused", env=server.environment).stdout
    assert "goes on from step 1" in forked
    file = tmp_path / "captured.aethersnapshot"
    aether("snapshot", "export", key, str(file), env=server.environment)
    brought = aether("snapshot", "import", str(file), env=server.environment).stdout
    assert "from elsewhere" in brought
    file.write_bytes(file.read_bytes()[:1000])
    refused = aether("snapshot", "import", str(file), env=server.environment)
    assert refused.returncode != 0
    assert "no snapshot" in refused.stderr
    assert "is gone" in aether("snapshot", "delete", key, env=server.environment).stdout
