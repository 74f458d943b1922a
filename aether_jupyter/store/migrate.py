"""Brings a database file to the newest Alembic revision, without an ini file and without the command line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

HEAD = "0013"


def upgrade(path: Path) -> None:
    """Create or migrate the file. A file of a newer version of Aether is refused rather than guessed at."""
    found = _revision(path)
    if found == HEAD:
        return
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine

    from ..model.errors import Conflict

    script = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    known = {revision.revision for revision in script.walk_revisions()}
    if found is not None and found not in known:
        raise Conflict(f"{path} was written by a newer version (revision {found}). Install that version to open it.")
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("PRAGMA journal_mode=WAL")
    # Two servers may start at once: the second waits for the first and then finds nothing to do.
    engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT", connect_args={"timeout": 10})
    try:
        with engine.connect() as connection:

            def steps(revision: object, context: MigrationContext) -> object:
                return script._upgrade_revs(HEAD, revision)  # type: ignore[arg-type]

            connection.exec_driver_sql("BEGIN IMMEDIATE")
            context = MigrationContext.configure(connection, opts={"fn": steps, "transactional_ddl": False})
            with Operations.context(context):
                context.run_migrations()
            connection.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()


def _revision(path: Path) -> str | None:
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    finally:
        connection.close()
    return str(row[0]) if row else None
