"""llama.cpp needs libgomp.so.1; a bare Linux has none, and the copy in a wheel bears another name."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.faces import clean_environment

BARE = """
import ctypes, sysconfig
from pathlib import Path
real, first = ctypes.CDLL, []
def bare(name, *args, **kwargs):  # the system has none until a copy is loaded
    if name == "libgomp.so.1" and not first:
        raise OSError("libgomp.so.1: cannot open shared object file")
    first.append(name)
    return real(name, *args, **kwargs)
ctypes.CDLL = bare
"""


def said(code: str) -> str:
    """What the code prints in a fresh process, where nothing is loaded yet."""
    done = subprocess.run(
        [sys.executable, "-c", BARE + textwrap.dedent(code)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone has it as a package of its own")
def test_a_bare_machine_takes_the_runtime_of_a_wheel(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="the extra `local` is not installed")
    shown = said(f"""
        from aether_jupyter.providers import embedded
        print(embedded.openmp(Path({str(tmp_path)!r})))
        import xllamacpp
        print(*{{line.split()[-1] for line in open("/proc/self/maps") if "libgomp" in line}})
    """)
    assert shown.split() == ["True", str(tmp_path / "libgomp.so.1")]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone has it as a package of its own")
def test_where_nobody_has_it_the_model_says_what_to_install(tmp_path: Path) -> None:
    shown = said(f"""
        sysconfig.get_path = lambda name: {str(tmp_path)!r}
        from aether_jupyter.config import Settings
        from aether_jupyter.providers import embedded
        kind = embedded.Embedded(Settings(home=Path({str(tmp_path)!r})))
        print(kind.info(embedded.NAME).available)
    """)
    assert "ok=False" in shown
    assert "libgomp.so.1" in shown
    assert "apt-get install libgomp1" in shown
