"""Flight records: the inputs of a batch, from which every decision in it can be run again.

A record holds what is not versioned elsewhere: the moment, the leads' state in the pool, owners, and loads,
attendance and credits of the groups and owners that the batch looked at. It stands alone (no chain of deltas), so
dropping old records never makes a younger one unreadable. Facts come from `lead` (what was corrected since, from
`lead_correction`), but for the company and the attributes that the rules asked for, which are recorded; roster, ruleset
and rates from their versions. What was decided is recorded beside it, so that a replay can be compared.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from router.domain.asked import with_more
from router.domain.calendar import BusinessDay
from router.domain.decide import Assigned, Decision, Inputs, Outcome, Parked, Waiting
from router.domain.eligibility import GroupCredits
from router.domain.engine import ENGINE_VERSION, Engine, Moment, WindowState
from router.domain.flight_format import Flight, instant, micros
from router.domain.lead import Facts, PoolLead
from router.domain.reason import Reason

Int64 = NDArray[np.int64]

_INACTIVE = 1
_NONE = -1


def record(engine: Engine, inputs: Inputs, outcome: Outcome, calendar: str) -> Flight:
    """The record of a decided batch. `calendar` names the versions of time zone and holiday data."""
    leads, moment = inputs.leads, inputs.moment
    reps = _looked_at(engine, outcome)
    lead_ids, ranks, queued, _, _, customers, excluded, wake_keys, last_batches = _columns(leads, len(PoolLead._fields))
    texts: dict[str, int] = {}
    results = [_result_columns(decision, texts) for decision in outcome.decisions]
    decided, rules, given_by, rechecks, waits_for = _columns(results, 5)
    return Flight(
        engine=ENGINE_VERSION,
        calendar=calendar,
        now=micros(moment.now),
        day=_day(moment),
        windows={n: (w.open, micros(w.until) if w.until else None) for n, w in moment.windows.items()},
        lead_ids=_pack(lead_ids),
        ranks=_pack(ranks),
        queued=_pack([micros(at) for at in queued]),
        customers=_pack([_NONE if customer is None else customer for customer in customers]),
        wake_keys=_pack(wake_keys),
        last_batches=_pack([last or 0 for last in last_batches]),
        excluded={i: list(reps) for i, reps in enumerate(excluded) if reps},
        owners=dict(inputs.owners),
        reps=_pack(engine.rep_numbers[reps]),
        codes=_pack(inputs.attendance[reps]),
        opened=_pack(inputs.open_counts[reps]),
        today=_pack(inputs.today_counts[reps]),
        groups={g: _pack_credits(inputs.credits[g]) for g in sorted(outcome.examined) if g in inputs.credits},
        decided=_pack(decided),
        rules=_pack(rules),
        given_by=_pack(given_by),
        rechecks=_pack(rechecks),
        waits_for=_pack(waits_for),
        targets=list(texts),
        parked={
            i: (decision.reason.value, decision.detail)
            for i, decision in enumerate(outcome.decisions)
            if isinstance(decision, Parked)
        },
        more=_more(engine, leads),
    )


def _more(engine: Engine, leads: Sequence[PoolLead]) -> dict[str, dict[int, str]]:
    """What the leads said beyond the facts of the pool: people may correct it, and it is in no other record."""
    more: dict[str, dict[int, str]] = {name: {} for name in engine.matcher.asked}
    if more:
        for place, lead in enumerate(leads):
            for name, value in lead.facts.more:
                if name in more:
                    more[name][place] = value
    return more


def _facts(flight: Flight, place: int, known: Facts) -> Facts:
    """With what the lead at that place said then, in the fields that the rules asked for."""
    if not flight.more:
        return known
    then = [(name, said[place]) for name, said in flight.more.items() if place in said]
    return with_more(known, [*(one for one in known.more if one[0] not in flight.more), *then])


def inputs_of(flight: Flight, engine: Engine, facts: Mapping[int, tuple[datetime, Facts]]) -> Inputs:
    """The batch's inputs again. `engine` is of the recorded versions; `facts` by lead id: (created_at, facts).

    Reps that the batch did not look at stand as inactive. Raises KeyError for a lead whose facts are gone.
    """
    count = len(engine.roster.reps)
    positions = np.searchsorted(engine.rep_numbers, unpack(flight.reps))
    attendance: NDArray[np.int8] = np.full(count, _INACTIVE, dtype=np.int8)
    open_counts: Int64 = np.zeros(count, dtype=np.int64)
    today_counts: Int64 = np.zeros(count, dtype=np.int64)
    attendance[positions] = unpack(flight.codes)
    open_counts[positions] = unpack(flight.opened)
    today_counts[positions] = unpack(flight.today)
    return Inputs(
        moment=_moment(flight),
        leads=leads_of(flight, facts),
        attendance=attendance,
        open_counts=open_counts,
        today_counts=today_counts,
        credits={g: GroupCredits(unpack(reps), unpack(credit)) for g, (reps, credit) in flight.groups.items()},
        owners=flight.owners,
    )


def decisions_of(flight: Flight) -> list[Decision]:
    """What was decided, in the order of the leads."""
    columns = zip(*map(_list, _results(flight)), strict=True)
    return [_decision(flight, i, *row) for i, row in enumerate(columns)]


def decision_at(flight: Flight, i: int) -> Decision:
    """What was decided about the lead at place `i` (from 0)."""
    return _decision(flight, i, *(int(unpack(column)[i]) for column in _results(flight)))


def lead_ids(flight: Flight) -> list[int]:
    """The batch's leads in the order in which they were decided."""
    return _list(flight.lead_ids)


def unpack(column: bytes) -> Int64:
    """A column of the record as a fresh array."""
    return np.frombuffer(column, dtype="<i8").astype(np.int64)


def _results(flight: Flight) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    return flight.decided, flight.rules, flight.given_by, flight.rechecks, flight.waits_for


def _decision(
    flight: Flight, i: int, rep_no: int, rule_no: int, group_no: int, recheck: int, waits_for: int
) -> Decision:
    if rep_no > 0:
        return Assigned(rep_no, _or_none(rule_no), _or_none(group_no))
    if rep_no == 0:
        return Waiting(flight.targets[waits_for], instant(recheck))
    reason, detail = flight.parked[i]
    return Parked(Reason(reason), detail)


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> Sequence[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _pack(values: Sequence[int] | NDArray[np.integer]) -> bytes:
    return np.asarray(values, dtype="<i8").tobytes()


def _or_none(number: int) -> int | None:
    return None if number == _NONE else number


def _list(column: bytes) -> list[int]:
    values: list[int] = unpack(column).tolist()
    return values


def _pack_credits(credits: GroupCredits) -> tuple[bytes, bytes]:
    return _pack(credits.reps), _pack(credits.credits)


def _looked_at(engine: Engine, outcome: Outcome) -> NDArray[np.int64]:
    """Positions of every rep whose state could have mattered, ascending."""
    parts = [engine.members_of(group_no) for group_no in outcome.examined]
    if len(parts) == 1 and not outcome.asked:
        # What a batch of one lead looks at is in order already.
        return parts[0]
    parts.append(np.array(sorted(outcome.asked), dtype=np.int64))
    return np.unique(np.concatenate(parts))


def _result_columns(decision: Decision, texts: dict[str, int]) -> tuple[int, int, int, int, int]:
    if isinstance(decision, Assigned):
        group = _NONE if decision.group_no is None else decision.group_no
        rule = _NONE if decision.rule_no is None else decision.rule_no
        return decision.rep_no, rule, group, 0, _NONE
    if isinstance(decision, Waiting):
        return 0, _NONE, _NONE, micros(decision.recheck_at), texts.setdefault(decision.targets, len(texts))
    return _NONE, _NONE, _NONE, 0, _NONE


def _day(moment: Moment) -> tuple[str, int, int, int]:
    day = moment.day
    return day.date.isoformat(), micros(day.start), micros(day.end), micros(moment.yesterday_start)


def _moment(flight: Flight) -> Moment:
    day, start, end, yesterday = flight.day
    return Moment(
        now=instant(flight.now),
        day=BusinessDay(date.fromisoformat(day), instant(start), instant(end)),
        yesterday_start=instant(yesterday),
        windows={n: WindowState(o, instant(u) if u is not None else None) for n, (o, u) in flight.windows.items()},
    )


def leads_of(flight: Flight, facts: Mapping[int, tuple[datetime, Facts]]) -> list[PoolLead]:
    """The batch's leads as they were claimed. Raises KeyError for a lead whose facts are gone."""
    columns = (
        flight.lead_ids,
        flight.ranks,
        flight.queued,
        flight.customers,
        flight.wake_keys,
        flight.last_batches,
    )
    leads = []
    for i, (lead_id, rank, queued, customer, key, last) in enumerate(zip(*map(_list, columns), strict=True)):
        created_at, known = facts[lead_id]
        leads.append(
            PoolLead(
                lead_id=lead_id,
                rank=rank,
                queued_at=instant(queued),
                created_at=created_at,
                facts=_facts(flight, i, known),
                customer_id=None if customer == _NONE else customer,
                excluded=tuple(flight.excluded.get(i, ())),
                wake_key=key,
                last_batch_no=last or None,
            )
        )
    return leads
