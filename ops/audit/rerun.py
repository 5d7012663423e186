"""Promise 5 on a sample: flight records are run again, and their decisions are compared with the assignments."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from router.domain.decide import Assigned, Decision
from router.domain.flight import lead_ids
from router.drain.replay import CannotRerun, FlightGone, Rerun, rerun
from router.store.engines import Engines
from router.store.errors import TRANSIENT_ERRORS
from router.store.statements import Connection, load

# Bounds what the rows and records of a large sample take in memory.
BATCHES_AT_ONCE = 200
ENGINES_KEPT = 8

_SQL = load("audit")


class Given(NamedTuple):
    """An assignment as its batch made it; rule_no None = by hand, group_no None = to the customer's owner."""

    lead_id: int
    rep_no: int
    rule_no: int | None
    group_no: int | None


@dataclass(slots=True)
class Replayed:
    """One batch: whether it was decided again, and what was found, a line for each lead."""

    batch_no: int
    compared: bool = False
    differences: list[str] = field(default_factory=list)
    unlike_record: list[str] = field(default_factory=list)


async def sample_of(conn: Connection, tenant_ids: Sequence[int], sample: int) -> dict[int, list[int]]:
    """Batch numbers by tenant: the last `sample` batches of these tenants, and as many others at random."""
    chosen: dict[int, list[int]] = defaultdict(list)
    if sample:
        for row in await _SQL.sample_of_flights.fetch(conn, tenant_ids=list(tenant_ids), n=sample):
            chosen[row["tenant_id"]].append(row["batch_no"])
    return chosen


def portions(batch_nos: Sequence[int]) -> Iterator[Sequence[int]]:
    """The batches in portions that `given_in` can take."""
    for start in range(0, len(batch_nos), BATCHES_AT_ONCE):
        yield batch_nos[start : start + BATCHES_AT_ONCE]


async def given_in(conn: Connection, tenant_id: int, batch_nos: Sequence[int]) -> dict[int, set[Given]]:
    """The assignments, current and past, by the batch that made them."""
    given: dict[int, set[Given]] = defaultdict(set)
    for row in await _SQL.given_in.fetch(conn, tenant_id=tenant_id, batch_nos=list(batch_nos)):
        given[row["batch_no"]].add(Given(row["lead_id"], row["rep_no"], row["rule_no"], row["group_no"]))
    return given


async def replay(
    conn: Connection, engines: Engines, tenant_id: int, batch_no: int, given: Collection[Given]
) -> Replayed:
    """Runs a batch again; `given` are the assignments it made. Raises only errors of the database."""
    result = Replayed(batch_no)
    try:
        again = await rerun(conn, engines, tenant_id, batch_no)
        recorded = dict(zip(lead_ids(again.stored.flight), again.recorded, strict=True))
    except TRANSIENT_ERRORS:
        raise
    except (FlightGone, CannotRerun) as error:
        result.differences.append(str(error))
    except Exception as error:  # whatever a damaged record does is found here, not a crash of the audit
        result.differences.append(f"batch {batch_no}: the record cannot be read: {type(error).__name__}: {error}")
    else:
        result.compared = not again.not_compared
        result.differences.extend(_differences(again))
        result.unlike_record.extend(_unlike_record(batch_no, recorded, given))
    return result


def _differences(again: Rerun) -> Iterator[str]:
    hint = f" ({again.data_differs})" if again.data_differs else ""
    for lead_id, recorded, recomputed in again.differences:
        yield f"batch {again.stored.batch_no}, lead {lead_id}: recorded {recorded}, again {recomputed}{hint}"


def _unlike_record(batch_no: int, recorded: Mapping[int, Decision], given: Collection[Given]) -> Iterator[str]:
    decided = {
        Given(lead_id, decision.rep_no, decision.rule_no, decision.group_no)
        for lead_id, decision in recorded.items()
        if isinstance(decision, Assigned)
    }
    there = {row.lead_id: row for row in given}
    told = {row.lead_id: row for row in decided}
    for lead_id in sorted({row.lead_id for row in decided.symmetric_difference(given)}):
        yield (
            f"batch {batch_no}, lead {lead_id}: recorded {_words(told.get(lead_id))}, "
            f"in the tables {_words(there.get(lead_id))}"
        )


def _words(given: Given | None) -> str:
    return "no assignment" if given is None else f"rep {given.rep_no} (rule {given.rule_no}, group {given.group_no})"
