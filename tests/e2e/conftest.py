"""One browser for all, one JupyterLab for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import lab as labs


@pytest.fixture(scope="session")
def chrome() -> Iterator[Any]:
    if labs.chromium() is None:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    with labs.browser() as opened:
        yield opened


@pytest.fixture(autouse=True)
def pages_end_with_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """A page that is left open asks for its server for ever, and slows down whatever comes after it."""
    yield
    if "chrome" in request.fixturenames:
        for context in request.getfixturevalue("chrome").contexts:
            context.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[labs.Lab]:
    started = labs.Lab(tmp_path)
    started.start()
    try:
        yield started
    finally:
        started.stop()
    assert not started.page_errors


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """Playwright's own loop runs in this thread; pytest-jupyter's would be in its way, and nothing here needs it."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Nor is there a server within this process to clean up."""
