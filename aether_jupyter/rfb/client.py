"""A client of one RFB server: pictures with the pointer in them, pointer, keys, clipboard, resize.

The server of a sandbox is not trusted: every length is bounded before anything is read. One task reads, so that no
caller that is cancelled can leave half a message behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import struct
import zlib
from typing import TYPE_CHECKING

from ..abc import Reader, Writer
from ..model.errors import ToolFailed

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 7680 * 4320
MOST_SIDE = 16_384
MOST_TEXT = 1_000_000
TIMEOUT_S = 10.0
RAW, COPY, DESKTOP_SIZE, EXTENDED_SIZE, CLIPBOARD = 0, 1, -223, -308, -0x3F5E1A32
"""Encodings; the last is the extended clipboard, 0xC0A1E5CE as a signed number. Without the one for cursors the server
draws the pointer into the picture."""

_ENDED = "the desktop has ended; the next call opens it anew"
_FORMAT = struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_UTF8, _CAPS, _REQUEST, _PEEK, _NOTIFY, _PROVIDE = 1, 1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 28


class RfbClient:
    """An open connection. `size` is the screen's in pixels, `at` where this client put the pointer last."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self.size = (0, 0)
        self.at = (0, 0)
        self.lost = False
        self._reader = reader
        self._writer = writer
        self._picture: Image.Image | None = None
        self._updated: asyncio.Future[int] | None = None
        self._clipboard = ""
        self._copied = asyncio.Event()
        self._offered = b""
        self._task: asyncio.Task[None] | None = None
        self._drawing = asyncio.Lock()

    async def open(self) -> RfbClient:
        """Shake hands. Raises `ToolFailed` if it is no RFB server, or one that asks for a password."""
        # Imported off the loop, where it would be in everybody's way.
        await asyncio.to_thread(importlib.import_module, "PIL.Image")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._shake()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, struct.error) as error:
            self._writer.close()
            raise ToolFailed(f"the desktop does not answer: {str(error) or 'it took too long'}") from None
        self._task = asyncio.create_task(self._listen(), name="rfb client")
        return self

    async def close(self) -> None:
        """Hang up."""
        self.lost = True
        self._writer.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def picture(self) -> Image.Image:
        """The whole screen as it is now, RGB, with the pointer in it."""
        async with self._drawing:
            await self._refresh(whole=True)
            assert self._picture is not None
            return self._picture.copy()

    async def changed(self, timeout_s: float, *, settle_s: float = 0.3, share: float = 0.0) -> float:
        """Wait until more than `share` of the screen was drawn anew and nothing more comes for `settle_s`.

        Returns the share that was, counting what was drawn twice twice; 0.0 if it stayed as it was for `timeout_s`.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        async with self._drawing:
            if self._picture is None:
                await self._refresh(whole=True)
            pixels = self.size[0] * self.size[1]
            drawn, patience = 0, timeout_s
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, patience)):
                        drawn += await self._refresh(whole=False)
                        left = deadline - asyncio.get_running_loop().time()
                        patience = min(settle_s, left) if drawn > share * pixels else left
                        if left > 0:
                            continue
                return drawn / pixels if drawn > share * pixels else 0.0

    async def pointer(self, x: int, y: int, buttons: int = 0) -> None:
        """Put the pointer there with these buttons down: 1 left, 2 middle, 4 right, 8 to 64 the wheel's directions."""
        width, height = self.size
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
        self.at = (x, y)
        await self._send(struct.pack(">BBHH", 5, buttons, x, y))

    async def key(self, keysym: int, *, down: bool) -> None:
        """Press or release a key by its X11 symbol."""
        await self._send(struct.pack(">BBxxI", 4, down, keysym))

    async def copy(self, text: str) -> None:
        """Put text on the clipboard."""
        self._offered = text.encode()
        await self._send(_clip(_NOTIFY | _UTF8))

    async def clipboard(self, wait_s: float = 0.5) -> str:
        """The text that was copied last in the desktop, '' if there is none."""
        self._copied.clear()
        await self._send(_clip(_REQUEST | _UTF8))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._copied.wait()
        return self._clipboard

    async def resize(self, width: int, height: int) -> None:
        """Give the screen another size, in pixels."""
        if (width, height) == self.size:
            return
        await self._send(struct.pack(">BxHHBxIHHHHI", 251, width, height, 1, 0, 0, 0, width, height, 0))
        async with self._drawing:
            for _ in range(10):
                await self._refresh(whole=False)
                if self.size == (width, height):
                    return

    # --- the conversation ------------------------------------------------------------------------------------------

    async def _shake(self) -> None:
        read = self._reader.readexactly
        if not (await read(12)).startswith(b"RFB 003."):
            raise OSError("no RFB server")
        await self._say(b"RFB 003.008\n")
        count = (await read(1))[0]
        kinds = await read(count)
        if 1 not in kinds:
            raise OSError("it wants a password")
        await self._say(b"\x01")
        if await read(4) != b"\0\0\0\0":
            raise OSError("it refuses")
        await self._say(b"\x01")
        width, height, _, length = struct.unpack(">HH16sI", await read(24))
        if length > 10_000:
            raise OSError("its name has no end")
        await read(length)
        self._resize(width, height)
        encodings = (RAW, COPY, DESKTOP_SIZE, EXTENDED_SIZE, CLIPBOARD)
        await self._say(_FORMAT + struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))
        # What the server may ask and tell of the clipboard, and the most it may send unasked: nothing.
        await self._say(_clip(_CAPS | _REQUEST | _PEEK | _NOTIFY | _PROVIDE | _UTF8, struct.pack(">I", 0)))

    async def _say(self, message: bytes) -> None:
        self._writer.write(message)
        await self._writer.drain()

    async def _send(self, message: bytes) -> None:
        if self.lost:
            raise ToolFailed(_ENDED)
        try:
            await self._say(message)
        except OSError:
            self.lost = True
            raise ToolFailed(_ENDED) from None

    async def _refresh(self, *, whole: bool) -> int:
        """Ask for the screen, or for what changes on it, and wait for it. Returns the pixels that were drawn."""
        updated: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._updated = updated
        await self._send(self._request(whole=whole))
        try:
            async with asyncio.timeout(TIMEOUT_S if whole else None):
                drawn = await updated
        except TimeoutError:
            # Hung up, so that the next call finds whether it has come back.
            self.lost = True
            self._writer.close()
            raise ToolFailed("the desktop does not answer") from None
        if drawn < 0:
            raise ToolFailed(_ENDED)
        return drawn

    def _request(self, *, whole: bool) -> bytes:
        return struct.pack(">BBHHHH", 3, not whole, 0, 0, *self.size)

    async def _listen(self) -> None:
        read = self._reader.readexactly
        try:
            while True:
                kind = (await read(1))[0]
                if kind == 0:
                    await self._update()
                elif kind == 1:
                    _, count = struct.unpack(">xHH", await read(5))
                    await read(6 * count)
                elif kind == 3:
                    await self._cut_text()
                elif kind != 2:
                    return
        except (OSError, asyncio.IncompleteReadError, zlib.error, ValueError, struct.error):
            return
        finally:
            self.lost = True
            self._writer.close()
            self._copied.set()
            self._tell(-1)

    def _tell(self, drawn: int) -> None:
        if self._updated is not None and not self._updated.done():
            self._updated.set_result(drawn)

    async def _update(self) -> None:
        (count,) = struct.unpack(">xH", await self._reader.readexactly(3))
        area = 0
        for _ in range(count):
            x, y, width, height, encoding = struct.unpack(">HHHHi", await self._reader.readexactly(12))
            if encoding == RAW:
                await self._draw(x, y, width, height)
                area += width * height
            elif encoding == COPY:
                from_x, from_y = struct.unpack(">HH", await self._reader.readexactly(4))
                self._move((from_x, from_y), x, y, width, height)
                area += width * height
            elif encoding == DESKTOP_SIZE:
                self._resize(width, height)
            elif encoding == EXTENDED_SIZE:
                (screens,) = struct.unpack(">Bxxx", await self._reader.readexactly(4))
                await self._reader.readexactly(16 * screens)
                # Sent with the reason in `x` and a refusal in `y`, too.
                if y == 0:
                    self._resize(width, height)
            else:
                raise ValueError(f"encoding {encoding} was not asked for")
        if area:
            self._tell(area)
        elif self._updated is not None and not self._updated.done():
            # TigerVNC answers a request for the whole with the size alone; the next one gets the pixels.
            await self._say(self._request(whole=False))

    async def _draw(self, x: int, y: int, width: int, height: int) -> None:
        from PIL import Image

        assert self._picture is not None
        self._within(x, y, width, height)
        if not width or not height:
            return
        data = await self._reader.readexactly(4 * width * height)
        piece = Image.frombuffer("RGB", (width, height), data, "raw", "BGRX", 0, 1)
        self._picture.paste(piece, (x, y))

    def _move(self, source: tuple[int, int], x: int, y: int, width: int, height: int) -> None:
        assert self._picture is not None
        self._within(*source, width, height)
        self._within(x, y, width, height)
        left, top = source
        self._picture.paste(self._picture.crop((left, top, left + width, top + height)), (x, y))

    def _within(self, x: int, y: int, width: int, height: int) -> None:
        if x + width > self.size[0] or y + height > self.size[1]:
            raise ValueError("a rectangle beyond the screen")

    def _resize(self, width: int, height: int) -> None:
        from PIL import Image

        if not 0 < width <= MOST_SIDE or not 0 < height <= MOST_SIDE or width * height > MOST_PIXELS:
            raise ValueError("a screen of no size")
        if (width, height) != self.size:
            self.size = (width, height)
            old, self._picture = self._picture, Image.new("RGB", (width, height))
            if old is not None:
                self._picture.paste(old, (0, 0))

    async def _cut_text(self) -> None:
        (length,) = struct.unpack(">xxxi", await self._reader.readexactly(7))
        size = abs(length)
        if size > MOST_TEXT + 64:
            raise ValueError("a clipboard without end")
        data = await self._reader.readexactly(size)
        if length >= 0:
            self._clipboard = data.decode("latin-1")
            self._copied.set()
            return
        (flags,) = struct.unpack_from(">I", data)
        if flags & _CAPS:
            return
        if flags & _NOTIFY and flags & _UTF8:
            await self._say(_clip(_REQUEST | _UTF8))
        elif flags & _NOTIFY:
            self._clipboard = ""
            self._copied.set()
        elif flags & _REQUEST and flags & _UTF8 and self._offered:
            text = self._offered + b"\0"
            await self._say(_clip(_PROVIDE | _UTF8, zlib.compress(struct.pack(">I", len(text)) + text)))
        elif flags & _PROVIDE and flags & _UTF8:
            plain = zlib.decompressobj().decompress(data[4:], MOST_TEXT)
            (said,) = struct.unpack_from(">I", plain)
            self._clipboard = plain[4 : 4 + said].rstrip(b"\0").decode("utf-8", "replace").replace("\r\n", "\n")
            self._copied.set()


def _clip(flags: int, body: bytes = b"") -> bytes:
    return struct.pack(">Bxxxi", 6, -(4 + len(body))) + struct.pack(">I", flags) + body
