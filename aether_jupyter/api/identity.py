"""Who knocks: from Jupyter's identity to the principal that the kernel knows."""

from __future__ import annotations

import functools
import getpass
from typing import Any

from jupyter_server.auth.identity import IdentityProvider, LegacyIdentityProvider, PasswordIdentityProvider

from ..model.access import Principal
from ..model.errors import Forbidden

SHARED = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)
"""Jupyter's own providers name each browser anew, but whoever holds the one token is the one person of the server."""


def principal(provider: IdentityProvider, user: Any) -> Principal:
    """The person behind a request. Raises `Forbidden` if Jupyter knows nobody."""
    if not user:
        raise Forbidden("log in to this Jupyter server first")
    if type(provider) in SHARED:
        return _person(_account())
    return _person(user.username)


@functools.cache
def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user id has no name
        return "jovyan"


@functools.lru_cache(maxsize=1024)
def _person(name: str) -> Principal:
    return Principal.person(name)
