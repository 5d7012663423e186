"""What a session that blocks us is doing, as far as it says what is lost when it is ended. Pure."""

import re
from collections.abc import Collection
from enum import StrEnum

from router.store.blocking.elsewhere import Wait
from router.store.blocking.judge import Kind, Session


class Work(StrEnum):
    """`idle`: a transaction was left open; `queued`: it waits for a lock itself, and has not begun; `schema`: it
    changes or rebuilds a table; `change`: it changes rows; `read`: it reads; `ours`: lead-router; `unknown`: it is
    hidden.
    """

    IDLE = "idle"
    QUEUED = "queued"
    SCHEMA = "schema"
    VACUUM = "vacuum"
    BACKUP = "backup"
    CHANGE = "change"
    READ = "read"
    OURS = "ours"
    UNKNOWN = "unknown"


_BACKUPS = re.compile(r"pg_dump|pg_basebackup|pgbackrest|barman|wal-g", re.IGNORECASE)
_COMMENTS = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_FIRST_WORDS = {
    Work.SCHEMA: "alter create drop truncate reindex cluster refresh lock grant comment",
    Work.VACUUM: "vacuum analyze",
    Work.CHANGE: "insert update delete merge call do copy",
    Work.READ: "select table values fetch explain show with",
}
_KINDS = {word: kind for kind, words in _FIRST_WORDS.items() for word in words.split()}
_EARLIER = {Kind.TABLE_LOCK: Work.SCHEMA, Kind.LANE: Work.CHANGE, Kind.ROWS: Work.CHANGE}
_FULL = re.compile(r"vacuum\s*(\([^)]*)?\bfull\b")
_LOCKING = re.compile(r"\bfor\s+(no\s+key\s+)?update\b|\bfor\s+(key\s+)?share\b")
_CHANGING = re.compile(r"\b(insert\s+into|update|delete\s+from|merge\s+into)\b")


def work_of(session: Session, holds: Collection[Kind] = ()) -> Work:
    """Judged by its last statement, its name and its kind. What it `holds`, and that it `writes`, tells of those before
    in its transaction: one that only reads has no such locks.
    """
    if session.ours:
        return Work.OURS
    if session.backend == "autovacuum worker":
        return Work.VACUUM
    if _BACKUPS.search(session.application) or session.backend == "walsender":
        return Work.BACKUP
    if session.idle:
        return Work.IDLE
    if not session.visible:
        return Work.UNKNOWN
    kind = _kind(session.statement or session.query)
    if kind in (Work.READ, Work.UNKNOWN):
        kind = next((work for held, work in _EARLIER.items() if held in holds), Work.CHANGE if session.writes else kind)
    queued = session.wait.startswith("Lock:") and kind in (Work.SCHEMA, Work.VACUUM)
    return Work.QUEUED if queued else kind


def work_elsewhere(wait: Wait, waits: Collection[Wait] = ()) -> Work:
    """What the session does that another one waits for, on another server; `waits` are all that there are.

    Which locks it has is not known there. What keeps a statement out that asks for no whole table are rows that were
    changed or locked before.
    """
    party = wait.blocking
    session = Session(
        party.pid,
        party.application,
        role=party.role,
        backend="autovacuum worker" if party.statement.startswith("autovacuum:") else "client backend",
        state=party.state,
        wait="Lock:elsewhere" if any(one.waiting.pid == party.pid for one in waits) else "",
        query=party.query,
        ours=party.ours,
        visible=bool(party.state),
        statement=party.statement,
    )
    asks_for_table = _kind(wait.waiting.statement) in (Work.SCHEMA, Work.VACUUM)
    return work_of(session, () if asks_for_table else (Kind.ROWS,))


def _kind(query: str) -> Work:
    text = " ".join(_COMMENTS.sub(" ", query).lower().split()).lstrip("(; ")
    first = text.partition(" ")[0].rstrip(";")
    if first == "vacuum" and _FULL.match(text):
        return Work.SCHEMA
    if first == "copy" and text.endswith(("stdout", "stdout;")):
        return Work.BACKUP
    kind = _KINDS.get(first.partition("(")[0], Work.UNKNOWN)
    changes = kind is Work.READ and (_LOCKING.search(text) or (first == "with" and _CHANGING.search(text)))
    return Work.CHANGE if changes else kind
