"""`replay --verify`: recorded batches decided again from their recorded inputs, which must come out the same."""

from dataclasses import dataclass, field
from datetime import datetime

from ops.replay.records import Progress, ReadBatch, Skipped, read_batches, silent
from ops.replay.run import snapshot
from ops.replay.variants import Changes, Variants
from router.domain.flight import inputs_of, lead_ids
from router.drain.overlap import data_versions
from router.drain.replay import Difference, decided_again
from router.store.replay import Span, span_of
from router.store.statements import Connection
from router.store.tenants import Tenant

_DIFFERENCES_KEPT = 100


@dataclass(slots=True)
class Verified:
    """What was found. `differences` are the first ones: batch, lead, recorded and recomputed decision.

    `data_differs` names time zone and holiday data of a batch with differences that are not those of this release.
    """

    span: Span | None
    batches: int = 0
    leads: int = 0
    differing_batches: list[int] = field(default_factory=list)
    differing: int = 0
    differences: list[tuple[int, Difference]] = field(default_factory=list)
    skipped: Skipped = field(default_factory=Skipped)
    data_differs: str = ""

    @property
    def all_checked(self) -> bool:
        """Whether something was checked, and nothing left out."""
        return self.batches > 0 and not self.skipped.count

    @property
    def ok(self) -> bool:
        return self.all_checked and not self.differing

    @property
    def result(self) -> str:
        """One code: `differences` come before `not_all_checked` and `nothing_checked`, else it is `ok`."""
        if self.differing:
            return "differences"
        if not self.batches:
            return "nothing_checked"
        return "ok" if self.all_checked else "not_all_checked"

    def add(self, batch: ReadBatch, differences: list[Difference]) -> None:
        """Counts a batch that was run again."""
        self.batches += 1
        self.leads += len(batch.decisions)
        if differences:
            self.differing += len(differences)
            self.differing_batches.append(batch.raw.batch_no)
            room = _DIFFERENCES_KEPT - len(self.differences)
            self.differences += [(batch.raw.batch_no, one) for one in differences[:room]]
            now, then = data_versions(batch.recorded), batch.flight.calendar
            self.data_differs = self.data_differs or ("" if now == then else f"decided with {then}; now {now}")


async def verify(
    conn: Connection,
    tenant: Tenant,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Progress = silent,
) -> Verified:
    """Runs all recorded batches of a time again, in one snapshot, and compares. Writes nothing."""
    async with snapshot(conn):
        span = await span_of(conn, tenant.tenant_id, since, until)
        found = Verified(span)
        if span is not None:
            variants = Variants(tenant, Changes())
            async for batch in read_batches(conn, span, variants, found.skipped, progress):
                _verify(batch, found)
        return found


def _verify(batch: ReadBatch, found: Verified) -> None:
    try:
        inputs = inputs_of(batch.flight, batch.recorded, batch.facts)
        again = decided_again(batch.recorded, inputs, batch.decisions, batch.raw.kind)
    except Exception as error:  # a damaged record is told, and the others are run
        found.skipped.add(batch.raw.batch_no, f"the record cannot be run: {type(error).__name__}: {error}")
        return
    pairs = zip(lead_ids(batch.flight), batch.decisions, again, strict=True)
    found.add(batch, [Difference(*pair) for pair in pairs if pair[1] != pair[2]])
