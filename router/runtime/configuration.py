"""What of the settings can change while the process runs, and the record of every change of what is in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.settings.fields import value_at, with_values
from router.settings.model import FIELDS, Settings, describe
from router.store.changes import SERVICE, Change, record_change
from router.store.statements import Connection, load

ACTION = "configure"

# What `app` applies at once. Everything else is read by what was built at the start.
AT_RUN_TIME = frozenset(
    {
        "connections.maximum",
        "connections.acquire_deadline_s",
        "connections.connect_deadline_s",
        "connections.held_limit_s",
        "drain.batch_leads",
        "drain.concurrency",
        "drain.poll_interval_s",
        "log.level",
    }
)
# They belong to one process, not to its kind: several on one host differ.
_OF_ONE_PROCESS = frozenset({"listen.host", "listen.port", "data_dir"})

_SQL = load("configuration")


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting, by its name in the file; values as `describe` shows them, without passwords."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reload:
    """What reading the settings again comes to: `settings` to use from now on, and what is not in force yet."""

    settings: Settings
    applied: tuple[Difference, ...] = ()
    needs_restart: tuple[Difference, ...] = ()


def reload(running: Settings, read: Settings) -> Reload:
    """What changes when `read` replaces what is `running`."""
    values: dict[tuple[str, ...], Any] = {}
    applied, needs_restart = [], []
    shown = describe(running), describe(read)
    for path, leaf in FIELDS.items():
        if value_at(running, path) == value_at(read, path):
            continue
        difference = Difference(leaf.name, *(text(one[leaf.name]) for one in shown))
        if leaf.name in AT_RUN_TIME:
            values[path] = value_at(read, path)
            applied.append(difference)
        else:
            needs_restart.append(difference)
    return Reload(with_values(running, values), tuple(applied), tuple(needs_restart))


def text(value: object) -> str:
    """A value as the record of changes shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def recorded(settings: Settings) -> dict[str, str]:
    """What is compared with the last record of the same kind of instance."""
    return {name: text(value) for name, value in describe(settings).items() if name not in _OF_ONE_PROCESS}


async def record_reload(conn: Connection, actor: str, kind: str, changes: Sequence[Difference]) -> None:
    """Records what one instance changed while it ran, in one transaction."""
    async with conn.transaction():
        for one in changes:
            subject = f"{kind}: {one.name}"
            await record_change(
                conn, SERVICE, Change(actor, ACTION, subject, one.before, one.after, "settings read again")
            )


async def record_differences(
    conn: Connection, actor: str, kind: str, values: Mapping[str, str], first: Mapping[str, str], why: str
) -> list[Difference]:
    """Records, in one transaction, what differs from the last record of this kind; `first` = before any record."""
    subjects = {name: f"{kind}: {name}" for name in values}
    async with conn.transaction():
        await _SQL.turn.value(conn)
        rows = await _SQL.last_recorded.fetch(conn, action=ACTION, subjects=list(subjects.values()))
        last: dict[str, str] = {row["subject"]: row["after"] for row in rows}
        found = []
        for name, after in values.items():
            before = last.get(subjects[name], first.get(name, ""))
            if before != after:
                found.append(Difference(name, before, after))
                change = Change(actor, ACTION, subjects[name], before, after, why)
                await record_change(conn, SERVICE, change)
    return found
