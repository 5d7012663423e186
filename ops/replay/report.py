"""What a replay found, in rows: by rep, by rule, caps, waiting leads, and each lead that goes elsewhere."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ops.replay.run import Replayed
from ops.replay.tally import Given, Place, Refused, Verdict
from router.domain.flight_format import instant


@dataclass(frozen=True, slots=True)
class Row:
    """A count in the record and in the replay; `name` is what it is of, `label` a second name of it."""

    name: str
    before: int
    after: int
    label: str = ""

    @property
    def difference(self) -> int:
        return self.after - self.before

    @property
    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "difference": self.difference}


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead that goes elsewhere. `rep`, `rule` and `group` are empty where nobody gets it; times in UTC."""

    lead_id: int
    change: str
    before_state: str
    before_rep: str
    before_rule: str
    before_group: str
    before_at: datetime
    after_state: str
    after_rep: str
    after_rule: str
    after_group: str
    after_at: datetime


def rep_rows(found: Replayed) -> list[Row]:
    """Leads by rep, the largest difference first."""
    sums = found.simulation.before.reps, found.simulation.after.reps
    return _rows(*sums, {no: rep_id for no, (rep_id, _) in found.reps.items()}, dict(found.reps))


def group_rows(found: Replayed) -> list[Row]:
    """Leads by the group that the rule named, the largest difference first; owners of customers apart."""
    return _rows(found.simulation.before.groups, found.simulation.after.groups, found.groups)


def rule_rows(found: Replayed) -> list[Row]:
    """Leads by rule, the largest difference first."""
    return _rows(found.simulation.before.rules, found.simulation.after.rules)


def cap_rows(found: Replayed) -> dict[str, list[Row]]:
    """How often each rep became full, by the cap."""
    before, after = found.simulation.before, found.simulation.after
    names = {no: rep_id for no, (rep_id, _) in found.reps.items()}
    return {
        "max_open": _rows(before.open_caps, after.open_caps, names),
        "max_per_day": _rows(before.daily_caps, after.daily_caps, names),
    }


def waiting_rows(found: Replayed) -> list[Row]:
    """Leads that wait at the end, by reason."""
    return _rows(found.waiting_before, found.waiting_after)


def parked_rows(found: Replayed) -> list[Row]:
    """Leads that were parked, by reason."""
    before, after = found.simulation.before.parked, found.simulation.after.parked
    return _rows(Counter({str(r): n for r, n in before.items()}), Counter({str(r): n for r, n in after.items()}))


def lead_rows(found: Replayed) -> Iterator[LeadRow]:
    """The leads that go elsewhere, by number."""
    for lead_id, place in sorted(found.simulation.places):
        if place.differs:
            yield _lead_row(found, lead_id, place)


def changes_by_kind(found: Replayed) -> Counter[str]:
    """How many leads go elsewhere, by what is different."""
    return Counter(_change(place) for _, place in found.simulation.places if place.differs)


def _rows(
    before: Mapping[Any, int],
    after: Mapping[Any, int],
    names: Mapping[Any, str] | None = None,
    people: Mapping[Any, tuple[str, str]] | None = None,
) -> list[Row]:
    keys = {*before, *after}
    rows = [
        Row(
            (names or {}).get(key, str(key)),
            before.get(key, 0),
            after.get(key, 0),
            (people or {}).get(key, ("", ""))[1],
        )
        for key in keys
    ]
    return sorted(rows, key=lambda row: (-abs(row.difference), -row.before, row.name))


def _lead_row(found: Replayed, lead_id: int, place: Place) -> LeadRow:
    before, after = _words(found, place.before), _words(found, place.after)
    return LeadRow(lead_id, _change(place), *before, instant(place.before_at), *after, instant(place.after_at))


def _words(found: Replayed, verdict: Verdict) -> tuple[str, str, str, str]:
    """(state, rep, rule, group)."""
    if isinstance(verdict, Given):
        rep = found.reps.get(verdict.rep_no, (str(verdict.rep_no), ""))[0]
        group = "" if verdict.group_no is None else found.groups.get(verdict.group_no, str(verdict.group_no))
        return "assigned", rep, verdict.rule, group
    return ("parked" if isinstance(verdict, Refused) else "waiting"), "", "", ""


def _change(place: Place) -> str:
    before, after = place.before, place.after
    if isinstance(before, Given) and isinstance(after, Given):
        return _reassigned(place, before, after)
    if isinstance(before, Given):
        return "no longer assigned"
    if isinstance(after, Given):
        return "newly assigned"
    return "parked" if isinstance(after, Refused) else "waits instead of being parked"


def _reassigned(place: Place, before: Given, after: Given) -> str:
    if before.rep_no != after.rep_no:
        return "other rep"
    if before != after:
        return "other rule"
    return "later" if place.after_at > place.before_at else "earlier"
