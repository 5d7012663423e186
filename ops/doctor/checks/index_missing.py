"""An index that the migrations make is gone, or cannot be used."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.store.upkeep import IndexTrouble, troubled_indexes

CODE = "index_missing"


async def look(scene: Scene) -> Sequence[Finding]:
    return [_finding(trouble) for trouble in await troubled_indexes(scene.conn)]


def _finding(trouble: IndexTrouble) -> Finding:
    what = "is gone" if trouble.gone else "is not valid (a build was broken off, or is under way)"
    unique = trouble.name.endswith(("_pkey", "_key")) or "unique" in trouble.makes
    harm = "what must be there once can be there twice" if unique else "statements on many rows become slow"
    return Finding(
        CODE,
        Severity.WARNING,
        Subject("index", trouble.name),
        f"index {trouble.name} of {trouble.table} {what}: {harm}",
        ({"index": trouble.name, "table": trouble.table, "gone": trouble.gone, "makes_it": trouble.makes},),
        command="lead-router changes --since 7d",
    )
