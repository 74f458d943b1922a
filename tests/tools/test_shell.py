"""`run_command`: what the model reads, what is kept as evidence, what a person sees meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aether_jupyter.abc import ToolContext
from aether_jupyter.model.events import OutputDelta
from aether_jupyter.tools import shell

from .conftest import Call

pytestmark = pytest.mark.anyio


async def test_success_shows_output_and_exit_code(call: Call) -> None:
    done = await call("run_command", command="echo hello")
    assert (done.ok, done.error, done.content) == (True, None, "exit code: 0\nstdout:\nhello")
    assert done.evidence is not None
    assert (done.evidence.exit_code, done.evidence.stdout, done.evidence.sandbox) == (0, "hello\n", "host")
    assert done.labels == {"stdout": "text", "stderr": "text", "exit_code": "system"}
    assert done.duration_s > 0
    assert (await call("run_command", command="true")).content == "exit code: 0\n(no output)"


async def test_other_exit_codes_are_failures(call: Call) -> None:
    done = await call("run_command", command="echo out; echo err >&2; exit 4")
    assert (done.ok, done.error) == (False, "tool_failed")
    assert done.content == "exit code: 4\nstdout:\nout\nstderr:\nerr"


async def test_killed_command_says_what_killed_it(call: Call) -> None:
    assert "memory limit" in (await call("run_command", command="kill -9 $$")).content


async def test_timeout_returns_what_was_printed(call: Call) -> None:
    done = await call("run_command", command="echo early; sleep 20", timeout_s=0.5)
    assert (done.ok, done.error) == (False, "tool_timeout")
    assert "timed out after 0.5 s" in done.content
    assert "early" in done.content
    assert done.evidence is not None
    assert done.evidence.timed_out


async def test_timeout_is_clamped(call: Call, context: ToolContext) -> None:
    context.max_timeout_s = 0.5
    assert "timed out after 0.5 s" in (await call("run_command", command="sleep 20", timeout_s=5000)).content
    context.timeout_s = 0.3
    assert "timed out after 0.3 s" in (await call("run_command", command="sleep 20")).content


async def test_long_output_goes_to_a_file(call: Call, home: Path) -> None:
    done = await call("run_command", command="seq 1 100000")
    assert done.ok
    assert len(done.content) < 17_000
    assert done.content.startswith("exit code: 0\nstdout:\n1\n2\n")
    assert done.content.endswith("\n99999\n100000")
    assert "the whole is in .aether/outputs/call_1.stdout" in done.content
    assert done.evidence is not None
    assert done.evidence.stdout_bytes == 588_895
    assert len(done.evidence.stdout) < 2_100
    assert (home / done.evidence.stdout_path).read_text() == "".join(f"{i}\n" for i in range(1, 100_001))
    assert (await call("read_file", path=done.evidence.stdout_path, offset=5000, limit=1)).content.startswith("5000\n")


async def test_kept_outputs_do_not_fill_the_disk(call: Call, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "_FOLDER_BYTES", 1000)
    assert "the whole is in" in (await call("run_command", command="seq 1 100000")).content
    (home / ".aether/outputs/call_1.stdout").rename(home / ".aether/outputs/earlier")
    done = await call("run_command", command="seq 1 100000")
    assert done.ok
    assert "the rest was not kept: .aether/outputs holds 588895 bytes already; delete there" in done.content
    assert [path.name for path in (home / ".aether/outputs").iterdir()] == ["earlier"]


async def test_two_streams_share_what_the_model_reads(call: Call, context: ToolContext) -> None:
    context.output_limit = 1000
    done = await call("run_command", command="seq 1 200; seq 1000 1100 >&2")
    assert len(done.content) < 1400
    assert "\n200\n" in done.content
    assert done.content.endswith("1100")
    done = await call("run_command", command="seq 1 2000; echo short >&2")
    assert done.content.endswith("stderr:\nshort")
    assert len(done.content) > 1000


async def test_planted_link_does_not_lead_the_output_out(call: Call, home: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (home / ".aether").symlink_to(tmp_path / "out")
    done = await call("run_command", command="seq 1 100000")
    assert done.ok
    assert "not kept" in done.content
    assert list((tmp_path / "out").iterdir()) == []


async def test_news_comes_while_it_runs_and_not_too_often(call: Call, context: ToolContext) -> None:
    await call("run_command", command="for i in $(seq 30); do echo tick $i; sleep 0.02; done")
    news: list[OutputDelta] = context.notices  # type: ignore[attr-defined]
    assert 3 <= len(news) <= 15
    assert "".join(n.text for n in news).count("tick") == 30
    assert {(n.pid, n.call_id, n.stream) for n in news} == {(7, "call/1", "stdout")}


async def test_flood_of_news_is_cut(call: Call, context: ToolContext) -> None:
    await call("run_command", command="yes", timeout_s=1)
    news: list[OutputDelta] = context.notices  # type: ignore[attr-defined]
    assert len(news) <= 15
    assert max(len(n.text) for n in news) <= 4000


async def test_folder_inside_the_home(call: Call, home: Path) -> None:
    (home / "sub").mkdir()
    assert (await call("run_command", command="pwd", cwd="sub")).content.endswith("/sub")


async def test_a_command_goes_on_where_the_one_of_an_earlier_step_left_off(
    call: Call, context: ToolContext, home: Path
) -> None:
    (home / "src" / "deep").mkdir(parents=True)
    done = await call("run_command", command="cd src; export A=1")
    assert done.evidence is not None
    assert (done.content, done.evidence.folder) == ("exit code: 0\nworking directory: src\n(no output)", "src")
    context.folder = done.evidence.folder
    done = await call("run_command", command="pwd; echo $A")
    assert done.content == f"exit code: 0\nstdout:\n{home}/src\n1"
    assert done.evidence is not None
    assert done.evidence.folder == ""
    done = await call("run_command", command="cd deep; false")
    assert "working directory: src/deep\n" in done.content
    done = await call("run_command", command="cd ~")
    assert "working directory: your home directory\n" in done.content
    assert done.evidence is not None
    assert done.evidence.folder == "."
    done = await call("run_command", command="cd /usr")
    assert done.evidence is not None
    assert done.evidence.folder == "/usr"


async def test_a_folder_given_for_one_command_does_not_last(call: Call, context: ToolContext, home: Path) -> None:
    (home / "src").mkdir()
    context.folder = "src"
    for given in (".", "src", "/usr"):
        done = await call("run_command", command="pwd; cd /; export A=$A.", cwd=given)
        assert str((home / given).resolve()) in done.content
        assert "working directory" not in done.content
        assert done.evidence is not None
        assert done.evidence.folder == ""
    assert (await call("run_command", command="pwd; echo $A")).content.endswith("/src\n...")


async def test_a_kept_folder_that_is_gone_is_named_and_the_home_comes_next(
    call: Call, context: ToolContext, home: Path
) -> None:
    context.folder = "src/gone"
    done = await call("run_command", command="touch ran")
    assert (done.ok, done.error) == (False, "folder_not_found")
    assert done.content.startswith("Nothing was run: your working directory src/gone does not exist any more.")
    assert "begins in your home directory" in done.content
    assert done.evidence is not None
    assert done.evidence.folder == "."
    assert not (home / "ran").exists()
    done = await call("run_command", command="true", cwd="nowhere")
    assert (done.ok, done.error, done.evidence) == (False, "folder_not_found", None)
    assert "nowhere" in done.content


async def test_a_long_folder_is_told_shortly(call: Call) -> None:
    done = await call("run_command", command="d=$(printf '%0100d' 1); mkdir -p $d/$d/$d; cd $d/$d/$d")
    told = done.content.split("\n")[1]
    assert told.startswith("working directory: 000")
    assert len(told) < 250
    assert done.evidence is not None
    assert len(done.evidence.folder) == 302


async def test_cancelled_call_ends_its_command(call: Call, home: Path) -> None:
    running = asyncio.create_task(call("run_command", command="sleep 0.6; touch late"))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0.7)
    assert not (home / "late").exists()
