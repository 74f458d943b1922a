"""Who may do what without asking, as a table."""

from __future__ import annotations

import pytest

from aether_jupyter.engine.policy import clamp, digest, rule
from aether_jupyter.model.agent import Mode, SandboxSpec
from aether_jupyter.model.message import ToolCall
from aether_jupyter.model.tool import RISKS, Risk, ToolSpec

FREE = {
    Mode.PLAN: {"safe"},
    Mode.ASK_ALWAYS: {"safe"},
    Mode.ASK_RISKY: {"safe", "write"},
    Mode.ACCEPT_EDITS: {"safe", "write", "execute"},
    Mode.AUTONOMOUS: {"safe", "write", "execute", "network", "destructive"},
}


def spec(risk: Risk) -> ToolSpec:
    return ToolSpec(name="t", description="", parameters={}, risk=risk)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("risk", RISKS)
def test_modes_free_what_they_say_and_ask_or_deny_the_rest(mode: Mode, risk: Risk) -> None:
    verdict = rule(spec(risk), mode, SandboxSpec(), "bubblewrap").verdict
    expected = "allow" if risk in FREE[mode] else "deny" if mode is Mode.PLAN else "ask"
    assert verdict == expected


def test_a_command_on_the_bare_host_is_never_merely_execute() -> None:
    ruling = rule(spec(Risk.EXECUTE), Mode.ACCEPT_EDITS, SandboxSpec(kind="host"), "host")
    assert (ruling.verdict, ruling.risk) == ("ask", Risk.DESTRUCTIVE)
    assert "host" in ruling.why


def test_a_command_that_reaches_the_network_counts_as_network() -> None:
    ruling = rule(spec(Risk.EXECUTE), Mode.ACCEPT_EDITS, SandboxSpec(network="host"), "docker")
    assert (ruling.verdict, ruling.risk) == ("ask", Risk.NETWORK)


def test_the_administrator_clamps_the_mode() -> None:
    assert clamp(Mode.AUTONOMOUS, Mode.ASK_RISKY) is Mode.ASK_RISKY
    assert clamp(Mode.PLAN, Mode.ASK_RISKY) is Mode.PLAN


def test_an_approval_binds_tool_arguments_call_and_process_but_not_the_order_of_keys() -> None:
    call = ToolCall("c1", "run_command", {"command": "ls", "cwd": "x"})
    same = ToolCall("c1", "run_command", {"cwd": "x", "command": "ls"})
    assert digest(call, 7) == digest(same, 7)
    others = [
        digest(call, 8),
        digest(ToolCall("c2", "run_command", call.arguments), 7),
        digest(ToolCall("c1", "write_file", call.arguments), 7),
        digest(ToolCall("c1", "run_command", {"command": "ls ", "cwd": "x"}), 7),
    ]
    assert digest(call, 7) not in others
