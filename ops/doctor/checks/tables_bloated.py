"""Tables that every batch writes consist of dead rows, and nothing has vacuumed them for an hour."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_duration
from router.store.upkeep import DeadRows, tables_with_dead_rows

CODE = "tables_bloated"
_DEAD = 100_000
_LONG = timedelta(hours=1)


async def look(scene: Scene) -> Sequence[Finding]:
    return [_finding(scene, one) for one in await tables_with_dead_rows(scene.conn, _DEAD, scene.at - _LONG)]


def _finding(scene: Scene, table: DeadRows) -> Finding:
    last = table.vacuumed_at
    row = {
        "table": table.table,
        "live": table.live,
        "dead": table.dead,
        "megabytes": table.bytes >> 20,
        "vacuumed_at": last and last.isoformat(timespec="seconds"),
    }
    return Finding(
        CODE,
        Severity.WARNING,
        Subject("table", table.table),
        _sentence(scene, table),
        (row,),
        last,
        "lead-router doctor --only vacuum_held_back",
    )


def _sentence(scene: Scene, table: DeadRows) -> Worded:
    last = table.vacuumed_at
    if last is None:
        when = worded("never")
    else:
        when = worded("{far} ago", far=worded_duration((scene.at - last).total_seconds()))
    said = worded_count(
        "{table} has {count:,} dead row beside {live:,} live ones, last vacuumed {when}: batches become slower",
        "{table} has {count:,} dead rows beside {live:,} live ones, last vacuumed {when}: batches become slower",
        table.dead,
        table=table.table,
        live=table.live,
        when=when,
    )
    return said + worded("; autovacuum is switched off for it") if table.is_off else said
