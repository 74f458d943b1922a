"""The browser of one agent: a context of the shared Chromium with its tabs, and what happened there meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..abc import BrowserSeat, Onlooker
from ..model.browsing import Back, Deed, DialogAnswer, Happened, Open, Reading, ReadingKind, Switch, Tab, Target, Wait
from ..model.errors import AetherError, ToolFailed
from ..model.harmless import line
from ..model.screencast import HEIGHT, WIDTH, Input
from . import deeds, downloads
from .cast import Cast
from .clipboard import Clipboard
from .deeds import Sheet

if TYPE_CHECKING:
    import playwright.async_api as pw

log = logging.getLogger(__name__)

WINDOW = {"width": WIDTH, "height": HEIGHT}
LOOK_MS = 3_000
MOST_TABS = 20
PDF = "application/pdf"
SHOWN_LINES = 40
FIRST_LINES = 80
DOWNLOAD_WAIT_S = 5.0
LOOK_S = 0.25
SAVE_S = 30.0
RESTORED_TABS = 5
_PAGES = ("http:", "https:", "about:", "blob:", "data:")


class SeatedBrowser:
    """Implements `abc.Browser`. One deed at a time; whatever comes between two is told with the second."""

    def __init__(self, seat: BrowserSeat, running: Callable[[str], Awaitable[pw.Browser]]) -> None:
        self._seat = seat
        self._running = running
        self._lock = asyncio.Lock()
        self._browser: pw.Browser | None = None
        self._context: pw.BrowserContext | None = None
        self._sheets: dict[int, Sheet] = {}
        self._in_front = 0
        self._cast: Cast | None = None
        self._numbers = 0
        self._again = 0
        self._notes: list[str] = []
        self.clipboard = Clipboard()
        self._answer = DialogAnswer()
        self._state: Any = None
        self._shown: dict[int, str] = {}
        self._loading: set[asyncio.Task[None]] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._saved_at = time.monotonic()
        self._used_at = time.monotonic()

    # --- the seam ----------------------------------------------------------------------------------------------------

    @property
    def awake(self) -> bool:
        """Whether it has a context, or is about to."""
        return self._context is not None or self._lock.locked()

    @property
    def idle_s(self) -> float:
        """Seconds since it was last used; 0 while it is, or somebody looks."""
        used = self._lock.locked() or self._loading or self._cast is not None
        return 0.0 if used else time.monotonic() - self._used_at

    @property
    def addresses(self) -> Sequence[str]:
        """The addresses of its tabs, as far as they are pages of the web."""
        urls = [sheet.page.url for sheet in self._sheets.values()] if self._context else list(self._shown.values())
        return [url for url in urls if url.startswith(("http:", "https:"))]

    async def begin(self) -> None:
        """Take a seat: what was kept of an earlier one is there again."""
        if self._seat.state is not None:
            self._state = await asyncio.to_thread(_kept_state, self._seat.state)
        async with self._lock:
            await self._present()

    async def act(self, deed: Deed, answer: DialogAnswer) -> Happened:
        """Do it, wait until the page rests, and tell what came of it. Raises `ToolFailed`, `ToolTimeout`."""
        async with self._lock:
            try:
                await self._present()
                self._answer = answer
                before = self._sheets[self._front]
                document, lines = before.document, before.lines
                said = await self._do(deed)
                sheet = await self._some_tab()
                if not isinstance(deed, Wait):
                    await deeds.settle(sheet)
                    if self._front != sheet.number:
                        # A window that it opened, or closed, is heard of a little later.
                        sheet = await self._some_tab()
                        await deeds.settle(sheet)
                    if sheet.media == PDF and sheet.document != (document if sheet is before else 0):
                        # Chromium shows it as pictures, in which there is nothing to read.
                        why = await deeds.save(sheet)
                        told = f"could not be downloaded: {why}" if why else "is downloaded to be read"
                        self._notes.append(f"It is a PDF, and {told}.")
                    await self._downloads(DOWNLOAD_WAIT_S)
                if sheet is not before or sheet.document != document:
                    lines = ()
                return await self._happened(said, sheet, lines)
            except AetherError as error:
                raise type(error)(" ".join((_sentence(error.message), *self._told()))) from None
            except Exception as error:
                raise self._fallen(error) from error
            finally:
                self._used_at = time.monotonic()
                self._answer = DialogAnswer()

    async def read(self, kind: ReadingKind, where: Target | None) -> Reading:
        """What stands on the page in front, or in one element of it."""
        async with self._lock:
            try:
                await self._present()
                sheet = self._sheets[self._front]
                await deeds.settle(sheet)
                lines = await deeds.read(sheet, kind, where)
                return Reading(await self._tab(sheet), lines, self._told())
            except AetherError:
                raise
            except Exception as error:
                raise self._fallen(error) from error
            finally:
                self._used_at = time.monotonic()

    async def picture(self, where: Target | None, whole: bool) -> bytes:
        """What is to be seen, as a JPEG."""
        async with self._lock:
            try:
                await self._present()
                sheet = self._sheets[self._front]
                await deeds.settle(sheet)
                return await deeds.picture(sheet, where, whole)
            except AetherError:
                raise
            except Exception as error:
                raise self._fallen(error) from error
            finally:
                self._used_at = time.monotonic()

    async def tabs(self) -> Sequence[Tab]:
        """All tabs, the oldest first."""
        async with self._lock:
            await self._present()
            return [await self._tab(sheet) for sheet in self._sheets.values()]

    async def watch(self, onlooker: Onlooker | None) -> None:
        """Show it to somebody, or to nobody any more."""
        cast, self._cast = self._cast, None
        if cast is not None:
            await cast.close()
            self._used_at = time.monotonic()
        if onlooker is not None:
            self._cast = Cast(self, onlooker)

    def take(self, what: Input) -> None:
        """Do what a person does, in its turn."""
        if self._cast is not None:
            self._cast.take(what)

    def let_go(self) -> None:
        """Release what a person holds down."""
        if self._cast is not None:
            self._cast.let_go()

    async def look(self) -> tuple[bytes, Sequence[str]] | None:
        """What is to be seen, without waiting for a deed or for the page to rest."""
        page = self.page
        if page is None:
            return None
        try:
            jpeg = await page.screenshot(type="jpeg", quality=80, scale="css", timeout=LOOK_MS)
            return jpeg, [tab.title or tab.url for tab in await self.strip()]
        except Exception as error:
            raise self._fallen(error) from error

    # --- for those who look ------------------------------------------------------------------------------------------

    @property
    def page(self) -> pw.Page | None:
        """The page in front, None while it rests or is gone."""
        if self._context is None or self._browser is None or not self._browser.is_connected():
            return None
        sheet = self._sheets.get(self._front)
        return sheet.page if sheet is not None else None

    async def strip(self) -> Sequence[Tab]:
        """All tabs as they are, without waiting for a deed."""
        tabs = await asyncio.gather(*(self._tab(sheet) for sheet in list(self._sheets.values())))
        # As they are now: while titles were asked for, one may have gone, or come to the front.
        return [msgspec.structs.replace(t, front=t.number == self._front) for t in tabs if t.number in self._sheets]

    async def visit(self, url: str, *, new_tab: bool) -> str:
        """Go where a person wants to; why that did not work, '' if it did."""
        url, host = deeds.address(url)
        async with self._lock:
            await self._present()
        self._seat.vouch(host)
        if new_tab:
            await self._empty_tab()
        sheet = await self._some_tab()
        self._seat.refusals()
        trouble = await deeds.open_page(sheet, url)
        if trouble == deeds.DOWNLOAD:
            return f"{url} is a download."
        why = next(iter(self._seat.refusals()), "")
        return f"{url} cannot be opened: {why or trouble}" if trouble else ""

    async def go(self, where: str) -> str:
        """Along the history of the tab in front, or load it again."""
        sheet = self._sheets.get(self._front)
        if sheet is None:
            return ""
        if where == "reload":
            await sheet.page.reload(wait_until="commit", timeout=deeds.OPEN_S * 1000)
        else:
            await deeds.do(sheet, Back(forward=where == "forward"))
        return ""

    async def show(self, tab: int) -> None:
        """Bring a tab to the front."""
        await self._switch(Switch(tab))

    async def shut(self, tab: int) -> None:
        """Close a tab; with the last one comes an empty one."""
        await self._switch(Switch(tab, close=True))

    async def rest(self) -> None:
        """Give the memory back; with the next deed the same tabs are there, and one is still signed in."""
        async with self._lock:
            await self._leave(keep=True)

    async def close(self) -> None:
        """End it. What is to be kept of it is written first. Never raises for what is gone already."""
        await self.watch(None)
        async with self._lock:
            await self._leave(keep=self._seat.state is not None)
            for task in (*self._loading, *self._chores):
                task.cancel()

    # --- the context -------------------------------------------------------------------------------------------------

    async def _present(self) -> None:
        if self._context is not None and self._browser is not None and self._browser.is_connected():
            if self._front not in self._sheets:
                await self._some_tab()
            return
        fallen = self._context is not None
        seat = self._seat
        self._sheets.clear()
        self._browser = await self._running(seat.gate)
        self._context = await self._browser.new_context(
            viewport=WINDOW,  # type: ignore[arg-type]
            accept_downloads=True,
            storage_state=self._state,
            proxy={"server": seat.gate, "username": seat.user, "password": seat.secret},
        )
        self._context.set_default_timeout(deeds.ACTION_S * 1000)
        await self.clipboard.guard(self._context)
        self._context.on("page", self._appears)
        self._context.on("close", lambda _: self._stir())
        shown, front = list(self._shown.items())[-RESTORED_TABS:], self._front
        for number, _ in shown:
            self._again = number
            self._appears(await self._context.new_page())
        await asyncio.gather(*(deeds.reopen(self._sheets[number], url) for number, url in shown))
        self._front = front
        self._notes.clear()
        if fallen:
            again = " Its tabs are opened again; what was typed there is gone." if shown else ""
            self._notes.append(f"The browser had crashed and was started anew.{again}")
        await self._some_tab()

    @property
    def _front(self) -> int:
        return self._in_front

    @_front.setter
    def _front(self, number: int) -> None:
        self._in_front = number
        self._stir()

    def _stir(self) -> None:
        if self._cast is not None:
            self._cast.stir()

    async def _add(self) -> None:
        """A new tab, in front."""
        assert self._context is not None
        self._appears(await self._context.new_page())

    async def _empty_tab(self) -> None:
        """An empty tab, in front: the one a browser begins with, or else a new one."""
        if [sheet.empty for sheet in self._sheets.values()] != [True]:
            await self._add()

    async def _some_tab(self) -> Sheet:
        """The tab in front; a new one where there is none."""
        assert self._context is not None
        if not self._sheets:
            await self._add()
        if self._front not in self._sheets:
            self._front = max(self._sheets)
        return self._sheets[self._front]

    async def _leave(self, *, keep: bool) -> None:
        context, self._context = self._context, None
        if context is None:
            return
        self._remember()
        self._sheets.clear()
        self._stir()
        try:
            async with asyncio.timeout(deeds.ACTION_S):
                if keep:
                    self._state = await context.storage_state(indexed_db=True)
                    await self._keep()
        except Exception as error:  # noqa: BLE001 (it may be gone, in whatever way; there is nothing to mend)
            log.info("the browser of process %s left nothing behind: %s", self._seat.pid, error)
        import playwright.async_api as pw

        # It fell, or the whole browser did; or it hangs, and ends with the browser.
        with contextlib.suppress(pw.Error, TimeoutError):
            async with asyncio.timeout(deeds.ACTION_S):
                await context.close()

    async def _keep(self) -> None:
        if self._seat.state is not None and self._state is not None:
            await asyncio.to_thread(_keep_state, self._seat.state, self._state)
        self._saved_at = time.monotonic()

    def _fallen(self, error: Exception) -> ToolFailed:
        """What to tell of an error of the driver's: as a rule something it was working on is gone."""
        if self._browser is None or not self._browser.is_connected():
            return ToolFailed("the browser crashed while it did this; it is started anew with the next call")
        log.info("a browser call of process %s failed", self._seat.pid, exc_info=error)
        return ToolFailed(" ".join((_sentence(deeds.in_words(error)), *self._told())))

    # --- what happens by itself --------------------------------------------------------------------------------------

    def _remember(self) -> None:
        """Note what the tabs show, to open it again should the browser fall or rest."""
        self._shown = {sheet.number: sheet.page.url for sheet in self._sheets.values()}

    def _appears(self, page: pw.Page) -> None:
        """Take up a page as a tab: a new one, or one that is there `_again`."""
        if any(sheet.page is page for sheet in self._sheets.values()):
            return
        if len(self._sheets) >= MOST_TABS:
            self._notes.append(f"A new tab was closed at once: {MOST_TABS} are open.")
            self._chore(page.close())
            return
        number, self._again = self._again, 0
        self._numbers += not number
        sheet = Sheet(number or self._numbers, page, self.clipboard)
        if self._sheets and not number:
            self._notes.append(f"A new tab {sheet.number} was opened and is in front.")
        self._sheets[sheet.number] = sheet
        self._front = sheet.number
        sheet.listen()
        page.on("dialog", lambda dialog: self._chore(self._dialog(dialog)))
        page.on("download", self._download)
        page.on("filechooser", lambda chooser: self._asks_for_files(sheet, chooser))
        page.on("crash", lambda _: self._crashed(sheet))
        page.on("framenavigated", lambda _: self._stir())
        page.on("domcontentloaded", lambda _: self._stir())
        page.on("close", lambda _: self._closed(sheet))

    def _closed(self, sheet: Sheet) -> None:
        self._sheets.pop(sheet.number, None)
        self._stir()
        if self._front == sheet.number and self._sheets:
            self._front = max(self._sheets)
            self._notes.append(f"Tab {sheet.number} was closed; tab {self._front} is in front.")

    def _crashed(self, sheet: Sheet) -> None:
        self._notes.append(
            f"The page in tab {sheet.number} crashed, so the tab was closed. Open it again if you need it."
        )
        self._chore(sheet.page.close())

    async def _dialog(self, dialog: pw.Dialog) -> None:
        if self._cast is not None and self._cast.attended:
            await self._cast.ask(dialog)
            return
        accept, words = self._answer.accept, line(dialog.message, 500)
        if dialog.type == "alert":
            self._notes.append(f"The page showed a message: {words!r}.")
            await dialog.accept()
            return
        if dialog.type == "beforeunload":
            told = "The page asked whether to leave it, for changes may be lost"
        else:
            told = f"The page asked {words!r}"
        yes = bool(accept if accept is not None else self._answer.text)
        given = self._answer.text or dialog.default_value
        hint = "" if accept is not None else " To answer yes, do it again with dialog=accept."
        typed = f" with {given!r}" if yes and dialog.type == "prompt" else ""
        # Noted first: with the answer, what the dialog held back goes on.
        self._notes.append(f"{told}; it was answered {'yes' if yes else 'no'}{typed}.{hint if not yes else ''}")
        await (dialog.accept(given) if yes else dialog.dismiss())

    def _asks_for_files(self, sheet: Sheet, chooser: pw.FileChooser) -> None:
        sheet.chooser = chooser
        many = "one or more files" if chooser.is_multiple() else "a file"
        self._notes.append(f"The page asks for {many}; give them with browser_upload.")
        self._tell(f"The page asks for {many}; once it has control again, the agent can give one of its home.")

    # --- downloads ---------------------------------------------------------------------------------------------------

    def _download(self, download: pw.Download) -> None:
        task = asyncio.ensure_future(self._receive(download))
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)

    async def _receive(self, download: pw.Download) -> None:
        name = downloads.harmless(download.suggested_filename)
        too_large = asyncio.Event()
        watching = asyncio.ensure_future(self._watch(download, too_large))
        try:
            failure = await download.failure()
            if too_large.is_set():
                self._notes.append(f"The download {name!r} was ended: it is larger than what the home has room for.")
            elif failure:
                self._notes.append(f"The download {name!r} failed: {failure}.")
                self._tell(f"The download {name!r} failed: {failure}")
            else:
                file = await download.path()
                home = await self._seat.home()
                path = await asyncio.to_thread(
                    downloads.kept, home, download.suggested_filename, file, self._seat.home_bytes
                )
                self._notes.append(f"Downloaded {path}.")
                self._tell(f"Downloaded to the home of the agent: {path}")
        except AetherError as error:
            self._notes.append(f"The download {name!r} was not kept: {error.message}.")
        except Exception as error:  # noqa: BLE001 (told to the agent; the browser may be gone)
            self._notes.append(f"The download {name!r} was not kept: {deeds.in_words(error)}.")
        finally:
            watching.cancel()
            self._chore(download.delete())

    async def _watch(self, download: pw.Download, too_large: asyncio.Event) -> None:
        """End a download that grows beyond the quota, while it grows."""
        # It has no public name.
        path = Path(download._impl_obj._artifact._initializer["absolutePath"])
        while True:
            await asyncio.sleep(LOOK_S)
            if _size(path) > self._seat.home_bytes:
                too_large.set()
                await download.cancel()
                return

    async def _downloads(self, most_s: float) -> None:
        """Wait for downloads that have begun; what takes longer is told."""
        if self._loading:
            await asyncio.wait(self._loading, timeout=most_s)
        if self._loading:
            self._notes.append(f"{len(self._loading)} downloads are not finished; browser_wait waits for them.")

    # --- doing and telling -------------------------------------------------------------------------------------------

    async def _do(self, deed: Deed) -> str:
        if isinstance(deed, Switch):
            return await self._switch(deed)
        if isinstance(deed, Open):
            if deed.new_tab:
                await self._empty_tab()
                self._notes.clear()
            url, host = deeds.address(deed.url)
            self._seat.vouch(host)
            sheet = self._sheets[self._front]
            dialogs = len(self._notes)
            trouble = await deeds.open_page(sheet, url)
            if trouble == deeds.DOWNLOAD:
                return f"{url} is a download."
            if trouble and len(self._notes) > dialogs:
                return f"Stayed on {sheet.url}."
            if trouble:
                raise ToolFailed(f"{url} cannot be opened: {trouble}")
            return f"Opened {url}."
        sheet = self._sheets[self._front]
        if isinstance(deed, Wait):
            return await deeds.wait(sheet, deed, lambda: bool(self._loading))
        return await deeds.do(sheet, deed)

    async def _switch(self, deed: Switch) -> str:
        sheet = self._sheets.get(deed.tab)
        if sheet is None:
            there = ", ".join(map(str, self._sheets))
            raise ToolFailed(f"there is no tab {deed.tab}; there are: {there}")
        if deed.close:
            self._sheets.pop(deed.tab)
            await sheet.page.close()
            await self._some_tab()
            self._stir()
            return f"Closed tab {deed.tab}."
        self._front = deed.tab
        await sheet.page.bring_to_front()
        return f"Tab {deed.tab} is in front."

    async def _happened(self, said: str, sheet: Sheet, before: Sequence[str]) -> Happened:
        """What is told of a deed, after the page has come to rest."""
        if not sheet.page.url.startswith(_PAGES):
            # No page leads there by itself; should one find a way, it ends here.
            await sheet.page.goto(deeds.BLANK)
            self._notes.append("The page was left: only pages of the web are shown.")
        self._remember()
        lines = await deeds.tree(sheet)
        fresh = not before
        if fresh:
            new, gone, most = list(lines), 0, FIRST_LINES
        else:
            new, gone = _compared(before, lines)
            most = SHOWN_LINES
        if self._seat.state is not None and time.monotonic() - self._saved_at > SAVE_S and self._context is not None:
            self._state = await self._context.storage_state(indexed_db=True)
            await self._keep()
        return Happened(
            said=said,
            tab=await self._tab(sheet),
            tabs=len(self._sheets),
            status=sheet.status,
            fresh=fresh,
            lines=tuple(new[:most]),
            more=max(0, len(new) - most),
            gone=gone,
            notes=self._told(),
        )

    def _told(self) -> tuple[str, ...]:
        """What has happened since it was last told, once."""
        refused = [f"The gate refused a request: {why}." for why in dict.fromkeys(self._seat.refusals())]
        notes, self._notes = [*dict.fromkeys(self._notes), *refused[:3]], []
        if len(refused) > 3:
            notes.append(f"It refused {len(refused) - 3} others, too.")
        return tuple(notes)

    async def _tab(self, sheet: Sheet) -> Tab:
        try:
            async with asyncio.timeout(2):
                title = await sheet.page.title()
        except Exception:  # noqa: BLE001 (a page that does not answer has no title)
            title = ""
        return Tab(sheet.number, sheet.url, line(title, 200), sheet.number == self._front)

    def _tell(self, words: str) -> None:
        if self._cast is not None:
            self._cast.tell(words)

    def _chore(self, deed: Coroutine[Any, Any, Any]) -> None:
        async def quietly() -> None:
            try:
                await deed
            except Exception as error:  # noqa: BLE001 (what it was about is gone)
                log.debug("in the browser of process %s: %s", self._seat.pid, error)

        task = asyncio.ensure_future(quietly())
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def _compared(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], int]:
    """The lines that are new, in their order, and how many went. Where the focus is does not count."""
    old = Counter(_still(each) for each in before)
    new = []
    for each in after:
        bare = _still(each)
        if old[bare]:
            old[bare] -= 1
        else:
            new.append(each)
    return new, sum(old.values())


def _still(row: str) -> str:
    return row.replace(" [active]", "").strip()


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _size(path: Path) -> int:
    """Bytes of a download so far: Chromium gives it another name until it is complete."""
    total = 0
    for each in (path, path.with_name(path.name + ".crdownload")):
        try:
            total = max(total, os.stat(each).st_size)
        except OSError:
            continue
    return total


def _kept_state(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("the kept state of a browser cannot be read, so it begins anew: %s", error)
        return None


def _keep_state(path: Path, state: Any) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.encode(state))
    os.replace(part, path)
