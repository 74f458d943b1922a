"""What every test may use: Jupyter's server fixtures, asyncio for `anyio` tests, no real keys in the environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio.pytest_plugin
import pytest

pytest_plugins = ("pytest_jupyter.jupyter_server",)

KEPT = ("OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_API_KEY", "OLLAMA_", "AETHER_")

# A test must reach neither a real provider nor the person's own agents.
for _name in [name for name in os.environ if name.startswith(KEPT) and name != "AETHER_TEST_MODELS"]:
    del os.environ[_name]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _backend_is_named(anyio_backend: str) -> None:
    """Every test names its backend, or anyio drops the parameters of those that pytest-jupyter collected first."""


class LoopOfTheFixtures:
    """Runs `anyio` tests on the loop of their fixtures; pytest-jupyter would take one of its own for the test alone."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        if pyfuncitem.get_closest_marker("anyio") is None or "jp_serverapp" in pyfuncitem.fixturenames:
            return None
        return anyio.pytest_plugin.pytest_pyfunc_call(pyfuncitem)


def pytest_configure(config: pytest.Config) -> None:
    # Registered last, it is asked before pytest-jupyter, which is loaded after this file.
    config.pluginmanager.register(LoopOfTheFixtures())


@pytest.fixture(scope="session", autouse=True)
def _no_mount_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers that tests killed leave the volumes of their agents mounted, as they should; their folders go here."""
    yield
    base = str(tmp_path_factory.getbasetemp())
    mounts = Path("/proc/self/mounts")
    for line in mounts.read_text().splitlines() if mounts.exists() else ():
        if line.split()[1].startswith(f"{base}/"):
            subprocess.run(["umount", "--lazy", line.split()[1]], check=False)


@pytest.fixture
def jp_server_config() -> dict[str, object]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"aether_jupyter": True},
            "allow_unauthenticated_access": False,
        }
    }
