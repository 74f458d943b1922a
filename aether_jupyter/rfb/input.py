"""What a viewer sends, taken apart message by message, so that only who has control can do anything.

Bytes that are no message this knows end the connection: what cannot be told apart cannot be held back.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from ..model.control import Act
from .keysyms import ALT, CONTROL, NAMED, SHIFT, SUPER, is_text

MOST_TEXT = 1_000_000
MOST_BUFFERED = MOST_TEXT + 4096
_ASKS_ONLY = 0xF << 24 & ~(1 << 27)
"""Flags of a clipboard message that gives nothing: what it can, and what it asks for."""

Kind = Literal["hello", "view", "clipboard", "pointer", "key", "resize"]


class Message(NamedTuple):
    """One message. `hello` and `view` only look; all else acts on the desktop."""

    kind: Kind
    raw: bytes

    @property
    def acts(self) -> bool:
        """Whether it changes anything."""
        return self.kind not in ("hello", "view")


class ViewerStream:
    """The bytes of one viewer, as they come in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._parts: list[Callable[[bytearray], int]] = [_version, _one, _shared]

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole now. Raises `ValueError` for what is none."""
        self._buffer += data
        if len(self._buffer) > MOST_BUFFERED:
            raise ValueError("a message without end")
        while self._buffer:
            size = self._parts[0](self._buffer) if self._parts else _size(self._buffer)
            if not size or len(self._buffer) < size:
                return
            raw = bytes(self._buffer[:size])
            del self._buffer[:size]
            if self._parts:
                # Whoever looks must not send the others away, so every viewer shares.
                shared = self._parts.pop(0) is _shared
                yield Message("hello", b"\x01" if shared else raw)
            else:
                yield Message(_kind(raw), raw)


def _version(buffer: bytearray) -> int:
    if not b"RFB 003.008\n".startswith(bytes(buffer[:12])):
        raise ValueError("not version 3.8")
    return 12


def _one(buffer: bytearray) -> int:
    if buffer[0] != 1:
        raise ValueError("no such security")
    return 1


def _shared(_: bytearray) -> int:
    return 1


def _size(buffer: bytearray) -> int:
    """Bytes of the message that begins here, 0 if that cannot be told yet."""
    kind = buffer[0]
    fixed = {0: 20, 3: 10, 4: 8, 5: 6, 150: 10}.get(kind)
    if fixed is not None:
        return fixed
    if kind == 2:
        return 4 + 4 * int(struct.unpack_from(">H", buffer, 2)[0]) if len(buffer) >= 4 else 0
    if kind == 6:
        if len(buffer) < 8:
            return 0
        length = abs(struct.unpack_from(">i", buffer, 4)[0])
        if length > MOST_TEXT:
            raise ValueError("a clipboard without end")
        return 8 + int(length)
    if kind == 248:
        return 9 + min(buffer[8], 64) if len(buffer) >= 9 else 0
    if kind == 251:
        return 8 + 16 * buffer[6] if len(buffer) >= 7 else 0
    if kind == 255:
        if len(buffer) >= 2 and buffer[1] != 0:
            raise ValueError("no such extension")
        return 12
    raise ValueError(f"no message {kind}")


def _kind(raw: bytes) -> Kind:
    if raw[0] == 6:
        length, flags = struct.unpack_from(">iI", raw.ljust(12, b"\0"), 4)
        return "view" if length < 0 and not flags & ~_ASKS_ONLY & 0xFF000000 else "clipboard"
    kinds: dict[int, Kind] = {4: "key", 255: "key", 5: "pointer", 251: "resize"}
    return kinds.get(raw[0], "view")


_HELD = {SHIFT: "shift", CONTROL: "ctrl", 0xFFE2: "shift", 0xFFE4: "ctrl", ALT: "alt", SUPER: "super", 0xFFEC: "super"}
_SILENT = frozenset({0xFE03, 0xFE08, 0xFF7E, 0xFFE5, 0xFF7F})
"""What only chooses the character of another key: AltGr, groups, locks."""
_NAMES = {symbol: name for name, symbol in reversed(NAMED.items())}
_DRAGGED = 8
"""Pixels between press and release beyond which it is a drag."""


class Recorder:
    """Turns what a person sends into acts that can be told, without what was typed."""

    def __init__(self) -> None:
        self._buttons = 0
        self._pressed = (0, 0)
        self._held: set[int] = set()
        self._down: set[int] = set()
        self._at = (0, 0)

    def released(self) -> list[bytes]:
        """The messages that let go of every key and button that is down."""
        down, self._down = self._down, set()
        up = [struct.pack(">BBxxI", 4, 0, symbol) for symbol in down]
        if self._buttons:
            up.append(struct.pack(">BBHH", 5, 0, *self._at))
        self._buttons = 0
        self._held.clear()
        return up

    def hear(self, message: Message, at: float) -> Act | None:
        """The act that this message completes."""
        if message.kind == "pointer":
            buttons, x, y = struct.unpack(">xBHH", message.raw)
            return self._pointer(buttons, x, y, at)
        if message.kind == "key":
            if message.raw[0] == 4:
                down, symbol = struct.unpack(">xBxxI", message.raw)
            else:
                down, symbol = struct.unpack(">xxHII", message.raw)[:2]
            return self._key(symbol, bool(down), at)
        return None

    def _pointer(self, buttons: int, x: int, y: int, at: float) -> Act | None:
        pressed, released = buttons & ~self._buttons, self._buttons & ~buttons
        self._buttons, self._at = buttons, (x, y)
        if pressed & 0b0111_1000:
            return Act(kind="scroll", at=at, x=x, y=y)
        if pressed & 0b111:
            self._pressed = (x, y)
        elif released & 0b111:
            from_x, from_y = self._pressed
            moved = max(abs(x - from_x), abs(y - from_y)) > _DRAGGED
            return Act(kind="drag" if moved else "click", at=at, x=from_x, y=from_y)
        return None

    def _key(self, symbol: int, down: bool, at: float) -> Act | None:
        (self._down.add if down else self._down.discard)(symbol)
        if symbol in _HELD:
            (self._held.add if down else self._held.discard)(symbol)
            return None
        if not down or symbol in _SILENT:
            return None
        held = dict.fromkeys(_HELD[each] for each in sorted(self._held, reverse=True))
        if is_text(symbol) and not held.keys() - {"shift"}:
            return Act(kind="type", at=at)
        name = chr(symbol) if 0x20 < symbol < 0x7F else _NAMES.get(symbol, "key")
        return Act(kind="key", at=at, key="+".join((*held, name)))
