"""What an import says of leads that have the id of a lead from another source."""

from collections.abc import Iterator

from router.domain.phrases import count
from router.domain.text import visible
from router.store.ids import Elsewhere, SameIds

SHOWN = 10


def same_ids_lines(found: SameIds) -> Iterator[str]:
    """For people."""
    if not found.count:
        return
    yield count(found.count, "new lead has", "new leads have") + " the external_id of a lead from another source:"
    for one in found.named[:SHOWN]:
        line = f"line {one.line}, " if one.line else ""
        yield f"  {line}{visible(one.external_id)} of {_source(one.source)}: {_other(one)}"
    if found.count > SHOWN:
        yield f"  … and {found.count - SHOWN:,} more; --json has the first {len(found.named)}"
    yield "  if each is one lead whose source was edited, write ids_unique_over_sources: true in the mapping"


def _other(one: Elsewhere) -> str:
    lead = f"lead {one.other_lead}" if one.other_lead is not None else "a row before"
    return f"{lead} is of {_source(one.other_source)}"


def _source(name: str) -> str:
    return f"source {visible(name)}" if name else "no source"
