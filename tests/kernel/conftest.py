"""The same open app as the runtime's tests have."""

from tests.runtime.conftest import house, script, settings, ticks

__all__ = ["house", "script", "settings", "ticks"]
