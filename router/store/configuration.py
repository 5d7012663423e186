"""The record of every change of the settings in use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from router.settings.reload import Difference
from router.store.changes import SERVICE, Change, record_change
from router.store.statements import Connection, load
from router.store.transactions import retried

ACTION = "configure"
FIRST_LOOK = "seen for the first time"
"""Why something is recorded that was not changed: nothing of its kind was known before."""

_SQL = load("configuration")


@retried
async def record_reload(conn: Connection, actor: str, kind: str, changes: Sequence[Difference]) -> None:
    """Records what one instance changed while it ran, in one transaction."""
    async with conn.transaction():
        for one in changes:
            await _record(conn, actor, kind, one, "settings read again")


@retried
async def record_differences(
    conn: Connection,
    actor: str,
    kind: str,
    values: Mapping[str, str],
    first: Mapping[str, str],
    why: str,
    *,
    is_known: Callable[[str], bool] | None = None,
) -> list[Difference]:
    """Records, in one transaction, what differs from the last record of this kind; `first` = before any record.

    `is_known` = `values` are all that are set, of the names for which it holds: what was recorded of these, and is not
    among them, is set no more, and where nothing of this kind was recorded yet, that is FIRST_LOOK. None = they are
    some, and nothing is known of others.
    """
    async with conn.transaction():
        await _SQL.turn.value(conn)
        if is_known is not None:
            rows = await _SQL.last_of_kind.fetch(conn, action=ACTION, kind=kind)
        else:
            subjects = [f"{kind}: {name}" for name in values]
            rows = await _SQL.last_recorded.fetch(conn, action=ACTION, subjects=subjects)
        last = {row["subject"].removeprefix(f"{kind}: "): row["after"] for row in rows}
        if is_known is not None:
            values = dict.fromkeys(filter(is_known, last), "") | dict(values)
            why = why if last else FIRST_LOOK
        before = {name: last.get(name, first.get(name, "")) for name in values}
        found = [Difference(name, before[name], after) for name, after in values.items() if before[name] != after]
        for one in found:
            await _record(conn, actor, kind, one, why)
    return found


@dataclass(frozen=True, slots=True)
class SizeChange:
    """A change of how many connections there may be: `name` is a setting of the server or of a kind of instances.

    `before` None = it was not recorded before. `at` is UTC.
    """

    at: datetime
    actor: str
    name: str
    before: int | None
    after: int

    @property
    def lost(self) -> int:
        """So many fewer there are; 0 or less = not fewer."""
        return 0 if self.before is None else self.before - self.after


async def sizes_changed(conn: Connection, since: datetime) -> list[SizeChange]:
    """The last change of each of them since then, the youngest first."""
    found: dict[str, SizeChange] = {}
    for at, actor, name, before, after in await _SQL.sizes_changed.fetch(conn, action=ACTION, since=since):
        if name not in found and after.isdigit():
            found[name] = SizeChange(at, actor, name, int(before) if before.isdigit() else None, int(after))
    return list(found.values())


async def _record(conn: Connection, actor: str, kind: str, one: Difference, why: str) -> None:
    change = Change(actor, ACTION, f"{kind}: {one.name}", one.before, one.after, why)
    await record_change(conn, SERVICE, change)
