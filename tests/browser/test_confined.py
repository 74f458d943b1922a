"""What one agent does in its browser stays with it: cookies, files and where it may go."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from aether_jupyter.abc import Availability, Browser
from aether_jupyter.browsers import found
from aether_jupyter.browsers.chromium import Chromium
from aether_jupyter.browsers.downloads import harmless, kept
from aether_jupyter.config import Settings
from aether_jupyter.engine.permissions import Caller, Policy, reached
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.browsing import DialogAnswer, Open, Wait
from aether_jupyter.model.errors import ToolFailed
from aether_jupyter.model.permission import parse_permission
from aether_jupyter.runtime.browsers import Browsers, state_of

from .conftest import QUOTA, Agent
from .site import PAPER, Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MakeAgent = Callable[..., Agent]


async def nowhere() -> Path:
    raise AssertionError("nothing is to be written")


# --- cookies ---------------------------------------------------------------------------------------------------------


async def test_two_agents_share_neither_cookies_nor_storage_nor_tabs(make: MakeAgent, site: Site) -> None:
    one, other = make(7), make(8)
    await one.do("open", url=f"{site.origin}/cookies?set=one")
    assert "cookie none; storage empty" in await other.do("open", url=f"{site.origin}/cookies")
    await other.do("open", url=f"{site.origin}/cookies?set=other")
    assert "cookie who=one; storage one" in await one.do("open", url=f"{site.origin}/cookies")
    assert (await one.do("tabs")).count("\n") == 0


async def test_a_profile_is_kept_only_on_request_and_read_by_nobody_else(
    make: MakeAgent, site: Site, browsers: Browsers, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    state = state_of(settings, "ana", "shopper")
    first = make(7, state=state)
    await first.do("open", url=f"{site.origin}/cookies?set=ana")
    await browsers.close(7)
    assert stat.S_IMODE(os.stat(state).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(state.parent).st_mode) == 0o700
    assert not any(state.is_relative_to(home) for home in (tmp_path / "homes").iterdir())
    # A later agent of the same name is still signed in; one of another name, or without the wish, is not.
    assert "cookie who=ana; storage ana" in await make(9, state=state).do("open", url=f"{site.origin}/cookies")
    for other in (make(10, state=state_of(settings, "ana", "other")), make(11)):
        assert "cookie none; storage empty" in await other.do("open", url=f"{site.origin}/cookies")
    assert state_of(settings, "bob", "shopper") != state


async def test_a_profile_that_cannot_be_read_begins_anew(make: MakeAgent, site: Site, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{nonsense")
    assert "cookie none" in await make(state=state).do("open", url=f"{site.origin}/cookies")


async def test_a_browser_at_rest_comes_back_with_its_tabs_and_is_still_signed_in(
    agent: Agent, site: Site, kind: Chromium
) -> None:
    await agent.do("open", url=f"{site.origin}/cookies?set=me")
    await agent.do("open", url=f"{site.origin}/form", new_tab=True)
    browser = await agent.browser()
    await browser.rest()
    listed = await agent.do("tabs")
    assert listed.count("\n") == 1
    told = await agent.do("open", url=f"{site.origin}/cookies")
    assert "cookie who=me; storage me" in told
    assert "crashed" not in told


# --- files -----------------------------------------------------------------------------------------------------------


async def test_downloads_come_into_the_home_under_names_that_are_free(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/download")
    assert "Downloaded downloads/report.csv." in await agent.do("click", target="Get the report")
    assert "Downloaded downloads/report (2).csv." in await agent.do("click", target="Get the report")
    assert "Downloaded downloads/made.txt." in await agent.do("click", target="Get what is made here")
    told = await agent.do("open", url=f"{site.origin}/file?name=direct.bin&bytes=10")
    assert "is a download." in told
    assert "Downloaded downloads/direct.bin." in told
    folder = agent.home / "downloads"
    assert (folder / "report.csv").stat().st_size == 1234
    assert (folder / "made.txt").read_text() == "made in the page"
    assert sorted(path.name for path in folder.iterdir()) == ["direct.bin", "made.txt", "report (2).csv", "report.csv"]


async def test_a_pdf_is_downloaded_since_there_is_nothing_to_read_in_what_is_shown(agent: Agent, site: Site) -> None:
    told = await agent.do("open", url=f"{site.origin}/paper.pdf")
    assert "It is a PDF, and is downloaded to be read." in told
    assert "Downloaded downloads/paper.pdf." in told
    assert (agent.home / "downloads" / "paper.pdf").read_bytes() == PAPER
    await agent.do("open", url=f"{site.origin}/download")
    assert "Downloaded downloads/paper (2).pdf." in await agent.do("click", target="The paper")
    assert "Downloaded" not in await agent.do("press", keys="End")


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("../../../etc/cron.d/evil", "evil"),
        ("..\\..\\evil.exe", "evil.exe"),
        ("/etc/passwd", "passwd"),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("a\x00b\nc.txt", "a_b_c.txt"),
        ("txt.\u202eexe.doc", "txt.exe.doc"),
        ("$(reboot);`id`|x.sh", "_(reboot)__id__x.sh"),
        ("x" * 500 + ".pdf", "x" * 117 + ".pdf"),
        ("報" * 200 + ".pdf", "報" * 66 + ".pdf"),
        ("", "download"),
        ("...", "download"),
        ("con  fig .txt", "con fig.txt"),
    ],
)
def test_names_of_downloads_are_harmless(name: str, becomes: str) -> None:
    assert harmless(name) == becomes


async def test_a_download_cannot_leave_the_home_by_a_link(agent: Agent, site: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (agent.home / "downloads").symlink_to(outside)
    told = await agent.do("open", url=f"{site.origin}/file?name=x.bin&bytes=10")
    assert "was not kept" in told
    assert list(outside.iterdir()) == []


async def test_a_download_beyond_the_quota_is_not_kept(agent: Agent, site: Site) -> None:
    (agent.home / "full").write_bytes(b"x" * (QUOTA - 1000))
    told = await agent.do("open", url=f"{site.origin}/file?name=x.bin&bytes=5000")
    assert "was not kept: the home holds" in told
    assert not (agent.home / "downloads").exists()


async def test_an_endless_download_is_ended_while_it_grows(agent: Agent, site: Site) -> None:
    told = await agent.do("open", url=f"{site.origin}/file?name=x.bin&bytes=4000000000&endless=1")
    for _ in range(10):
        if "it is larger than what the home has room for" in told:
            break
        told = await agent.do("wait", seconds=10)
    assert "The download 'x.bin' was ended: it is larger than what the home has room for." in told


async def test_uploads_come_from_the_home_and_workspaces_and_from_nowhere_else(
    agent: Agent, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "b.txt").write_text("of the team")
    agent.workspaces["team"] = tmp_path / "team"
    (agent.home / "a.txt").write_text("of the agent")
    await agent.do("open", url=f"{site.origin}/uploads")
    await agent.do("upload", paths=["a.txt", "/workspaces/team/b.txt"], target="Paper")
    assert "took a.txt, b.txt" in await agent.do("click", target="Hand in")
    assert b"of the agent" in site.uploads[-1]
    assert b"of the team" in site.uploads[-1]

    (tmp_path / "secret").write_text("canary")
    (agent.home / "link").symlink_to(tmp_path / "secret")
    await agent.do("open", url=f"{site.origin}/uploads")
    for path in ("link", "../../secret", str(tmp_path / "secret"), "/etc/passwd", "/workspaces/other/x", "missing"):
        outcome = await agent.say("upload", paths=[path], target="Paper")
        assert not outcome.ok, path


async def test_a_page_that_asks_for_files_is_told_of_and_answered(agent: Agent, site: Site) -> None:
    (agent.home / "cat.txt").write_text("meow")
    await agent.do("open", url=f"{site.origin}/uploads")
    outcome = await agent.say("upload", paths=["cat.txt"])
    assert "the page has not asked for files" in outcome.content
    assert "The page asks for a file; give them with browser_upload." in await agent.do(
        "click", target="Choose a picture"
    )
    await agent.do("upload", paths=["cat.txt"])
    assert await agent.proof() == "read cat.txt: meow"


# --- where it may go -------------------------------------------------------------------------------------------------


async def test_an_agent_without_a_network_has_no_browser(make: MakeAgent, site: Site) -> None:
    outcome = await make(spec=SandboxSpec()).say("open", url=site.origin)
    assert not outcome.ok
    assert "this agent has no network, so it cannot browse" in outcome.content


async def test_an_agent_with_a_list_of_hosts_browses_those_and_no_others(make: MakeAgent, site: Site) -> None:
    spec = SandboxSpec(network="allowed", hosts=(f"127.0.0.1:{site.port}", "example.org"))
    agent = make(spec=spec)
    told = await agent.do("open", url=f"{site.origin}/foreign")
    # The administrator opens it, but this agent's list does not name it.
    assert f"localhost:{site.port} is not among the hosts of this agent" in told
    assert ": form" in await agent.do("open", url=f"{site.origin}/form")
    outcome = await agent.say("open", url="https://www.example.org/")
    assert "www.example.org:443 is not on the list of what may be reached" in outcome.content
    # Named by the agent alone, a private address stays closed.
    outcome = await make(8, spec=SandboxSpec(network="allowed", hosts=("10.0.0.1",))).say("open", url="http://10.0.0.1")
    assert "10.0.0.1 is an address of a private network" in outcome.content


async def test_permissions_about_hosts_hold_for_what_a_page_asks_for_by_itself(make: MakeAgent, site: Site) -> None:
    def ruled(*lines: str) -> Agent:
        policy = Policy((), tuple(parse_permission(line) for line in lines))
        return make(7, rules=lambda host: reached(policy, host, Caller(("shopper",))))

    denied = ruled("deny host=localhost why='it is not ours'", "deny tool=run_command", "ask tool=browser_click")
    told = await denied.do("open", url=f"{site.origin}/foreign")
    assert "The gate refused a request: localhost is not permitted: it is not ours." in told
    assert "textbox" not in told
    outcome = await denied.say("open", url=f"{site.origin}/redirect?to={site.other}/form")
    assert not outcome.ok
    assert "the gate refused it. The gate refused a request: localhost is not permitted" in outcome.content

    asked = ruled("ask host=localhost")
    told = await asked.do("open", url=f"{site.origin}/foreign")
    assert "open it with browser_open, so that a person is asked" in told
    # Opened by name it was put before the person, and then its frames may come, too.
    assert ": form" in await asked.do("open", url=f"{site.other}/form")
    assert 'textbox "Word"' in await asked.do("open", url=f"{site.origin}/foreign")


# --- the process -----------------------------------------------------------------------------------------------------


def chromiums() -> set[int]:
    """The main processes of Chromium below this one."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if any("--remote-debugging-pipe" in part for part in command) and not any("--type=" in p for p in command):
            found.add(process.pid)
    return found


async def test_a_chromium_that_crashed_is_noticed_and_mended(make: MakeAgent, site: Site) -> None:
    one, other = make(7), make(8)
    await one.do("open", url=f"{site.origin}/form")
    await other.do("open", url=f"{site.origin}/table")
    for pid in chromiums():
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.5)
    told = await one.do("open", url=f"{site.origin}/range")
    assert "The browser had crashed and was started anew. Its tabs are opened again" in told
    assert ": range" in told
    assert await other.do("wait", text="Pear")
    assert "crashed" not in await one.do("read")


async def test_a_page_that_crashed_is_told_of(agent: Agent, site: Site) -> None:
    await agent.do("open", url=f"{site.origin}/form")
    await agent.do("open", url=f"{site.origin}/table", new_tab=True)
    browser = await agent.browser()
    page = browser._sheets[2].page  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="crash"):
        await page.goto("chrome://crash", timeout=3_000)
    await asyncio.sleep(0.5)
    told = await agent.do("read")
    assert "The page in tab 2 crashed, so the tab was closed." in told
    assert ": form" in told


async def test_one_chromium_serves_all_agents_and_ends_with_its_keeper(site: Site, tmp_path: Path) -> None:
    before = chromiums()
    settings = Settings(home=tmp_path, private_hosts=(f"127.0.0.1:{site.port}",))
    async with Browsers({"chromium": Chromium()}, settings) as browsers:
        spec = SandboxSpec(network="host")
        for pid in (1, 2, 3):
            await browsers.open(pid, nowhere, spec, None, lambda host: None)
        assert len(chromiums() - before) == 1
    assert chromiums() - before == set()


async def test_so_many_browsers_are_awake_and_no_more(site: Site, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, private_hosts=(f"127.0.0.1:{site.port}",), browsers=2)
    async with Browsers({"chromium": Chromium()}, settings) as browsers:

        async def opened(pid: int) -> Browser:
            return await browsers.open(pid, nowhere, SandboxSpec(network="host"), None, lambda host: None)

        first, second = await opened(1), await opened(2)
        await first.act(Open(f"{site.origin}/form"), DialogAnswer())
        await second.act(Open(f"{site.origin}/table"), DialogAnswer())
        third = await opened(3)
        assert [each.awake for each in (first, second, third)] == [False, True, True]
        # Whoever was put to rest finds what it had, and somebody else rests.
        assert (await (await opened(1)).tabs())[0].url == f"{site.origin}/form"
        assert [each.awake for each in (first, second, third)] == [True, False, True]
        busy = [asyncio.create_task(each.act(Wait(3, "Godot"), DialogAnswer())) for each in (first, third)]
        await asyncio.sleep(0.3)
        with pytest.raises(ToolFailed, match="2 browsers are at work on this server"):
            await opened(2)
        await asyncio.gather(*busy, return_exceptions=True)


async def test_browsers_that_are_idle_give_their_memory_back_and_so_does_chromium(site: Site, tmp_path: Path) -> None:
    before = chromiums()
    settings = Settings(home=tmp_path, private_hosts=(f"127.0.0.1:{site.port}",), browser_idle_s=0.2)
    async with Browsers({"chromium": Chromium()}, settings) as browsers:
        sweeping = asyncio.create_task(browsers.sweep())
        await browsers.open(1, nowhere, SandboxSpec(network="host"), None, lambda host: None)
        async with asyncio.timeout(10):
            while chromiums() - before:
                await asyncio.sleep(0.1)
        sweeping.cancel()
        browser = await browsers.open(1, nowhere, SandboxSpec(network="host"), None, lambda host: None)
        assert len(await browser.tabs()) == 1


async def test_what_a_killed_server_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    # Not below pytest's own folder, through which nobody may pass.
    with tempfile.TemporaryDirectory() as common:
        os.chmod(common, 0o711)
        monkeypatch.setattr(tempfile, "tempdir", common)
        left, others = Path(common, f"aether-browser-{done.pid}-x"), Path(common, f"aether-browser-{os.getpid()}-y")
        for folder in (left, others):
            (folder / "downloads").mkdir(parents=True)
        async with Browsers({"chromium": Chromium()}, Settings(home=tmp_path)) as browsers:
            await browsers.open(1, nowhere, SandboxSpec(network="host"), None, lambda host: None)
            assert not left.exists()
            assert others.exists()
        assert [path.name for path in Path(common).glob("aether-browser-*")] == [others.name]


@pytest.mark.skipif(not found.as_root(), reason="only root has something to lose here")
async def test_chromium_of_a_server_that_is_root_is_run_by_nobody_and_has_its_own_sandbox(
    agent: Agent, site: Site, tmp_path: Path
) -> None:
    await agent.do("open", url=f"{site.origin}/form")
    (main,) = chromiums()
    family = [psutil.Process(main), *psutil.Process(main).children(recursive=True)]
    assert {process.uids().effective for process in family} == {65534}
    # Whether nobody may make a sandbox is the kernel's to say.
    unshared = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "unshare", "-Ur", "true"], check=False)
    if unshared.returncode == 0:
        assert not [part for process in family for part in process.cmdline() if part == "--no-sandbox"]


def test_a_chromium_where_only_root_may_go_is_run_as_root_and_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "closed" / "chrome"
    program.parent.mkdir(mode=0o700)
    program.touch(0o755)
    monkeypatch.setattr(found, "as_root", lambda: True)
    answer = found.availability(str(program))
    assert answer.ok
    assert "run as root and without its own sandbox: it lies where only root may go" in answer.detail
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no setpriv" in found.availability(str(program)).detail


def test_a_download_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    (tmp_path / "home").mkdir()
    (tmp_path / "guid").symlink_to(tmp_path / "secret")
    with pytest.raises(ToolFailed, match="it is no file"):
        kept(tmp_path / "home", "x.txt", tmp_path / "guid", 1_000)
    assert list((tmp_path / "home").iterdir()) == []


async def test_chromium_finds_nothing_of_the_servers_environment(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-a-key")
    before = chromiums()
    async with Browsers({"chromium": Chromium()}, Settings(home=tmp_path)) as browsers:
        await browsers.open(1, nowhere, SandboxSpec(network="host"), None, lambda host: None)
        (pid,) = chromiums() - before
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            assert "canary-of-a-key" not in process.environ().values()


async def test_where_there_is_no_chromium_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert found.availability() == Availability(False, "no Chromium is installed", found.INSTALL)
    assert not found.availability("/opt/none/chrome").ok
    async with Browsers({"chromium": Chromium()}, Settings(home=tmp_path)) as browsers:
        assert await browsers.available() == found.availability()
        with pytest.raises(ToolFailed, match=r"there is no browser here: no Chromium is installed\. Install Chromium"):
            await browsers.open(1, nowhere, SandboxSpec(network="host"), None, lambda host: None)


def test_chromium_is_found_where_it_is_set_and_where_playwright_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for version in ("chromium-999", "chromium-1187"):
        program = tmp_path / version / "chrome-linux" / "chrome"
        program.parent.mkdir(parents=True)
        program.touch(0o755)
    assert found.chromium("", {"PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}) == str(program)
    assert found.chromium(str(program)) == str(program)
    mine = tmp_path / "mychrome"
    mine.touch(0o755)
    assert found.chromium("mychrome") == str(mine)


async def test_a_program_that_is_no_chromium_is_told_as_such(tmp_path: Path) -> None:
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/sh\necho no browser at all >&2\nexit 3\n")
    fake.chmod(0o755)
    async with Browsers({"chromium": Chromium(str(fake))}, Settings(home=tmp_path)) as browsers:
        with pytest.raises(ToolFailed, match=rf"Chromium \({re.escape(str(fake))}\) did not start: no browser at all"):
            await browsers.open(1, nowhere, SandboxSpec(network="host"), None, lambda host: None)
