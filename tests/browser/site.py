"""A small web site on loopback: the pages beside it, and addresses that redirect, dawdle, hand out and take files."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PAGES = Path(__file__).parent / "pages"
PAPER = (
    b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF"
)
SCRIPT = (PAGES / "proof.js").read_text()


class Site:
    """Counts what it was asked for. `origin` and `other` are two origins of the same server."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        self.uploads: list[bytes] = []
        self._server: asyncio.Server | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def other(self) -> str:
        return f"http://localhost:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            headers = {
                k.strip().lower(): v.strip() for k, _, v in (row.partition(":") for row in head.split("\r\n")[1:])
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.asked.append(target)
            await self._answer(method, target, headers, body, writer)
            await writer.drain()
        writer.close()

    async def _answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        path = unquote(parts.path)

        def send(content: str | bytes, status: str = "200 OK", kind: str = "text/html", **more: str) -> None:
            data = content.encode() if isinstance(content, str) else content
            rows = [f"HTTP/1.1 {status}", f"Content-Type: {kind}; charset=utf-8", f"Content-Length: {len(data)}"]
            rows += ["Connection: close", *(f"{name.replace('_', '-')}: {value}" for name, value in more.items())]
            writer.write("\r\n".join((*rows, "", "")).encode() + data)

        page = PAGES / f"{path.strip('/')}.html"
        if path == "/proof.js":
            send(SCRIPT, kind="text/javascript")
        elif path == "/redirect":
            send("", "302 Found", Location=query["to"])
        elif path == "/slow":
            await asyncio.sleep(float(query.get("s", "1")))
            send("<title>Slow</title><p id=proof>slow, but here</p>")
        elif path == "/hang":
            await asyncio.sleep(60)
        elif path == "/items":
            first = int(query["from"])
            await asyncio.sleep(0.1)
            send(json.dumps([f"Item {n}" for n in range(first, first + 20)]), kind="application/json")
        elif path == "/file":
            size = int(query.get("bytes", "0"))
            name = query.get("name", "file.bin")
            named = f"attachment; filename*=UTF-8''{parse_quoted(name)}"
            rows = ["HTTP/1.1 200 OK", "Content-Type: application/octet-stream", f"Content-Disposition: {named}"]
            rows += ["Connection: close"] if "endless" in query else [f"Content-Length: {size}", "Connection: close"]
            writer.write("\r\n".join((*rows, "", "")).encode())
            sent = 0
            while sent < size:
                block = b"d" * min(65_536, size - sent)
                writer.write(block)
                await writer.drain()
                sent += len(block)
                if "endless" in query:
                    await asyncio.sleep(0.002)
        elif path == "/paper.pdf":
            send(PAPER, kind="application/pdf")
        elif path == "/upload":
            self.uploads.append(body)
            names = [part.split(b'"')[0].decode() for part in body.split(b'filename="')[1:]]
            send(f"<title>Taken</title><p id=proof>took {', '.join(names)}; {len(body)} bytes</p>")
        elif path == "/submit":
            given = parse_qs(body.decode() or parts.query, keep_blank_values=True)
            told = "; ".join(f"{name}={'+'.join(values)}" for name, values in sorted(given.items()))
            send(f"<title>Sent</title><p id=proof>{method} {told}</p>")
        elif path == "/cookies":
            more: dict[str, Any] = {}
            if "set" in query:
                more = {"Set-Cookie": f"who={query['set']}; Path=/; Max-Age=3600"}
            script = "document.write('storage ' + (localStorage.who || 'empty'))"
            keep = f"localStorage.who = {json.dumps(query['set'])};" if "set" in query else ""
            cookie = headers.get("cookie", "none")
            send(f"<title>C</title><p id=proof>cookie {cookie}; <script>{keep}{script}</script></p>", **more)
        elif page.is_file() and page.parent == PAGES:
            send(page.read_text().replace("OTHER", self.other).replace("ORIGIN", self.origin))
        else:
            send("<title>Not here</title><h1>There is no such page</h1>", "404 Not Found")


def parse_quoted(name: str) -> str:
    """A name as a header's `filename*` has it."""
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else f"%{b:02X}" for b in name.encode())
