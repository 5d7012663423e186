"""Tables that every batch writes consist of dead rows, and nothing has vacuumed them for an hour."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.phrases import count, duration
from router.store.upkeep import DeadRows, tables_with_dead_rows

CODE = "tables_bloated"
_DEAD = 100_000
_LONG = timedelta(hours=1)


async def look(scene: Scene) -> Sequence[Finding]:
    return [_finding(scene, one) for one in await tables_with_dead_rows(scene.conn, _DEAD, scene.at - _LONG)]


def _finding(scene: Scene, table: DeadRows) -> Finding:
    last = table.vacuumed_at
    when = "never" if last is None else f"{duration((scene.at - last).total_seconds())} ago"
    off = "; autovacuum is switched off for it" if table.is_off else ""
    rows = f"{count(table.dead, 'dead row')} beside {table.live:,} live ones"
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
        f"{table.table} has {rows}, last vacuumed {when}: batches become slower{off}",
        (row,),
        last,
        "lead-router doctor --only vacuum_held_back",
    )
