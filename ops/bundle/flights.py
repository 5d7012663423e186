"""Flight records as documents: what a batch looked at and decided, in numbers, without facts and notes."""

import struct
from typing import Any

from router.domain.flight_format import Flight, instant
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
    return {
        "batch": stored.batch_no,
        "at": stored.at.isoformat(),
        "kind": stored.kind,
        "actor": flight.actor,
        "versions": {"ruleset": stored.ruleset, "roster": stored.roster, "rates": stored.rates},
        "engine": flight.engine,
        "calendar": flight.calendar,
        **_moment(flight),
        **{name: _numbers(getattr(flight, name)) for name in _COLUMNS},
        **{name: [_time(at) for at in _numbers(getattr(flight, name))] for name in _TIMES},
        **_details(flight),
    }


def _moment(flight: Flight) -> dict[str, Any]:
    day, *times = flight.day
    windows = flight.windows.items()
    return {
        "now": _time(flight.now),
        "business_day": {"date": day, "times": [_time(at) for at in times]},
        "windows": {str(rule): {"open": is_open, "until": _time(until)} for rule, (is_open, until) in windows},
    }


def _details(flight: Flight) -> dict[str, Any]:
    credits_of = {
        str(group): {"reps": _numbers(reps), "credits": _numbers(credit)}
        for group, (reps, credit) in flight.groups.items()
    }
    return {
        "excluded": {str(place): reps for place, reps in flight.excluded.items()},
        "owners": {str(customer): rep for customer, rep in flight.owners.items()},
        "groups": credits_of,
        "targets": flight.targets,
        # What the rules asked for, not what leads said: that may be anything.
        "asked_for": sorted(flight.more),
        # The reason, not its detail: that may quote the lead.
        "parked": {str(place): reason for place, (reason, _) in flight.parked.items()},
    }


def _time(at: int | None) -> str | None:
    return instant(at).isoformat() if at else None


def _numbers(column: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(column) // 8}q", column))
