"""A real server for these tests."""

from tests.faces import server

__all__ = ["server"]
