"""What stands twice must agree, and who may import whom is kept."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import aether_jupyter

ROOT = Path(__file__).parents[2]
HEAVY = ("pydantic_ai", "openai", "anthropic", "google.genai", "docker", "xllamacpp", "playwright")


def test_the_floors_hold() -> None:
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_package_stands_on_a_floor() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = set(re.findall(r"aether_jupyter\.(\w+)", json.dumps(contracts)))
    packages = {path.parent.name for path in (ROOT / "aether_jupyter").glob("*/__init__.py")}
    assert packages - named == set()


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    package = json.loads((ROOT / "labextension" / "package.json").read_text())
    assert project["version"] == package["version"] == aether_jupyter.__version__


def test_the_server_part_imports_nothing_heavy() -> None:
    # Seconds of every Jupyter server's start, whether it runs an agent or not.
    code = f"import sys, aether_jupyter.extension; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_speaks_only_of_itself() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        return  # an unpacked source distribution has no list of files
    own_machine = re.compile(r"(?<![\w.])/(work|farm|root)/[a-z]")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if (
            path.suffix in {".py", ".ts", ".tsx", ".md", ".toml", ".sh", ".yml", ".json", ".lock", ".ipynb"}
            and path.exists()
        ):
            found += [f"{name}: {line[:80]}" for line in path.read_text().splitlines() if own_machine.search(line)]
    assert found == []
