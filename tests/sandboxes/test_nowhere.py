"""Where bubblewrap cannot work, its words say why and what would help."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from aether_jupyter.sandboxes import bubblewrap

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bubblewrap runs on Linux only"),
]


@pytest.fixture
def refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bubblewrap.Bubblewrap:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "find_bwrap", lambda: str(program))
    return bubblewrap.Bubblewrap(tmp_path / "home", 1_000_000)


async def test_in_a_chroot_it_says_how_to_enter_it_instead(
    refusing: bubblewrap.Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "samefile", lambda one, other: False)
    answer = await refusing.available()
    assert not answer.ok
    assert "this is a chroot" in answer.detail
    assert "systemd-nspawn" in answer.fix


async def test_elsewhere_it_repeats_what_bwrap_said(
    refusing: bubblewrap.Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "samefile", lambda one, other: True)
    answer = await refusing.available()
    assert not answer.ok
    assert "No permissions to create a new namespace" in answer.detail
    assert "user namespaces" in answer.fix
