"""An index that the migrations make is gone, or cannot be used."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import worded
from router.store.upkeep import IndexTrouble, troubled_indexes

CODE = "index_missing"


async def look(scene: Scene) -> Sequence[Finding]:
    return [_finding(trouble) for trouble in await troubled_indexes(scene.conn)]


def _finding(trouble: IndexTrouble) -> Finding:
    unique = trouble.name.endswith(("_pkey", "_key")) or "unique" in trouble.makes
    harm = (
        worded("what must be there once can be there twice")
        if unique
        else worded("statements on many rows become slow")
    )
    if trouble.gone:
        sentence = worded("index {name} of {table} is gone: {harm}", name=trouble.name, table=trouble.table, harm=harm)
    else:
        sentence = worded(
            "index {name} of {table} is not valid (a build was broken off, or is under way): {harm}",
            name=trouble.name,
            table=trouble.table,
            harm=harm,
        )
    return Finding(
        CODE,
        Severity.WARNING,
        Subject("index", trouble.name),
        sentence,
        ({"index": trouble.name, "table": trouble.table, "gone": trouble.gone, "makes_it": trouble.makes},),
        command="lead-router changes --since 7d",
    )
