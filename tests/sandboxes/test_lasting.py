"""Lines that go on where the last one left off, in bash and in the plain sh, beside the same lines in a shell alone."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from aether_jupyter.abc import Completed
from aether_jupyter.sandboxes.command import clean_environment, run_process
from aether_jupyter.sandboxes.lasting import run_lasting

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="a Windows shell keeps nothing"),
]

EXPORTS = ".aether/shell/exports"


class Shell:
    """One shell over a home, with and without what lasts."""

    def __init__(self, path: str, home: Path) -> None:
        self.path = path
        self.home = home
        self.env = clean_environment(str(home), os.environ["PATH"])

    async def plain(self, line: str, **options: object) -> Completed:
        return await self._run([self.path, "-c", line], **options)

    async def __call__(self, line: str, **options: object) -> Completed:
        return await run_lasting(
            line,
            self.path,
            home=self.home,
            workdir=os.path.realpath(self.home),
            env=self.env,
            run=lambda argv: self._run(argv, **options),
        )

    async def says(self, line: str) -> str:
        done = await self(line)
        assert done.stderr == b""
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    async def _run(self, argv: list[str], *, timeout_s: float = 20, stdin: bytes = b"") -> Completed:
        return await run_process(argv, timeout_s=timeout_s, env=self.env, cwd=str(self.home), stdin=stdin)


@pytest.fixture(params=["bash", "dash", "sh"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    path = shutil.which(request.param)
    assert path is not None, f"these tests need {request.param}; `make test` installs it on Debian"
    return Shell(path, tmp_path)


LINES = {
    "words": "echo out; echo err >&2; printf 'no end'",
    "exit": "echo hi; exit 3",
    "last": "false",
    "strict": "set -e; echo a; false; echo b",
    "strict and unset": "set -eu; echo $nope",
    "names": 'echo "$0|$#|$1|$*|$?"',
    "line numbers": "echo $LINENO\n\nno-such-command\necho $LINENO",
    "comment": "# nothing\necho hi # more",
    "only a comment": "# nothing",
    "begins with a blank": "  \n\n echo hi",
    "here": "cat <<X\nto $0\nX\ncat <<'Y'\n$0\nY",
    "here without an end": "cat <<X\nhi",
    "backslash": "echo hi \\",
    "quotes": 'echo "it\'s" \'a "b" $c\' \\$d \\\\ `echo e`',
    "does not parse": "echo 'one",
    "parses for a while": "echo a\necho )\necho c",
    "exec": "exec echo hi",
    "exec of nothing": "exec ./nowhere",
    "exec to a file": "exec >out 2>&1; echo hi; nope; cat out >/dev/null",
    "closed": "echo a; exec >&- 2>&-; echo b",
    "killed": "echo a; kill -9 $$",
    "ended": "echo a; kill -TERM $$; echo b",
    "background": "(sleep 0.1; echo late) & echo early; wait",
    "background left": "sleep 0.1 & echo early",
    "trap": "trap 'echo bye $?' EXIT; (exit 4)",
    "trap and exit": "trap 'echo bye $?' EXIT; exit 5",
    "trap that exits": "trap 'exit 6' EXIT; true",
    "subshell": "(exit 7); echo $?; (trap 'echo sub' EXIT; exit 1)",
    "pipe": "echo a | { read x; echo $x$x; } | cat; false | true",
    "input": "read a; echo $a; cat",
    "no clobber": "set -C; echo a",
    "no file may be written": "ulimit -f 0; true",
    "return": "return 4 2>/dev/null",
    "other separator": "IFS=0123456789; (exit 12)",
    "functions of the same names": "pwd() { echo mine; }; printf() { echo mine; }; export() { echo mine; }; pwd",
    "gone": "mkdir d; cd d; rmdir ../d; echo hi",
}


@pytest.mark.parametrize("name", LINES)
async def test_a_line_ends_and_speaks_as_in_a_shell_alone(shell: Shell, name: str) -> None:
    def words(done: Completed) -> bytes:
        return re.sub(rb"(-c|eval): ", b"", done.stderr)

    await shell("export KEPT=1")
    alone = await shell.plain(LINES[name], stdin=b"one\ntwo\n")
    done = await shell(LINES[name], stdin=b"one\ntwo\n")
    assert (done.exit_code, done.stdout, words(done)) == (alone.exit_code, alone.stdout, words(alone))


async def test_a_line_that_does_not_parse_is_said_plainly(shell: Shell) -> None:
    done = await shell("echo )")
    assert done.exit_code == 2
    assert b"syntax error" in done.stderr.lower()
    assert b"aether" not in done.stderr


async def test_a_shell_that_traces_itself_shows_only_the_command(shell: Shell) -> None:
    done = await shell("set -x; echo hi")
    assert (done.exit_code, done.stdout) == (0, b"hi\n")
    assert done.stderr.lstrip(b"+") == b" echo hi\n"


VALUES = {
    "plain": "a b",
    "empty": "",
    "quotes": """it's "so" `echo no`""",
    "command": "$(touch evaluated)`touch evaluated`$HOME ${HOME} \\$x !x",
    "newlines": "one\ntwo\n\n\tthree\r\n",
    "unicode": "Grüße 😀 \u202e \ufeff",
    "backslashes": "\\\\ \\n \\' \\\" \\",
    "looks like a line": "x'\nexport B='y'\nunset PATH\ndeclare -x C=\"z\"\n",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f",
    "no text": os.fsdecode(bytes(range(128, 256))),
    "looks like a list": "(a b)",
}


@pytest.mark.parametrize("name", VALUES)
async def test_a_value_comes_back_exactly_and_is_never_evaluated(shell: Shell, name: str) -> None:
    value = VALUES[name]
    (shell.home / "value").write_bytes(os.fsencode(value))
    for line in ('export V="$(cat value; echo .)"; V=${V%.}; export LC_ALL=C', "export MORE=1", "unset MORE"):
        await shell.says(line)
        assert await shell.says('printf %s "$V"') == value.removesuffix("\n")
        assert (await shell("env -0", timeout_s=5)).stdout.count(b"V=" + os.fsencode(value) + b"\0") == 1
    assert not (shell.home / "evaluated").exists()


async def test_a_line_that_changes_nothing_writes_nothing(shell: Shell) -> None:
    await shell("export A=1")
    before = (shell.home / EXPORTS).stat()
    await shell("export A=1; cd /; B=2")
    after = (shell.home / EXPORTS).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_state_that_cannot_be_written_changes_neither_output_nor_exit_code(shell: Shell) -> None:
    await shell("export A=1")
    done = await shell("export B=2; cd /; echo hi; rm -rf $HOME/.aether; exit 3")
    assert (done.exit_code, done.stdout, done.stderr, done.folder) == (3, b"hi\n", b"", "")
    (shell.home / ".aether").write_text("in the way")
    done = await shell("export A=1; echo hi; exit 3")
    assert (done.exit_code, done.stdout, done.stderr, done.folder) == (3, b"hi\n", b"", "")
    assert await shell.says("echo ${A-none}") == "none"


async def test_a_report_that_breaks_off_unsets_nothing(shell: Shell) -> None:
    """As on a disk that is full just then."""
    await shell("export A=1 B=$(seq 999 | tr -d '\\n')")
    done = await shell("ulimit -f 1; cd /; export A=2")
    assert (done.exit_code, done.stderr) == (0, b"")
    assert await shell.says("echo $A,${#B}; command -v cat >/dev/null || echo lost") == "1,2889"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"echo evaluated\n",
        b"export A='1'; echo evaluated\n",
        b"export A='1'\nexport B=$(echo evaluated >&2)\n",
        b'export A="1"\n',
        b"export A='1",
        b"\xff\0\n" * 1000,
        b"export A='" + b"x" * 200_000 + b"'\n",
    ],
)
async def test_only_what_was_written_as_it_is_written_is_read(shell: Shell, rubbish: bytes) -> None:
    await shell("true")
    (shell.home / EXPORTS).write_bytes(rubbish)
    assert await shell.says("echo ${A-none}") == "none"
    await shell("export A=2")
    assert await shell.says("echo $A") == "2"


async def test_links_and_pipes_in_the_way_are_neither_followed_nor_waited_for(shell: Shell, tmp_path: Path) -> None:
    await shell("true")
    (tmp_path / "secret").write_text("export A='secret'\n")
    (shell.home / EXPORTS).symlink_to(tmp_path / "secret")
    assert await shell.says("echo ${A-none}") == "none"
    (shell.home / EXPORTS).unlink()
    os.mkfifo(shell.home / EXPORTS)
    async with asyncio.timeout(5):
        assert await shell.says("export A=1; echo ${A-none}") == "1"
        assert await shell.says("echo ${A-none}") == "1"


async def test_a_report_of_rubbish_is_taken_for_none(shell: Shell) -> None:
    forge = "for f in /proc/$$/cmdline; do r=$(tr '\\0' '\\n' <$f | grep -o '[^ ]*/shell/[0-9a-f]*' | head -1); done; "
    for words in ("rubbish", "/ok/../no\\n\\0export PATH=/\\n\\0", "/etc\\n\\0\\0", "\\0\\0\\0\\0", "/$(seq 9999)\\0"):
        done = await shell(f'{forge} printf "{words}" >"$r"; trap - EXIT; exec true')
        assert done.folder in ("", "/etc")
        assert await shell.says("command -v cat") != ""


async def test_more_variables_than_are_kept_do_no_harm(shell: Shell) -> None:
    await shell("export A=1")
    assert (await shell('export B="$(head -c 150000 /dev/zero | tr "\\0" x)"; echo ${#B}')).stdout == b"150000\n"
    assert await shell.says("ls / >/dev/null; echo $A,${#B}") == "1,0"


async def test_readonly_lists_and_numbers_do_not_get_in_the_way(shell: Shell) -> None:
    await shell("export A=1; readonly A")
    assert await shell.says("A=2; echo $A") == "2"
    if shell.path.endswith("bash"):
        await shell(
            "declare -ix N=5; declare -ax L=(a b); export -f nothing 2>/dev/null; set -o posix; readonly A; export Z=1"
        )
        assert await shell.says("echo $N,${L-none},$A,$Z") == "5,none,2,1"
