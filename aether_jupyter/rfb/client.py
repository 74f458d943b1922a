"""A client of one RFB server: pictures with the pointer in them, pointer, keys, clipboard, resize.

The server of a sandbox is not trusted: every length is bounded before anything is read, and what it sends without end
is taken at a pace that leaves the event loop to others. One task reads, so that no caller that is cancelled can leave
half a message behind.
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

MOST_PIXELS = 5120 * 2880
MOST_SIDE = 16_384
MOST_RECTANGLES, MOST_SCREENS = 10_000, 4
"""Rectangles of one update, and how often it may draw the whole screen. TigerVNC cuts at 64 by 64 pixels and copies a
place at most once before it draws it."""
STRIP_BYTES = 1 << 20
"""What is read and drawn of a rectangle in one go, which takes less than a millisecond."""
PIXELS_PER_S, RECTANGLE = 250_000_000, 2_000
"""The pace at which updates are taken: twice what a full HD screen at 60 Hz draws. A rectangle costs as many pixels."""
MOST_TEXT = 1_000_000
TIMEOUT_S = 10.0
RAW, COPY, DESKTOP_SIZE, EXTENDED_SIZE, CLIPBOARD = 0, 1, -223, -308, -0x3F5E1A32
"""Encodings; the last is the extended clipboard, 0xC0A1E5CE as a signed number. Without the one for cursors the server
draws the pointer into the picture."""

_ENDED = "the desktop has ended; the next call opens it anew"
_SILENT = "the desktop does not answer"
_FORMAT = struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_UTF8, _CAPS, _REQUEST, _PEEK, _NOTIFY, _PROVIDE = 1, 1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 28


class RfbClient:
    """An open connection. `size` is the screen's in pixels, `at` where this client put the pointer last.

    `buttons` are those it holds down there, as `pointer` takes them.
    """

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self.size = (0, 0)
        self.at = (0, 0)
        self.buttons = 0
        self.lost = False
        self._reader = reader
        self._writer = writer
        self._picture: Image.Image | None = None
        self._covered: _Covered | None = None
        self._keys: dict[int, None] = {}
        self._updated: asyncio.Future[bool] | None = None
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

        Returns the share that was, between 0 and 1; 0.0 if it stayed as it was for `timeout_s`. What is drawn again
        and again in one place, as a blinking cursor is, counts once.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        async with self._drawing:
            if self._picture is None:
                await self._refresh(whole=True)
            self._covered = _Covered(self.size)
            patience = timeout_s
            try:
                while True:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(max(0.0, patience)):
                            await self._refresh(whole=False)
                            left = deadline - asyncio.get_running_loop().time()
                            patience = min(settle_s, left) if self._covered.share > share else left
                            if left > 0:
                                continue
                    return self._covered.share if self._covered.share > share else 0.0
            finally:
                self._covered = None

    async def pointer(self, x: int, y: int, buttons: int = 0) -> None:
        """Put the pointer there with these buttons down: 1 left, 2 middle, 4 right, 8 to 64 the wheel's directions."""
        width, height = self.size
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
        # Noted first: who is cut off while it is sent has sent it.
        self.at, self.buttons = (x, y), buttons
        await self._send(struct.pack(">BBHH", 5, buttons, x, y))

    async def key(self, keysym: int, *, down: bool) -> None:
        """Press or release a key by its X11 symbol."""
        if down:
            self._keys[keysym] = None
        else:
            self._keys.pop(keysym, None)
        await self._send(struct.pack(">BBxxI", 4, down, keysym))

    async def release(self) -> None:
        """Let go of every key and button that this client holds down; nothing is sent if there is none.

        Never raises for a desktop that is gone: there is nothing held there any more.
        """
        with contextlib.suppress(ToolFailed):
            for symbol in reversed(tuple(self._keys)):
                await self.key(symbol, down=False)
            if self.buttons:
                await self.pointer(*self.at)

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
        """Give the screen another size, in pixels. Raises `ToolFailed` if it does not take it within `TIMEOUT_S`."""
        if (width, height) == self.size:
            return
        await self._send(struct.pack(">BxHHBxIHHHHI", 251, width, height, 1, 0, 0, 0, width, height, 0))
        try:
            async with asyncio.timeout(TIMEOUT_S), self._drawing:
                while self.size != (width, height):
                    await self._refresh(whole=False)
        except TimeoutError:
            raise ToolFailed(f"the desktop does not take the size {width}x{height}") from None

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
        # A server that does not read would hold whoever speaks to it.
        async with asyncio.timeout(TIMEOUT_S):
            await self._writer.drain()

    async def _send(self, message: bytes) -> None:
        if self.lost:
            raise ToolFailed(_ENDED)
        try:
            await self._say(message)
        except TimeoutError:
            self._hang_up()
            raise ToolFailed(_SILENT) from None
        except OSError:
            self.lost = True
            raise ToolFailed(_ENDED) from None

    def _hang_up(self) -> None:
        """Give up on it; the next call finds whether it has come back."""
        self.lost = True
        if isinstance(self._writer, asyncio.StreamWriter):
            # Closed, it would stay open until the server has read what it does not read.
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def _refresh(self, *, whole: bool) -> None:
        """Ask for the screen, or for what changes on it, and wait until something was drawn."""
        updated: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._updated = updated
        await self._send(self._request(whole=whole))
        try:
            async with asyncio.timeout(TIMEOUT_S if whole else None):
                drawn = await updated
        except TimeoutError:
            self._hang_up()
            raise ToolFailed(_SILENT) from None
        if not drawn:
            raise ToolFailed(_ENDED)

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
                # What is buffered already is read without a pause.
                await asyncio.sleep(0)
        except (OSError, asyncio.IncompleteReadError, zlib.error, ValueError, struct.error):
            return
        finally:
            self.lost = True
            self._writer.close()
            self._copied.set()
            self._tell(drawn=False)

    def _tell(self, *, drawn: bool) -> None:
        if self._updated is not None and not self._updated.done():
            self._updated.set_result(drawn)

    async def _update(self) -> None:
        (count,) = struct.unpack(">xH", await self._reader.readexactly(3))
        if count > MOST_RECTANGLES:
            raise ValueError("an update without end")
        area = resized = largest = 0
        for _ in range(count):
            x, y, width, height, encoding = struct.unpack(">HHHHi", await self._reader.readexactly(12))
            largest = max(largest, self.size[0] * self.size[1])
            if encoding in (RAW, COPY):
                self._within(x, y, width, height)
                area += width * height
            if area + resized > MOST_SCREENS * largest:
                raise ValueError("an update without end")
            if encoding == RAW:
                await self._draw(x, y, width, height)
            elif encoding == COPY:
                from_x, from_y = struct.unpack(">HH", await self._reader.readexactly(4))
                self._move((from_x, from_y), x, y, width, height)
            elif encoding == DESKTOP_SIZE:
                resized += self._resize(width, height)
            elif encoding == EXTENDED_SIZE:
                (screens,) = struct.unpack(">Bxxx", await self._reader.readexactly(4))
                await self._reader.readexactly(16 * screens)
                # Sent with the reason in `x` and a refusal in `y`, too.
                if y == 0:
                    resized += self._resize(width, height)
            else:
                raise ValueError(f"encoding {encoding} was not asked for")
            await asyncio.sleep(0)
        if area:
            self._tell(drawn=True)
        elif self._updated is not None and not self._updated.done():
            # TigerVNC answers a request for the whole with the size alone; the next one gets the pixels.
            await self._say(self._request(whole=False))
        await asyncio.sleep((area + resized + count * RECTANGLE) / PIXELS_PER_S)

    async def _draw(self, x: int, y: int, width: int, height: int) -> None:
        from PIL import Image

        assert self._picture is not None
        if not width or not height:
            return
        most = max(1, STRIP_BYTES // (4 * width))
        for top in range(y, y + height, most):
            rows = min(most, y + height - top)
            data = await self._reader.readexactly(4 * width * rows)
            self._picture.paste(Image.frombuffer("RGB", (width, rows), data, "raw", "BGRX", 0, 1), (x, top))
            if self._covered is not None:
                self._covered.add((x, top, x + width, top + rows))
            await asyncio.sleep(0)

    def _move(self, source: tuple[int, int], x: int, y: int, width: int, height: int) -> None:
        assert self._picture is not None
        self._within(*source, width, height)
        left, top = source
        self._picture.paste(self._picture.crop((left, top, left + width, top + height)), (x, y))
        if self._covered is not None:
            self._covered.add((x, y, x + width, y + height))

    def _within(self, x: int, y: int, width: int, height: int) -> None:
        if x + width > self.size[0] or y + height > self.size[1]:
            raise ValueError("a rectangle beyond the screen")

    def _resize(self, width: int, height: int) -> int:
        """Take a size of the screen. Returns how many pixels had to be made for it, 0 if it is the same."""
        from PIL import Image

        if not 0 < width <= MOST_SIDE or not 0 < height <= MOST_SIDE or width * height > MOST_PIXELS:
            raise ValueError("a screen of no size")
        if (width, height) == self.size:
            return 0
        self.size = (width, height)
        old, self._picture = self._picture, Image.new("RGB", (width, height))
        if old is not None:
            self._picture.paste(old, (0, 0))
        if self._covered is not None:
            self._covered = _Covered(self.size)
        return width * height

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


class _Covered:
    """Which pixels of a screen were drawn, however often."""

    def __init__(self, size: tuple[int, int]) -> None:
        from PIL import Image

        self._mask = Image.new("L", size)
        self._pixels = 0

    @property
    def share(self) -> float:
        """Their part of the screen, 0 to 1."""
        return self._pixels / (self._mask.width * self._mask.height)

    def add(self, box: tuple[int, int, int, int]) -> None:
        """These were drawn: from left and top to before right and bottom."""
        self._pixels += self._mask.crop(box).histogram()[0]
        self._mask.paste(255, box)


def _clip(flags: int, body: bytes = b"") -> bytes:
    return struct.pack(">Bxxxi", 6, -(4 + len(body))) + struct.pack(">I", flags) + body
