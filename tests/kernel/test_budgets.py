"""When a day of money begins and ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from aether_jupyter.kernel.budgets import day, next_day

HOUR = 3600.0


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.skipif(os.name != "posix", reason="a process has a time zone of its own on POSIX only")
@pytest.mark.parametrize(
    ("noon", "hours"),
    [
        pytest.param(1_700_046_000.0, 24, id="an ordinary day"),
        pytest.param(1_679_828_400.0, 23, id="the clock goes forward"),
        pytest.param(1_698_577_200.0, 25, id="the clock goes back"),
    ],
)
def test_a_day_ends_at_local_midnight(berlin: None, noon: float, hours: int) -> None:
    end = next_day(noon)
    assert day(end - 1) == day(noon)
    assert day(end) == day(end + HOUR) != day(noon)
    assert next_day(end - hours * HOUR) == end
    assert day(end - hours * HOUR - 1) != day(noon)
