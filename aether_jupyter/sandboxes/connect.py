"""Connections into a container: to a socket that the agent owns the folder of, without going where it points.

The agent may put anything in that folder. A symbolic link would resolve on the host, so the socket is opened by its
descriptor, looked at, and connected to by that descriptor and no other way.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path


def connect(folder: Path, name: str, uid: int) -> socket.socket:
    """A connection to the socket `name` in `folder`. Raises `OSError` for what is no socket of this user."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    into = os.open(folder, flags | os.O_DIRECTORY)
    try:
        found = os.open(name, flags, dir_fd=into)
        try:
            about = os.fstat(found)
            if not stat.S_ISSOCK(about.st_mode) or about.st_uid != uid:
                raise OSError(f"{name} is not the socket of user {uid}")
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.setblocking(False)
            try:
                made.connect(f"/proc/self/fd/{found}")
            except BaseException:
                made.close()
                raise
            return made
        finally:
            os.close(found)
    finally:
        os.close(into)
