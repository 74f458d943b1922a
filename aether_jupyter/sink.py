"""Where a zip is written that is sent as it grows. A shelf beside `abc`."""

from __future__ import annotations

import io


class Sink(io.RawIOBase):
    """Takes what the zip writes and gives it away; it cannot be sought in, so nothing is written twice."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since it was last asked."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
