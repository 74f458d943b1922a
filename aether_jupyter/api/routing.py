"""`@route`: identity to principal, parse, call, serialise; errors become problem JSON.

A route is a plain asynchronous function. Its first two arguments are the house and who asks; arguments named in the
path come from there, one named `body` is the JSON body, and keyword-only ones are the query. The same signature is what
`openapi.py` writes down, so the document cannot differ from what is parsed.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import types
import typing
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast
from urllib.parse import quote

import msgspec
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError

from ..answers import named
from ..model.access import require
from ..model.errors import AetherError, BadRequest, Forbidden, NotFound, StorageFull, TooMany
from ..model.image import IMAGE_BYTES, ImageType
from .identity import principal

if TYPE_CHECKING:
    from ..abc import Captures, Displays, PersonalData, Screencasts, Surroundings, Takeovers
    from ..kernel.approvals import Approvals
    from ..kernel.budgets import Budgets
    from ..kernel.catalog import Catalog
    from ..kernel.contexts import Contexts
    from ..kernel.feed import Feed
    from ..kernel.feedback import Feedback
    from ..kernel.images import Images
    from ..kernel.memories import Memories
    from ..kernel.memory_files import MemoryFiles
    from ..kernel.notes import NotesKeeper
    from ..kernel.plans import Plans
    from ..kernel.processes import Processes
    from ..kernel.profiles import Profiles
    from ..kernel.snapshots import Snapshots
    from .terminals import Terminals
from ..kernel.requests import Requests

PREFIX = "/aether/api/v1"
BODY_BYTES = 4_000_000
UPLOAD_BYTES = 256_000_000
SNAPSHOT_BYTES = 16 << 30
NESTED = 100
RESOURCE = "aether"
PROBLEM = "application/problem+json"
ZIP = "application/zip"

IMAGE_TYPES: tuple[str, ...] = typing.get_args(ImageType)

Method = Literal["GET", "POST", "PUT", "DELETE"]
ACTIONS: dict[str, str] = {"GET": "read", "POST": "write", "PUT": "write", "DELETE": "write"}


@dataclass(frozen=True)
class House:
    """What the doors open onto: the open app, as far as a door needs it. `instance` names its `AETHER_HOME`."""

    instance: str
    processes: Processes
    requests: Requests
    approvals: Approvals
    feed: Feed
    budgets: Budgets
    surroundings: Surroundings
    catalog: Catalog
    memories: Memories
    memory_files: MemoryFiles
    contexts: Contexts
    notes: NotesKeeper
    personal: PersonalData
    feedback: Feedback
    profiles: Profiles
    plans: Plans
    snapshots: Snapshots
    captures: Captures
    images: Images
    displays: Displays
    screencasts: Screencasts
    takeovers: Takeovers
    terminals: Terminals


class Entrance(Protocol):
    """Where handlers find the house: `house` waits until it is open, or raises why it is not."""

    async def house(self) -> House: ...


@dataclass(frozen=True)
class Attachment:
    """Bytes for the disk and never for the page: they may be anything an agent wrote."""

    filename: str
    media_type: str
    content: bytes | AsyncGenerator[bytes, None]


@dataclass(frozen=True)
class Upload:
    """A body that is a zip file. `what` says so in words, `media` are its types, the last one for programs to send."""

    content: bytes
    what: typing.ClassVar[str] = "a zip file"
    media: typing.ClassVar[tuple[str, ...]] = (ZIP,)
    most_bytes: typing.ClassVar[int] = UPLOAD_BYTES


@dataclass(frozen=True)
class ImageUpload(Upload):
    """A body that is an image. What it is told by its bytes, not by the type it is sent as."""

    what: typing.ClassVar[str] = "an image"
    media: typing.ClassVar[tuple[str, ...]] = (*IMAGE_TYPES, "application/octet-stream")
    most_bytes: typing.ClassVar[int] = IMAGE_BYTES


@dataclass(frozen=True)
class SnapshotUpload(Upload):
    """A body that may be too large for memory: it is in the file at `path`, and `content` is empty."""

    path: Path
    what: typing.ClassVar[str] = "a snapshot"
    media: typing.ClassVar[tuple[str, ...]] = (ZIP, "application/octet-stream")
    most_bytes: typing.ClassVar[int] = SNAPSHOT_BYTES


def is_upload(body: Any) -> typing.TypeGuard[type[Upload]]:
    """Whether a route takes its body as bytes."""
    return isinstance(body, type) and issubclass(body, Upload)


@dataclass(frozen=True)
class Argument:
    """One value that a route takes from the path or the query."""

    name: str
    type: Any
    default: Any = inspect.Parameter.empty
    many: bool = False


@dataclass(frozen=True)
class Route:
    """One method on one path, read off the function's signature. `path` lies under `PREFIX` unless `absolute`."""

    method: Method
    path: str
    scope: str
    call: Callable[..., Awaitable[Any]]
    status: int
    absolute: bool
    media: tuple[str, ...]
    in_path: tuple[Argument, ...]
    in_query: tuple[Argument, ...]
    body: Any
    returns: Any
    errors: tuple[type[AetherError], ...]
    decoder: msgspec.json.Decoder[Any] | None

    @property
    def full_path(self) -> str:
        """The path under the server's base URL."""
        return self.path if self.absolute else PREFIX + self.path

    @property
    def operation_id(self) -> str:
        """The function's name in camel case."""
        head, *tail = self.call.__name__.split("_")
        return head + "".join(word.capitalize() for word in tail)


def route(
    method: Method,
    path: str,
    *,
    scope: str,
    status: int = 200,
    absolute: bool = False,
    media: tuple[str, ...] = ("application/json",),
    errors: tuple[type[AetherError], ...] = (),
) -> Callable[[Callable[..., Awaitable[Any]]], Route]:
    """Make a function a route. `media` are what it answers in, `errors` those worth documenting beside 400, 403."""

    def made(call: Callable[..., Awaitable[Any]]) -> Route:
        hints = typing.get_type_hints(call, include_extras=True)
        names = re.findall(r"{(\w+)}", path)
        in_path, in_query = [], []
        for parameter in list(inspect.signature(call).parameters.values())[2:]:
            kind = hints[parameter.name]
            if parameter.name in names:
                in_path.append(Argument(parameter.name, kind))
            elif parameter.kind is parameter.KEYWORD_ONLY:
                many = typing.get_origin(kind) is tuple
                in_query.append(Argument(parameter.name, _present(kind), parameter.default, many))
        body = hints.get("body")
        return Route(
            method=method,
            path=path,
            scope=scope,
            call=call,
            status=status,
            absolute=absolute,
            media=media,
            in_path=tuple(in_path),
            in_query=tuple(in_query),
            body=body,
            returns=hints["return"],
            errors=errors,
            decoder=None if body is None or is_upload(body) else msgspec.json.Decoder(body),
        )

    return made


def _present(kind: Any) -> Any:
    """The type without None: in a query what is not given is left out, and `null` is just a word."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return typing.Union[tuple(one for one in typing.get_args(kind) if one is not types.NoneType)]  # noqa: UP007
    return kind


def routes_in(*modules: types.ModuleType) -> tuple[Route, ...]:
    """Every route of the modules, in the order in which they are written."""
    return tuple(thing for module in modules for thing in vars(module).values() if isinstance(thing, Route))


class Door(APIHandler):
    """One path: who, parse, call, serialise. Subclasses are made by `handlers`, one for each path."""

    auth_resource = RESOURCE
    routes: typing.ClassVar[dict[str, Route]] = {}
    entrance: Entrance

    def initialize(self, entrance: Entrance) -> None:
        """Tornado's own hook for a handler's arguments."""
        self.entrance = entrance

    def set_default_headers(self) -> None:
        """Answers are for this person now: not to be kept, guessed at or read by other origins."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    def compute_etag(self) -> str | None:
        """None: what may not be kept needs no mark to be found again."""
        return None

    def _request_summary(self) -> str:
        return summary(self.request)

    def received(self, kind: type[Upload]) -> Upload:
        """The body of bytes, all of it."""
        return kind(self.request.body)

    async def serve(self, chosen: Route, in_path: dict[str, str]) -> None:
        """Answer one request. Nothing that a client sends may end as a 500."""
        try:
            who = principal(self.identity_provider, self.current_user)
            require(who, chosen.scope)
            arguments = self._arguments(chosen, in_path)
            house = await self.entrance.house()
            answer = await chosen.call(house, who, **arguments)
            if isinstance(answer, Attachment):
                await self._attach(answer)
            elif answer is None:
                self.set_status(204)
                await self.finish()
            else:
                self.set_status(chosen.status)
                await self.finish(msgspec.json.encode(answer))
        except AetherError as error:
            self._problem(error, error.status)
        except (web.HTTPError, StreamClosedError):
            raise
        except Exception:
            # Tornado would log the request with its address, which may hold a token.
            self.log.exception("Aether: %s %s failed", chosen.method, chosen.full_path)
            self._problem(AetherError("the server made a mistake; its log says more"), 500)

    def _arguments(self, chosen: Route, in_path: dict[str, str]) -> dict[str, Any]:
        found = {a.name: _parsed(a.name, in_path[a.name], a.type) for a in chosen.in_path}
        found.update(parse_query(chosen.in_query, self.request.query_arguments))
        if is_upload(chosen.body):
            found["body"] = self._upload(chosen.body)
        elif chosen.decoder is not None:
            found["body"] = self._body(chosen.decoder)
        return found

    def _media_type(self) -> str:
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def _upload(self, kind: type[Upload]) -> Upload:
        if len(self.request.body) > kind.most_bytes:
            raise web.HTTPError(413, f"the file is larger than {kind.most_bytes} bytes")
        if self._media_type() not in kind.media:
            raise web.HTTPError(415, f"the body must be {kind.what}; send Content-Type: {' or '.join(kind.media)}")
        return self.received(kind)

    def _body(self, decoder: msgspec.json.Decoder[Any]) -> Any:
        if len(self.request.body) > BODY_BYTES:
            raise web.HTTPError(413, f"the body is larger than {BODY_BYTES} bytes")
        if self._media_type() != "application/json":
            raise web.HTTPError(415, "the body must be JSON; send Content-Type: application/json")
        body = self.request.body
        try:
            # What is stored is read again deeper in the stack, where it must fit too.
            if body.count(b"{") + body.count(b"[") > NESTED and _depth(msgspec.json.decode(body)) > NESTED:
                raise RecursionError
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            raise BadRequest(named(error)) from None
        except msgspec.DecodeError as error:
            raise BadRequest(f"the body is not JSON: {error}") from None
        except RecursionError:
            raise BadRequest("the body is nested too deeply") from None

    async def _attach(self, attachment: Attachment) -> None:
        content = attachment.content
        if isinstance(content, bytes):
            self._announce(attachment)
            self.write(content)
        else:
            async with contextlib.aclosing(content):
                # Before the first header: the first piece may still raise.
                first = await anext(content, b"")
                self._announce(attachment)
                self.write(first)
                async for piece in content:
                    await self.flush()
                    self.write(piece)
        await self.finish(set_content_type=attachment.media_type)

    def _announce(self, attachment: Attachment) -> None:
        name = quote(attachment.filename or "file", safe="")
        self.set_header("Content-Disposition", f"attachment; filename*=utf-8''{name}")
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.set_header("Content-Type", attachment.media_type)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """What Jupyter and Tornado refuse is problem JSON too."""
        self._problem(refusal(status_code, self._reason, kwargs.get("exc_info")), status_code)

    def _problem(self, error: AetherError, status: int) -> None:
        if self._headers_written:
            # Half of a file is out. A torn connection says so; a tidy end would pass for the whole file.
            self.log.error("Aether: an answer was cut off: %s", error.message)
            if self.request.connection is not None and not self._finished:
                self.request.connection.stream.close()  # type: ignore[attr-defined]
            return
        self.set_status(status)
        retry_after_s = error.details.get("retry_after_s")
        if isinstance(retry_after_s, int | float):
            self.set_header("Retry-After", str(max(1, round(retry_after_s))))
        self.finish(problem(error, status), set_content_type=PROBLEM)


def summary(request: HTTPServerRequest) -> str:
    """A request as the log names it: without the query, where a token may be."""
    return f"{request.method} {request.path} ({request.remote_ip})"


def problem(error: AetherError, status: int) -> bytes:
    """The error as problem JSON, under the status that is sent."""
    return msgspec.json.encode({**error.to_json(), "status": status}, enc_hook=str)


def refusal(status: int, reason: str, exc_info: Any = None) -> AetherError:
    """What Jupyter or Tornado refused, as the class nearest in meaning."""
    cause = exc_info[1] if exc_info else None
    said = (cause.log_message or "").replace("%%", "%") if isinstance(cause, web.HTTPError) else ""
    kinds = {401: Forbidden, 403: Forbidden, 404: NotFound, 429: TooMany}
    kind = kinds.get(status, BadRequest if 400 <= status < 500 else AetherError)
    return kind(said or reason or "the request was refused")


def handlers(routes: Iterable[Route], entrance: Entrance) -> list[tuple[str, type[Door], dict[str, Any]]]:
    """Tornado's handlers, one a path: `(pattern, class, arguments)`."""
    by_path: dict[str, dict[str, Route]] = {}
    for each in routes:
        by_path.setdefault(each.full_path, {})[each.method] = each
    return [(_pattern(path), _door(path, methods), {"entrance": entrance}) for path, methods in by_path.items()]


@web.stream_request_body
class StreamDoor(Door):
    """A door whose body is written to a file as it comes; whoever sends it is known before the first byte."""

    _file: typing.IO[bytes] | None = None
    _path = Path()

    async def prepare(self) -> None:  # type: ignore[override]
        """Find out who sends it, and make a file for it."""
        self._leaving = contextlib.ExitStack()
        await super().prepare()
        chosen = self.routes.get(self.request.method or "")
        if self._finished or chosen is None or self.current_user is None:
            return
        try:
            require(principal(self.identity_provider, self.current_user), chosen.scope)
            house = await self.entrance.house()
        except AetherError as error:
            self._problem(error, error.status)
            return
        self._path = self._leaving.enter_context(house.captures.upload())
        self._file = self._leaving.enter_context(self._path.open("wb"))
        self.request.connection.set_max_body_size(SNAPSHOT_BYTES)  # type: ignore[union-attr]

    def data_received(self, chunk: bytes) -> None:
        """Write what came."""
        if self._file is None:
            return
        try:
            self._file.write(chunk)
        except OSError:
            self._problem(StorageFull("The disk under AETHER_HOME is full; nothing was kept."), StorageFull.status)
            self._leave()

    def received(self, kind: type[Upload]) -> Upload:
        """The file, with all of the body in it."""
        if self._file is None:
            raise BadRequest("the body did not come")
        self._file.flush()
        return SnapshotUpload(b"", self._path)

    def on_finish(self) -> None:
        """Drop the file."""
        self._leave()
        super().on_finish()

    def on_connection_close(self) -> None:
        """Drop what came of it."""
        self._leave()
        super().on_connection_close()

    def _leave(self) -> None:
        self._file = None
        self._leaving.close()


def _door(path: str, methods: dict[str, Route]) -> type[Door]:
    def method(chosen: Route) -> Any:
        # `authorized` remembers what it was first asked for unless both are given.
        @web.authenticated
        @authorized(action=ACTIONS[chosen.method], resource=RESOURCE)  # type: ignore[untyped-decorator]
        async def answer(self: Door, **in_path: str) -> None:
            await self.serve(chosen, in_path)

        return answer

    members: dict[str, Any] = {name.lower(): method(chosen) for name, chosen in methods.items()}
    name = "".join(part.strip("{}").capitalize() for part in path.split("/")) + "Door"
    members |= {"routes": methods, "SUPPORTED_METHODS": (*methods, "OPTIONS")}
    streams = any(chosen.body is SnapshotUpload for chosen in methods.values())
    return cast("type[Door]", type(name, (StreamDoor if streams else Door,), members))


def _pattern(path: str) -> str:
    return re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path) + "/?"


def parse_query(wanted: tuple[Argument, ...], given: dict[str, list[bytes]]) -> dict[str, Any]:
    """The values of a query by name, converted. Raises `BadRequest` with the name of what does not fit."""
    found: dict[str, Any] = {}
    for argument in wanted:
        values = given.get(argument.name)
        if values is None:
            if argument.default is inspect.Parameter.empty:
                raise BadRequest(f"{argument.name}: missing from the query")
            found[argument.name] = argument.default
            continue
        try:
            texts = [value.decode() for value in values]
        except UnicodeDecodeError:
            raise BadRequest(f"{argument.name}: not UTF-8") from None
        if argument.many:
            words = [word for text in texts for word in text.split(",") if word]
            found[argument.name] = _parsed(argument.name, words, argument.type)
        elif len(texts) > 1:
            raise BadRequest(f"{argument.name}: given {len(texts)} times")
        elif texts[0] == "" and argument.default is not inspect.Parameter.empty:
            found[argument.name] = argument.default
        else:
            found[argument.name] = _parsed(argument.name, texts[0], argument.type)
    known = {argument.name for argument in wanted}
    for name in given:
        # Jupyter's own: the token, the mark of polling, and the number by which Lab gets round caches.
        if name not in known and name not in ("token", "no_track_activity", "_xsrf", "_") and not name.isdecimal():
            raise BadRequest(f"{name}: no such argument in the query; there is {', '.join(sorted(known)) or 'none'}")
    return found


def _parsed(name: str, value: Any, kind: Any) -> Any:
    texts = value if isinstance(value, list) else [value]
    if any("\0" in text for text in texts):
        raise BadRequest(f"{name}: holds a NUL character")
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{name}: {named(error)}") from None


def _depth(value: Any) -> int:
    """How deeply lists and objects lie in each other."""
    level, depth = [value], 0
    while level := [v for v in level if isinstance(v, dict | list)]:
        depth += 1
        level = [inner for v in level for inner in (v.values() if isinstance(v, dict) else v)]
    return depth
