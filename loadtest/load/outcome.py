"""What the database has after the run: every lead that was acknowledged, and when it had its rep."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import asyncpg

from loadtest.load.samples import Outcome, Sample, external_ids
from ops.audit.audit import audit
from router.store.statements import load

SQL = load("load")
SETTLE_S = 60.0
NIGHT_SOURCE = "night"


@dataclass(frozen=True, slots=True)
class Assigned:
    """A lead that was acknowledged: what handed it in, when that was due, and when it was assigned; seconds from the
    beginning of the run. None = it was not.
    """

    name: str
    due_s: float
    assigned_s: float | None

    @property
    def waited_s(self) -> float | None:
        """From when its request was due."""
        return None if self.assigned_s is None else self.assigned_s - self.due_s


@dataclass(frozen=True, slots=True)
class Stored:
    """`acknowledged` leads, of which `missing` are not in the database; `others` = stored, although the answer was lost
    or an error. `violations` are the audit's. `exact` = by commit times. `night` leads were there before the run, the
    last of which had its first rep at `night_done_s` (None = not all have one).
    """

    acknowledged: int
    missing: Sequence[str]
    others: int
    violations: Sequence[str]
    assigned: Sequence[Assigned]
    exact: bool
    night: int = 0
    night_done_s: float | None = None

    @property
    def unassigned(self) -> int:
        """Leads that had no rep in the end."""
        return sum(one.assigned_s is None for one in self.assigned)


Found = Mapping[tuple[str, str], float | None]


async def settled(conn: asyncpg.Connection, tenant_id: int, deadline_s: float = SETTLE_S) -> float:
    """Until no lead waits or is in a journal, or the deadline; returns how long that was (s)."""
    begin = monotonic()
    while monotonic() - begin < deadline_s and await SQL.on_their_way.value(conn, tenant_id=tenant_id):
        await asyncio.sleep(0.1)
    return monotonic() - begin


async def stored(
    conn: asyncpg.Connection, tenant: str, tenant_id: int, samples: Sequence[Sample], begin: float
) -> Stored:
    """Compares what was acknowledged with what is there."""
    exact = bool(await SQL.has_commit_times.value(conn))
    statement = SQL.leads_committed if exact else SQL.leads_decided
    rows = await statement.fetch(conn, tenant_id=tenant_id)
    found = {(row["source"], row["external_id"]): row["assigned"] for row in rows}
    judged = await audit(conn, tenant)
    violations = [f"{one.kind.name.lower()}: {one.count}: {one.examples[0]}" for one in judged.violations]
    return compare(samples, found, begin, violations, exact=exact)


def compare(samples: Sequence[Sample], found: Found, begin: float, violations: Sequence[str], *, exact: bool) -> Stored:
    """Every acknowledged lead with what was found of it. Pure."""
    missing, assigned = list[str](), list[Assigned]()
    for sample in samples:
        if sample.outcome is not Outcome.OK or not sample.taken:
            continue
        for external_id in external_ids(sample.key, sample.handed):
            lead = sample.source, external_id
            if lead not in found:
                missing.append(f"{sample.source} {external_id}")
                continue
            at = found[lead]
            assigned.append(Assigned(sample.name, sample.due_s, None if at is None else at - begin))
    acknowledged = len(assigned) + len(missing)
    night = [at for (source, _), at in found.items() if source == NIGHT_SOURCE]
    others = len(found) - len(assigned) - len(night)
    done = [at - begin for at in night if at is not None]
    done_s = max(done) if done and len(done) == len(night) else None
    return Stored(acknowledged, missing, others, violations, assigned, exact, len(night), done_s)
