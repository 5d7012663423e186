"""Flight records as documents: what a batch looked at and decided, in numbers, without facts and notes."""

import struct
from typing import Any

from router.domain.flight_format import instant
from router.store.flights import StoredFlight

_COLUMNS = (
    *("lead_ids", "ranks", "customers", "wake_keys", "last_batches", "reps", "codes", "opened", "today"),
    *("decided", "rules", "given_by", "waits_for"),
)
_TIMES = ("queued", "rechecks")


def flight_document(stored: StoredFlight) -> dict[str, Any]:
    """One record. Reps, rules, groups and customers are numbers, as the record has them; times are ISO 8601 in UTC.

    `decided` per lead: the rep's number, 0 = waiting, -1 = parked. `reps` with `codes`, `opened` and `today`:
    attendance and loads of the reps that were looked at.
    """
    flight = stored.flight
    versions = {"ruleset": stored.ruleset, "roster": stored.roster, "rates": stored.rates}
    day, *times = flight.day
    return {
        "batch": stored.batch_no,
        "at": stored.at.isoformat(),
        "kind": stored.kind,
        "versions": versions,
        "engine": flight.engine,
        "calendar": flight.calendar,
        "now": instant(flight.now).isoformat(),
        "business_day": {"date": day, "times": [instant(at).isoformat() for at in times]},
        "windows": {
            str(number): {"open": is_open, "until": None if until is None else instant(until).isoformat()}
            for number, (is_open, until) in flight.windows.items()
        },
        **{name: _numbers(getattr(flight, name)) for name in _COLUMNS},
        **{
            name: [instant(at).isoformat() if at else None for at in _numbers(getattr(flight, name))] for name in _TIMES
        },
        "excluded": {str(place): reps for place, reps in flight.excluded.items()},
        "owners": {str(customer): rep for customer, rep in flight.owners.items()},
        "groups": {
            str(number): {"reps": _numbers(reps), "credits": _numbers(credits)}
            for number, (reps, credits) in flight.groups.items()
        },
        "targets": flight.targets,
        # The reason, not its detail: that may quote the lead.
        "parked": {str(place): reason for place, (reason, _) in flight.parked.items()},
        "actor": flight.actor,
    }


def _numbers(column: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(column) // 8}q", column))
