"""Which permissions fit a call and which wins: as tables, and as laws over many."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aether_jupyter.engine.permissions import (
    Applied,
    Caller,
    Level,
    Policy,
    Reach,
    decide,
    denied_model,
    host_of,
    inherited,
    reached,
)
from aether_jupyter.engine.policy import permitted, rule
from aether_jupyter.model.agent import AgentSpec, Mode, SandboxSpec
from aether_jupyter.model.errors import BadRequest
from aether_jupyter.model.permission import Permission, parse_permission
from aether_jupyter.model.tool import RISKS, Risk, ToolSpec

HOME = "/srv/aether/homes/7"


def tool(name: str = "t", risk: Risk = Risk.SAFE, **args: str) -> ToolSpec:
    return ToolSpec(name=name, description="", parameters={}, risk=risk, args=args)


READ = tool("read_file", path="select:file")
LIST = tool("list_files", path="select:folder")
MOVE = tool("move_file", Risk.WRITE, source="select:path", target="name:path")
RUN = tool("run_command", Risk.EXECUTE, command="select:command", cwd="select:file")
FETCH = tool("fetch", Risk.NETWORK, address="url")
UNDECLARED = tool("foreign")


def verdict(
    line: str,
    spec: ToolSpec,
    arguments: dict[str, Any] | None = None,
    *,
    risk: Risk | None = None,
    names: tuple[str, ...] = ("builder",),
    role: str = "",
    model: str = "openai:gpt",
    workspaces: tuple[str, ...] = (),
    isolated: bool = True,
    network: bool = False,
) -> str:
    reach = Reach(home=HOME, workspaces=workspaces, isolated=isolated, network=network)
    policy = Policy((parse_permission(line),))
    applied = decide(policy, spec, risk or spec.risk, arguments or {}, Caller(names, role, model), reach)
    return applied.permission.verdict if applied else "none"


@pytest.mark.parametrize(
    ("line", "options", "fits"),
    [
        ("deny", {}, True),
        ("deny tool=read_*", {}, True),
        ("deny tool=READ_FILE", {}, True),
        ("deny tool=write_*", {}, False),
        ("deny tool=!read_*", {}, False),
        ("deny risk=safe,write", {}, True),
        ("deny risk=network", {}, False),
        ("deny agent=build*", {}, True),
        ("deny agent=chief", {"names": ("builder", "chief")}, True),
        ("deny role=researcher", {"role": "researcher"}, True),
        ("deny role=researcher", {}, False),
        ("deny model=openai:*", {}, True),
        ("deny model=!local:*", {}, True),
        ("deny model=!local:*", {"model": "local:qwen"}, False),
        ("deny model=openai:*", {"model": "cassette:a.json?record=openai:gpt"}, True),
        ("deny tool=read_* model=local:*", {}, False),
    ],
)
def test_a_line_fits_if_all_its_conditions_do(line: str, options: dict[str, Any], fits: bool) -> None:
    assert verdict(line, READ, {"path": "a"}, **options) == ("deny" if fits else "none")


@pytest.mark.parametrize(
    "path",
    [
        "secrets",
        "secrets/a/b",
        "./secrets//a",
        "secrets/",
        "~/secrets/a",
        "/home/agent/secrets/a",
        f"{HOME}/secrets/a",
        "Secrets/A",
        "secrets./a",
        "secrets\\a",
        " secrets/a",
        "x/../secrets/a",
        "../homes/7/secrets/a",
        "secrets/../a",
        "a\0b",
    ],
)
def test_no_spelling_of_a_path_slips_past_a_deny_or_into_an_allow_of_another_folder(path: str) -> None:
    assert verdict("deny folder=secrets", READ, {"path": path}) == "deny"
    assert verdict("allow folder=!secrets", READ, {"path": path}) == "none"


@pytest.mark.parametrize("path", ["secret", "secrets2/a", "a/secrets", "/workspaces/secrets/a", "/etc/secrets"])
def test_a_folder_is_not_a_prefix_of_letters(path: str) -> None:
    assert verdict("deny folder=secrets", READ, {"path": path}) == "none"
    assert verdict("allow folder=!secrets", READ, {"path": path}) == "allow"


@pytest.mark.parametrize(
    ("folder", "path", "fits"),
    [
        ("/workspaces/pay*", "/workspaces/payroll/a", True),
        ("/workspaces/pay*", "/workspaces/other/a", False),
        ("**/.env", ".env", True),
        ("**/.env", "a/b/.env", True),
        ("**/.env", "/workspaces/x/.env", True),
        ("**/.env", "a/env", False),
        ("data/*/raw", "data/2024/raw/a", True),
        ("data/*/raw", "data/2024/a", False),
        (".", "anything", True),
        (".", "/workspaces/x/a", False),
        ("/", "/workspaces/x/a", True),
        ("!out", "out/a", False),
        ("!out", "other/a", True),
    ],
)
def test_patterns_of_folders(folder: str, path: str, fits: bool) -> None:
    assert verdict(f"deny folder={folder}", READ, {"path": path}) == ("deny" if fits else "none")


def test_of_several_paths_one_is_enough_to_deny_and_all_are_needed_to_allow() -> None:
    for source, target in itertools.permutations(["out/a", "secrets/a"]):
        assert verdict("deny folder=secrets", MOVE, {"source": source, "target": target}) == "deny"
        assert verdict("allow folder=out", MOVE, {"source": source, "target": target}) == "none"
    assert verdict("allow folder=out", MOVE, {"source": "out/a", "target": "out/b"}) == "allow"
    many = tool("many", paths="select:file")
    assert verdict("deny folder=secrets", many, {"paths": ["a", "secrets/b"]}) == "deny"
    assert verdict("allow folder=out", many, {"paths": []}) == "none"


def test_what_lies_above_a_folder_reaches_it_where_the_tool_takes_all_below() -> None:
    assert verdict("deny folder=a/secrets", LIST, {"path": "a"}) == "deny"
    assert verdict("deny folder=a/secrets", MOVE, {"source": "a", "target": "b"}) == "deny"
    assert verdict("deny folder=a/secrets", MOVE, {"source": "c", "target": "."}) == "deny"
    assert verdict("deny folder=a/secrets", READ, {"path": "a"}) == "none"
    assert verdict("deny folder=a/secrets", LIST, {"path": "b"}) == "none"
    assert verdict("allow folder=!a/secrets", LIST, {"path": "a"}) == "none"


def test_a_command_may_touch_whatever_its_sandbox_holds() -> None:
    call = {"command": "ls", "cwd": "out"}
    assert verdict("deny folder=secrets", RUN, call) == "deny"
    assert verdict("allow folder=out", RUN, call) == "none"
    assert verdict("deny folder=/workspaces/pay", RUN, call) == "none"
    assert verdict("deny folder=/workspaces/pay", RUN, call, workspaces=("pay",)) == "deny"
    assert verdict("deny folder=/workspaces/pay", RUN, call, isolated=False) == "deny"
    assert verdict("deny folder=/etc", RUN, call) == "deny"
    assert verdict("deny tool=*_file folder=secrets", RUN, call) == "none"
    assert verdict("allow folder=.", RUN, call) == "allow"
    assert verdict("allow folder=.", RUN, call, workspaces=("pay",)) == "none"


def test_a_command_reaches_every_host_or_none() -> None:
    assert verdict("deny host=evil.example", RUN, {"command": "curl evil.example"}) == "none"
    assert verdict("deny host=evil.example", RUN, {"command": "true"}, network=True) == "deny"
    assert verdict("deny host=evil.example", RUN, {"command": "true"}, isolated=False) == "deny"
    assert verdict("allow host=*", RUN, {"command": "true"}, network=True) == "none"


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://evil.example/x", True),
        ("https://EVIL.example.:443/x", True),
        ("evil.example:80", True),
        ("https://good.example@evil.example/", True),
        ("https://evil.example\\@good.example/", True),
        ("https://good.example/evil.example", False),
        ("https://notevil.example/", False),
        ("http://[bad", True),
        ("", True),
    ],
)
def test_hosts_of_addresses(url: str, fits: bool) -> None:
    assert verdict("deny host=evil.example", FETCH, {"address": url}) == ("deny" if fits else "none")
    if fits:
        assert verdict("allow host=!evil.example", FETCH, {"address": url}) == "none"


def test_a_network_tool_that_names_no_host_may_reach_any() -> None:
    assert verdict("deny host=evil.example", tool("search", Risk.NETWORK, words="content"), {"words": "x"}) == "deny"
    assert host_of("https://münchen.example/") == "münchen.example"
    assert verdict("deny host=xn--mnchen-3ya.example", FETCH, {"address": "https://münchen.example/"}) == "deny"


def test_a_tool_that_declares_no_roles_is_taken_to_mean_paths() -> None:
    assert verdict("deny folder=secrets", UNDECLARED, {"x": "secrets/a"}) == "deny"
    assert verdict("deny folder=secrets", UNDECLARED, {"x": {"y": ["../a"]}}) == "deny"
    assert verdict("deny folder=secrets", UNDECLARED, {"x": "word"}) == "none"
    assert verdict("allow folder=out", UNDECLARED, {"x": "out/a"}) == "none"
    assert verdict("deny folder=secrets", tool("foreign", Risk.EXECUTE), {"x": "1"}) == "deny"


def test_the_risk_is_that_of_the_declaration_and_of_the_sandbox_for_a_deny_and_of_the_sandbox_for_an_allow() -> None:
    for risk in (Risk.EXECUTE, Risk.NETWORK):
        assert verdict(f"deny risk={risk}", RUN, {}, risk=Risk.NETWORK) == "deny"
    assert verdict("allow risk=execute", RUN, {}, risk=Risk.NETWORK) == "none"
    assert verdict("allow risk=network", RUN, {}, risk=Risk.NETWORK) == "allow"


def test_an_allow_for_one_name_is_not_won_by_a_child_that_takes_the_name() -> None:
    assert verdict("allow agent=deployer", READ, names=("deployer",)) == "allow"
    assert verdict("allow agent=deployer", READ, names=("deployer", "rogue")) == "none"


# --- precedence ------------------------------------------------------------------------------------------------------

VERDICTS = st.sampled_from(["allow", "ask", "deny"])
LINES = st.builds(
    Permission,
    verdict=VERDICTS,
    tool=st.sampled_from(["", "read_file", "*_file", "!read_file"]),
    risk=st.lists(st.sampled_from(RISKS), max_size=2).map(tuple),
    folder=st.sampled_from(["", "a", "a/b", "!a", "**/b", "/workspaces/w"]),
    model=st.sampled_from(["", "openai:*", "!openai:*"]),
)
POLICIES = st.builds(Policy, st.lists(LINES, max_size=3).map(tuple), st.lists(LINES, max_size=3).map(tuple))
TOOLS = st.sampled_from([READ, LIST, MOVE, RUN, FETCH, UNDECLARED])
PARTS = st.sampled_from(["a", "b", "A", ".", "..", "", "~", "workspaces", "w", "\\", " a"])
PATHS = st.lists(PARTS, max_size=5).map("/".join)


def ruled(policy: Policy, spec: ToolSpec, path: str, mode: Mode, most: Mode = Mode.AUTONOMOUS) -> tuple[str, Risk]:
    base = rule(spec, mode, SandboxSpec(), "bubblewrap")
    arguments = dict.fromkeys(spec.args or ("x",), path)
    caller = Caller(("n",), "", "openai:gpt")
    found = permitted(base, decide(policy, spec, base.risk, arguments, caller, Reach(home=HOME)), most)
    return found.verdict, found.risk


@given(POLICIES, TOOLS, PATHS, st.sampled_from(Mode), LINES)
def test_more_denies_and_asks_never_free_a_call_and_no_allow_lifts_one(
    policy: Policy, spec: ToolSpec, path: str, mode: Mode, line: Permission
) -> None:
    order = ("allow", "ask", "deny")
    before, risk = ruled(policy, spec, path, mode)
    after, _ = ruled(Policy(policy.administrator, (*policy.person, line)), spec, path, mode)
    if line.verdict == "allow":
        assert after == before or (before, after) == ("ask", "allow")
        if after != before:
            assert risk is not Risk.DESTRUCTIVE
            asks = [each for _, each in policy.lines() if each.verdict != "allow"]
            assert ruled(Policy((), tuple(asks)), spec, path, mode)[0] == before
            assert ruled(Policy((), tuple(asks)), spec, path, Mode.AUTONOMOUS)[0] == "allow"
    else:
        assert order.index(after) >= order.index(before) or before == after


@given(POLICIES, TOOLS, PATHS, st.sampled_from(Mode), st.sampled_from(Mode))
def test_nothing_but_the_verdict_decides_who_wins(
    policy: Policy, spec: ToolSpec, path: str, mode: Mode, most: Mode
) -> None:
    swapped = Policy(policy.person[::-1], policy.administrator[::-1])
    assert ruled(policy, spec, path, mode, most) == ruled(swapped, spec, path, mode, most)


@given(TOOLS, PATHS, LINES)
def test_what_is_surely_allowed_in_a_folder_is_denied_by_the_same_conditions(
    spec: ToolSpec, path: str, line: Permission
) -> None:
    fields = {name: getattr(line, name) for name in line.__struct_fields__ if name != "verdict"}
    allow, deny = (Policy((Permission(verdict=v, **fields),)) for v in ("allow", "deny"))
    arguments = dict.fromkeys(spec.args or ("x",), path)
    caller = Caller(("n",), "", "openai:gpt")
    if decide(allow, spec, spec.risk, arguments, caller, Reach(home=HOME)) is not None:
        assert decide(deny, spec, spec.risk, arguments, caller, Reach(home=HOME)) is not None


@given(PATHS, st.sampled_from(["a", "a/b", "!a", "**/b", "/workspaces/w", "."]))
def test_a_folder_and_its_opposite_never_both_allow_and_always_one_denies(path: str, folder: str) -> None:
    other = folder.removeprefix("!") if folder.startswith("!") else f"!{folder}"
    for spec in (READ, LIST):
        allows = [verdict(f"allow folder={f}", spec, {"path": path}) for f in (folder, other)]
        denies = [verdict(f"deny folder={f}", spec, {"path": path}) for f in (folder, other)]
        assert allows.count("allow") <= 1
        assert "deny" in denies


@pytest.mark.parametrize("most", Mode)
@pytest.mark.parametrize("risk", RISKS)
def test_an_allow_frees_a_question_up_to_the_freest_mode_and_nothing_destructive(most: Mode, risk: Risk) -> None:
    free = {
        Mode.PLAN: {"safe"},
        Mode.ASK_ALWAYS: {"safe"},
        Mode.ASK_RISKY: {"safe", "write"},
        Mode.ACCEPT_EDITS: {"safe", "write", "execute"},
        Mode.AUTONOMOUS: {"safe", "write", "execute", "network"},
    }
    asked = rule(tool(risk=risk), Mode.ASK_ALWAYS, SandboxSpec(), "bubblewrap")
    allow = Applied(Permission(verdict="allow", why="fine"), "administrator", certain=True)
    assert permitted(asked, allow, most).verdict == ("allow" if risk in free[most] else "ask")
    planned = rule(tool(risk=risk), Mode.PLAN, SandboxSpec(), "bubblewrap")
    assert permitted(planned, allow, most) == planned or risk is Risk.SAFE


def test_the_reason_and_who_gave_it_are_told() -> None:
    base = rule(RUN, Mode.AUTONOMOUS, SandboxSpec(), "bubblewrap")
    closed, run = Permission(verdict="deny", why="Payroll is closed."), Permission(verdict="ask", tool="run_*")
    levels: dict[Level, str] = {"administrator": "the administrator", "person": "whoever started this agent"}
    for by, who in levels.items():
        denied = permitted(base, Applied(closed, by, certain=True), Mode.AUTONOMOUS)
        assert f"{who}: Payroll is closed." in denied.why
        assert denied.by == by
        asked = permitted(base, Applied(run, by, certain=False), Mode.AUTONOMOUS)
        assert asked.why == f"{who} wants it to be asked: ask tool='run_*' (it may fall under this)"


# --- models and children ---------------------------------------------------------------------------------------------


def test_a_deny_of_a_model_alone_forbids_to_ask_it() -> None:
    def denied(line: str, model: str, role: str = "") -> bool:
        return denied_model(Policy((), (parse_permission(line),)), Caller(("n",), role, model)) is not None

    assert denied("deny model=openai:*", "openai:gpt")
    assert not denied("deny model=openai:*", "local:qwen")
    assert denied("deny model=!local:*", "openai:gpt")
    assert denied("deny model=openai:* role=intern", "openai:gpt", "intern")
    assert not denied("deny model=openai:* role=intern", "openai:gpt", "lead")
    assert not denied("deny model=openai:* tool=run_command", "openai:gpt")
    assert not denied("ask model=openai:*", "openai:gpt")
    assert not denied("deny role=intern", "openai:gpt", "intern")


def test_a_child_is_under_its_parents_permissions_and_role() -> None:
    ask, deny = parse_permission("ask tool=write_file"), parse_permission("deny host=*")
    parent = AgentSpec(goal="g", role="lead", permissions=(ask,))
    assert inherited(parent, AgentSpec(goal="h", permissions=(deny, ask))).permissions == (ask, deny)
    assert inherited(parent, AgentSpec(goal="h")).role == "lead"
    assert inherited(parent, AgentSpec(goal="h", role="intern")).role == "intern"


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "begins with none of allow, ask, deny"),
        ("forbid tool=x", "begins with none of allow, ask, deny"),
        ("deny tol=x", "no condition 'tol'. Did you mean 'tool'?"),
        ("deny run_command", "'run_command' is no condition"),
        ("deny tool=", "'tool=' is no condition"),
        ("deny tool=a tool=b", "tool twice"),
        ("deny risk=awful", "awful"),
        ("deny tool=[a", "'[' without its ']'"),
        ("deny folder=../x", "'..' leads nowhere"),
        ("deny host=https://x.example", "without scheme"),
        ("deny host=x.example:80", "without scheme, port"),
        ("deny model=gpt", "provider:model"),
        ("deny tool=!", "empty"),
        ("deny why='x", "No closing quotation"),
        ({"verdict": "perhaps"}, "perhaps"),
        ({"tool": "x"}, "verdict"),
        ({"verdict": "deny", "tols": "x"}, "Did you mean 'tool'?"),
        ({"verdict": "deny", "risk": "execute"}, "array"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: Any, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_permission(line)
    assert words in caught.value.message


@given(LINES)
def test_a_line_reads_back_from_its_text(line: Permission) -> None:
    assert parse_permission(str(line)) == line


@pytest.mark.parametrize(
    ("lines", "host", "verdict"),
    [
        (("deny host=evil.example",), "evil.example", "deny"),
        (("deny host=evil.example",), "good.example", None),
        (("deny host=*.evil.example",), "cdn.evil.example", "deny"),
        (("ask host=bank.example",), "bank.example", "ask"),
        (("allow host=bank.example", "ask host=*.example"), "bank.example", "ask"),
        (("deny host=::1",), "::1", "deny"),
        (("deny host=evil.example tool=read_file",), "evil.example", None),
        (("deny host=evil.example agent=other",), "evil.example", None),
        # What is not about hosts is asked of the call, not of each request that its page makes.
        (("ask tool=browser_open", "deny risk=network"), "good.example", None),
    ],
)
def test_what_a_page_asks_for_by_itself_falls_under_the_lines_about_hosts(
    lines: tuple[str, ...], host: str, verdict: str | None
) -> None:
    policy = Policy((), tuple(parse_permission(line) for line in lines))
    applied = reached(policy, host, Caller(("shopper",)))
    assert (applied.permission.verdict if applied else None) == verdict
