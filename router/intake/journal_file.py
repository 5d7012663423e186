"""The journal's file: made whole or not at all, used by one process, left alone when it is not what it should be.

SQLite in WAL mode with `synchronous = FULL`: docs/decisions/0027-the-journal.md.
"""

import fcntl
import os
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import randbits, token_hex

APPLICATION_ID = 0x4C52_4A31
"""What stands in the header of a journal, so that no other SQLite file is taken for one."""
VERSION = 1
_HEADER = b"SQLite format 3\0"
_BUSY_S = 2.0
_LOCK_S, _LOCK_AGAIN_S = 1.0, 0.05
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")

_SCHEMA = f"""
pragma auto_vacuum = incremental;
pragma application_id = {APPLICATION_ID};
pragma user_version = {VERSION};
begin;
create table meta (name text primary key, value) without rowid;
create table lead (
    sequence    integer primary key autoincrement,
    tenant_id   integer not null,
    source      text not null,
    external_id text not null,
    arrived     integer not null,
    body        blob not null,
    checksum    integer not null,
    refused_at  integer,
    reason      text
);
create unique index lead_identity on lead (tenant_id, source, external_id);
create index lead_waits on lead (tenant_id, sequence) where refused_at is null;
create index lead_set_aside on lead (tenant_id, sequence) where refused_at is not null;
create table key (
    tenant_id integer not null,
    key       text not null,
    sequence  integer not null,
    body_hash blob not null,
    primary key (tenant_id, key, sequence)
) without rowid;
create index key_of_lead on key (sequence);
create table taken (tenant_id integer primary key, leads integer not null);
commit;
"""


class JournalUnusable(Exception):
    """The file cannot be used, and was left as it is; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class JournalFile:
    """An open journal; `journal_id` is its own number. `lock` (a file descriptor) is held until `close`."""

    path: Path
    journal_id: int
    sql: sqlite3.Connection
    lock: int

    def close(self) -> None:
        """Gives it back; what is in it stays."""
        try:
            self.sql.close()
        finally:
            os.close(self.lock)


def open_file(path: Path, now: datetime) -> JournalFile:
    """Opens the journal, making it when there is none. Raises JournalUnusable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _take_lock(path)
    except OSError as error:
        raise _not_here(path, error) from error
    try:
        return _open_locked(path, now, lock)
    except BaseException:
        os.close(lock)
        raise


def open_for_reading(path: Path) -> sqlite3.Connection:
    """The journal as it is now, also while a process uses it; nothing can be written. Raises JournalUnusable."""
    if not path.exists():
        raise JournalUnusable(
            f"there is no journal {path}: no instance has used it yet, or the setting journal.file names another one"
        )
    _check_header(path)
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S)
    except sqlite3.Error as error:
        raise _damaged(path, error) from error


def holder_of(path: Path) -> int | None:
    """The number of the process that uses the journal now; 0 = not known; None = no process does."""
    try:
        lock = os.open(_lock_path(path), os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _number_in(lock)
    finally:
        os.close(lock)
    return None


def _open_locked(path: Path, now: datetime, lock: int) -> JournalFile:
    try:
        if not path.exists():
            _refuse_orphan(path)
            _make(path, now)
    except OSError as error:
        raise _not_here(path, error) from error
    # Only to read: SQLite also tidies up a file that may be written when it closes it, and this one may be damaged.
    with closing(open_for_reading(path)) as sql:
        journal_id = _check_whole(path, sql)
    return JournalFile(path, journal_id, _connect(path), lock)


def _take_lock(path: Path) -> int:
    lock = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock_soon(lock)
    except OSError as error:
        number = _number_in(lock)
        os.close(lock)
        if not isinstance(error, BlockingIOError):
            raise
        raise JournalUnusable(
            f"the journal {path} is in use by {f'process {number}' if number else 'another process'}: a journal "
            "belongs to one process. Give this one a file of its own (LEAD_ROUTER_JOURNAL_FILE), or stop the other"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d" % os.getpid(), 0)
    return lock


def _lock_soon(lock: int) -> None:
    """Somebody who only looks whether it is in use has it for a moment. Raises BlockingIOError."""
    for _ in range(int(_LOCK_S / _LOCK_AGAIN_S)):
        with suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_LOCK_AGAIN_S)
    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _number_in(lock: int) -> int:
    text = os.pread(lock, 20, 0)
    return int(text) if text.isdigit() else 0


def _make(path: Path, now: datetime) -> None:
    """Under another name first: a file of the journal's name is always whole."""
    new = path.with_name(f".{path.name}.{token_hex(4)}.new")
    os.close(os.open(new, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(new, isolation_level=None)) as sql:
            sql.execute("pragma synchronous = full")
            sql.executescript(_SCHEMA)
            created = [("journal_id", randbits(62)), ("created_at", now.astimezone(UTC).isoformat())]
            sql.executemany("insert into meta values (?, ?)", created)
        new.rename(path)
    except sqlite3.Error as error:
        raise JournalUnusable(f"the journal {path} could not be made: {error}. Is the disk full?") from error
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _connect(path: Path) -> sqlite3.Connection:
    sql = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
    try:
        mode = sql.execute("pragma journal_mode = wal").fetchone()[0]
        sql.execute("pragma synchronous = full")
        if mode != "wal" or sql.execute("pragma synchronous").fetchone()[0] != 2:
            raise JournalUnusable(
                f"the journal {path} cannot be written durably on this file system (journal mode {mode}): put it on a "
                "local disk"
            )
    except sqlite3.Error as error:
        sql.close()
        raise _damaged(path, error) from error
    except BaseException:
        sql.close()
        raise
    return sql


def _refuse_orphan(path: Path) -> None:
    orphan = path.with_name(f"{path.name}-wal")
    if orphan.exists() and orphan.stat().st_size:
        raise JournalUnusable(
            f"the journal {path} is gone, and {orphan.name}, which belongs to it and may hold leads, is still there. "
            f"Put the file back, or move {orphan.name} away to begin a new journal without these leads"
        )


def _check_header(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(100)
    except OSError as error:
        raise _not_here(path, error) from error
    if not start:
        raise JournalUnusable(f"the journal {path} is empty: something truncated it. {_WHAT_TO_DO}")
    if not start.startswith(_HEADER):
        raise JournalUnusable(f"{path} is not a journal of lead-router (no SQLite file). {_ANOTHER}")
    if int.from_bytes(start[68:72]) != APPLICATION_ID:
        raise JournalUnusable(f"{path} is not a journal of lead-router, but another SQLite file. {_ANOTHER}")


def _check_whole(path: Path, sql: sqlite3.Connection) -> int:
    """The journal's number."""
    try:
        if (version := sql.execute("pragma user_version").fetchone()[0]) != VERSION:
            raise JournalUnusable(
                f"the journal {path} is of another release (format {version}, not {VERSION}): drain it with that one"
            )
        wrong = sql.execute("pragma integrity_check(1)").fetchone()[0]
        row = sql.execute("select value from meta where name = 'journal_id'").fetchone()
    except sqlite3.Error as error:
        raise _damaged(path, error) from error
    if wrong != "ok" or row is None:
        raise _damaged(path, wrong)
    return int(row[0])


_WHAT_TO_DO = (
    "It was left as it is. Copy it with the files beside it, then restore a good copy, or move it away to begin a new "
    "one: runbooks/leads_journalled.md says how to save what is in it"
)
_ANOTHER = "It was left as it is: set journal.file (LEAD_ROUTER_JOURNAL_FILE) to another path"


def _damaged(path: Path, why: object) -> JournalUnusable:
    name = getattr(why, "sqlite_errorname", _DAMAGE[0])
    if not name.startswith(_DAMAGE):
        return JournalUnusable(
            f"the journal {path} cannot be opened: {why} ({name}). It was left as it is: is the disk full, or not "
            "writable?"
        )
    return JournalUnusable(f"the journal {path} is damaged ({why}). {_WHAT_TO_DO}")


def _not_here(path: Path, error: OSError) -> JournalUnusable:
    return JournalUnusable(
        f"the journal {path} cannot be used: {error.strerror}. Set journal.file (LEAD_ROUTER_JOURNAL_FILE) to a path "
        "that this user can write"
    )
