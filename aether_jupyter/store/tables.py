"""Every table, in one place, for SQLite and PostgreSQL alike.

Columns hold what statements ask for; the rest of a row is its msgspec encoding in `body`, so a screen reads one
column and a new field of a class needs no migration.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

metadata = MetaData()
Key = BigInteger().with_variant(Integer, "sqlite")

process = Table(
    "process",
    metadata,
    Column("pid", Key, primary_key=True, autoincrement=True),
    Column("owner", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("parent", Key),
    Column("state", String(8), nullable=False),
    Column("epoch", BigInteger, nullable=False, default=0),
    Column("worker", Key),
    Column("ready_at", Float, nullable=False),
    Column("until", Float),
    Column("head", Integer, nullable=False),
    Column("reserved_usd", Float, nullable=False, default=0.0),
    Column("ended_at", Float),
    Column("reaped", Boolean, nullable=False, default=False),
    Column("body", LargeBinary, nullable=False),
    Column("spec", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("process_ready", process.c.owner, process.c.ready_at, sqlite_where=process.c.state == "READY")
Index("process_state", process.c.state, process.c.worker)
Index("process_owner", process.c.owner, process.c.reaped, process.c.pid)
Index("process_parent", process.c.parent)

event = Table(
    "event",
    metadata,
    Column("seq", Key, primary_key=True),
    Column("pid", Key, nullable=False),
    Column("n", Integer, nullable=False),
    Column("id", String(36), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
Index("event_process", event.c.pid, event.c.n, unique=True)

text = Table(
    "text",
    metadata,
    Column("owner", String(200), nullable=False),
    Column("digest", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("owner", "digest"),
)

image = Table(
    "image",
    metadata,
    Column("owner", String(200), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("named", Boolean, nullable=False, default=False),
    Column("at", Float, nullable=False),
    Column("about", LargeBinary, nullable=False),
    Column("words", Text),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("owner", "digest"),
)
Index("image_unnamed", image.c.at, sqlite_where=image.c.named == False)  # noqa: E712 (SQL, not Python)

image_use = Table(
    "image_use",
    metadata,
    Column("pid", Key, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("owner", String(200), nullable=False),
    PrimaryKeyConstraint("pid", "digest"),
    sqlite_with_rowid=False,
)
Index("image_use_image", image_use.c.owner, image_use.c.digest)

approval = Table(
    "approval",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("pid", Key, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("status", String(8), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
Index("approval_owner", approval.c.owner, approval.c.status, approval.c.created_at)
Index("approval_process", approval.c.pid, approval.c.status)

request = Table(
    "request",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("sender", Key, nullable=False),
    Column("receiver", Key, nullable=False),
    Column("status", String(9), nullable=False),
    Column("due_at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
Index("request_sender", request.c.sender, request.c.status)
Index("request_receiver", request.c.receiver, request.c.status)
Index("request_due", request.c.status, request.c.due_at)

rule = Table(
    "rule",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("tool", String(200), nullable=False),
    Column("pid", Key),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("uses", Integer, nullable=False, default=0),
)
Index("rule_owner", rule.c.owner, rule.c.tool)

memory_space = Table(
    "memory_space",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("owner", String(200), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("vectors", Integer, nullable=False, default=0),
    Column("shelf", Key, nullable=False, default=0),
    sqlite_autoincrement=True,
)
Index("memory_space_agent", memory_space.c.owner, memory_space.c.agent, unique=True)

memory = Table(
    "memory",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("space", Key, nullable=False),
    Column("layer", String(10), nullable=False),
    Column("forgotten", Boolean, nullable=False, default=False),
    Column("created_at", Float, nullable=False),
    Column("vitality", Float, nullable=False),
    Column("importance", Float, nullable=False, default=0.5),
    Column("used_at", Float, nullable=False, default=0.0),
    Column("kind", String(16), nullable=False, default="person"),
    Column("model", String(100), nullable=False, default=""),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("memory_listed", memory.c.space, memory.c.forgotten, memory.c.layer, memory.c.id)
Index("memory_newest", memory.c.space, memory.c.forgotten, memory.c.id, memory.c.kind)
Index(
    "memory_fading", memory.c.space, memory.c.forgotten, memory.c.layer, memory.c.vitality, memory.c.id, memory.c.kind
)
Index(
    "memory_important",
    memory.c.space,
    memory.c.forgotten,
    memory.c.importance,
    memory.c.id,
    memory.c.layer,
    memory.c.kind,
)
Index("memory_used", memory.c.space, memory.c.forgotten, memory.c.used_at, memory.c.id, memory.c.layer, memory.c.kind)
Index("memory_unembedded", memory.c.model, memory.c.forgotten, memory.c.id)

memory_tag = Table(
    "memory_tag",
    metadata,
    Column("space", Key, nullable=False),
    Column("tag", String(60), nullable=False),
    Column("memory", Key, nullable=False),
    PrimaryKeyConstraint("space", "tag", "memory"),
    sqlite_with_rowid=False,
)
Index("memory_tag_memory", memory_tag.c.memory)

memory_report = Table(
    "memory_report",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("space", Key, nullable=False),
    Column("kind", String(13), nullable=False),
    Column("began_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("upto", BigInteger, nullable=False, default=0),
    Column("read_upto", BigInteger, nullable=False, default=0, server_default="0"),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("memory_report_space", memory_report.c.space, memory_report.c.kind, memory_report.c.id)

memory_use = Table(
    "memory_use",
    metadata,
    Column("memory", Key, nullable=False),
    Column("pid", Key, nullable=False),
    Column("step", Integer, nullable=False),
    Column("how", String(8), nullable=False),
    Column("at", Float, nullable=False),
    Column("score", Float, nullable=False),
    Column("cited", Integer),
    PrimaryKeyConstraint("memory", "pid", "step", "how"),
    sqlite_with_rowid=False,
)
Index("memory_use_process", memory_use.c.pid)

memory_vector = Table(
    "memory_vector",
    metadata,
    Column("memory", Key, primary_key=True),
    Column("space", Key, nullable=False),
    Column("model", String(100), nullable=False),
    Column("revision", Integer, nullable=False, default=0),
    Column("vector", LargeBinary, nullable=False),
)
Index("memory_vector_newer", memory_vector.c.space, memory_vector.c.model, memory_vector.c.revision)

memory_version = Table(
    "memory_version",
    metadata,
    Column("memory", Key, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("memory", "version"),
)

memory_grant = Table(
    "memory_grant",
    metadata,
    Column("space", Key, nullable=False),
    Column("reader", String(200), nullable=False),
    Column("at", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    PrimaryKeyConstraint("space", "reader"),
)

memory_notes = Table(
    "memory_notes",
    metadata,
    Column("owner", String(200), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("owner", "agent", "version"),
)

outcome = Table(
    "outcome",
    metadata,
    Column("pid", Key, primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("ended_at", Float, nullable=False),
    Column("succeeded", Boolean),
    Column("rating", Integer),
    Column("steps", Integer, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("run_s", Float, nullable=False),
    Column("strategy", Text, nullable=False, default=""),
    Column("tainted", Boolean, nullable=False, default=False),
)
Index("outcome_agent", outcome.c.owner, outcome.c.agent, outcome.c.ended_at)

control = Table(
    "control",
    metadata,
    Column("pid", Key, primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("holder", String(200), nullable=False),
    Column("taken_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("stopped", Boolean, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("pid", Key, nullable=False),
    Column("step", Integer, nullable=False),
    Column("person", String(200), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("at", Float, nullable=False),
    Column("thumb", String(4), nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("pid", "step", "person"),
)
Index("feedback_agent", feedback.c.owner, feedback.c.agent, feedback.c.at)

reflection = Table(
    "reflection",
    metadata,
    Column("pid", Key, primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("worker", Key),
    Column("due_at", Float, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("owner", String(200), nullable=False),
    Column("pid", Key),
    Column("agent", String(200), nullable=False),
    Column("n", Integer, nullable=False),
    Column("manifest", String(36), nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("snapshot_process", snapshot.c.pid, snapshot.c.n)
Index("snapshot_owner", snapshot.c.owner, snapshot.c.id)

usage = Table(
    "usage",
    metadata,
    Column("owner", String(200), nullable=False),
    Column("day", String(10), nullable=False),
    Column("pid", Key, nullable=False),
    Column("model", String(300), nullable=False),
    Column("name", String(200), nullable=False),
    Column("calls", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_usd", Float, nullable=False),
    PrimaryKeyConstraint("owner", "day", "pid", "model"),
)

worker = Table(
    "worker",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("lease_until", Float, nullable=False),
    Column("about", Text, nullable=False),
    sqlite_autoincrement=True,
)

meta = Table("meta", metadata, Column("key", String(60), primary_key=True), Column("value", Text, nullable=False))
