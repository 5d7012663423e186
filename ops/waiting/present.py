"""The judge of why refused leads wait: from what their wake keys say and the present state of roster, loads and hours.

`status`, `retry` and `why` ask it. Reads only and takes no lane, so it may run beside routers, in whatever transaction
the caller has. Nothing is stored per lead: when the roster changes, the result changes at once, before any batch.

It judges with the arrays with which the drain decides, so it imports NumPy: import it only where a lead was refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ops.waiting.waiting import WaitsFor
from router.domain.attendance import scheduled
from router.domain.chance import Chance
from router.domain.eligibility import Eligibility
from router.domain.engine import Engine
from router.domain.next_chance import Outlook
from router.domain.reason import Reason
from router.domain.roster import one_rep
from router.domain.targets import WakeTargets, read_targets, reason_for
from router.drain.lane_state import LaneState
from router.drain.presence import Presence, Unsure
from router.drain.present_state import present_state
from router.store.engines import Engines
from router.store.statements import Connection
from router.store.waiting import TenantNow

Key = tuple[int, int | None, str | None]
"""Number, ruleset and text of a wake key; key 0, of leads that were never refused, has neither."""

UNPLANNED = frozenset({Reason.NO_MATCHING_RULE, Reason.GROUP_EMPTY, Reason.NOBODY_AVAILABLE})
"""Reasons that no plan explains, as long as somebody should be at work."""

SETTLING = timedelta(minutes=5)
"""So long after the hours begin people may still be coming."""

_ONLY_KEY = 1


@dataclass(frozen=True, slots=True)
class JudgedKey:
    """Why the leads of one wake key wait now. `room`: somebody could take one (the next batch will try).

    `old_rules`: refused under rules that are no more in force, so they are decided again in any case.
    `each` has the reason of every target by (kind, number). `unsure`: the rules ask for presence, but who is present is
    not known now, so this rests on the fallback. `had_it` = the groups (numbers) of which reps are on duty, but only
    such as have had the lead before. `chance` = when time alone lets somebody take it; `patience` = a lead that waited
    for so long is parked (None = under older rules).
    """

    reason: Reason
    room: bool
    old_rules: bool
    each: Mapping[tuple[str, int], Reason]
    unsure: Unsure | None = None
    had_it: frozenset[int] = frozenset()
    chance: Chance | None = None
    patience: timedelta | None = None


class Present:
    """The state of a tenant at one moment, ready to judge wake keys. Made by `present`."""

    def __init__(self, now: datetime, state: LaneState, unsure: Unsure | None = None) -> None:
        self.now = now
        self._state = state
        self._unsure = unsure

    def judge(self, keys: Iterable[Key], *, outlook: bool = True) -> dict[int, WaitsFor | None]:
        """Why the leads of each wake key wait; None = for the next batch and nothing else.

        Without `outlook` no chances are worked out. Raises ValueError for a text that is no wake key.
        """
        engine = self._state.engine
        judged: dict[int, WaitsFor | None] = {}
        self._forget()
        for number, ruleset, targets in keys:
            judged[number] = None
            if targets is not None and ruleset == engine.ruleset.version:
                self._state.learn_key(number, ruleset, targets)
        rooms = self._state.keys_with_room(self.now)
        full = self._when_full()
        ahead = Outlook(engine, full, self.now) if outlook else None
        for number, key in self._state.keys.items():
            reason = _reason(full, key.targets)
            planned = reason not in UNPLANNED or not self._expected(key.targets)
            group = next((engine.roster.group_names.get(no) for no in key.targets.groups), None)
            judged[number] = WaitsFor(
                reason,
                in_words(key.targets, engine),
                rooms.get(number, 0),
                planned=planned,
                group=group,
                chance=None if ahead is None else ahead.chance(key.targets),
                patience=engine.ruleset.patience(matched=bool(key.targets.order)),
            )
        return judged

    def _expected(self, targets: WakeTargets) -> bool:
        """Whether somebody should be at work for such leads by now: in their groups; if those are empty, anywhere."""
        active, at_work = self._at_work
        members = [self._state.engine.members_of(number) for number in targets.groups]
        positions = np.concatenate(members) if members else np.empty(0, dtype=np.int64)
        own = positions[active[positions]]
        return bool(at_work[own].any() if len(own) else at_work.any() or not active.any())

    @cached_property
    def _at_work(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Who is active, and who of them has been at work by schedule since SETTLING ago."""
        engine = self._state.engine
        hours, roster = engine.ruleset.calendar.working_hours, engine.roster
        at_work = [scheduled(roster, at, engine.holidays, hours) for at in (self.now, self.now - SETTLING)]
        return np.fromiter((rep.active for rep in roster.reps), np.bool_, len(roster.reps)), at_work[0] & at_work[1]

    def judge_one(self, ruleset: int, targets: str) -> JudgedKey:
        """The same of a single key, target by target."""
        waits = read_targets(targets)
        self._forget()
        self._state.learn_key(_ONLY_KEY, ruleset, targets)
        room = bool(self._state.keys_with_room(self.now))
        full = self._when_full()
        each = {target: _reason(full, WakeTargets((target,), waits.excluded)) for target in waits.order}
        engine = self._state.engine
        had_it = frozenset(number for number in waits.groups if _only_those_who_had_it(full, number, waits.excluded))
        old = ruleset != engine.ruleset.version
        return JudgedKey(
            _reason(full, waits),
            room,
            old,
            each,
            self._unsure,
            had_it,
            Outlook(engine, full, self.now).chance(waits),
            None if old else engine.ruleset.patience(matched=bool(waits.order)),
        )

    def _forget(self) -> None:
        self._state.keys, self._state.quiet = {}, False

    def _when_full(self) -> Eligibility:
        """The standing once all room is used up: what keeps the leads waiting that get none of that room."""
        state = self._state
        room = state.rooms(self.now)
        return Eligibility(
            state.engine, state.on_duty(self.now).attendance, state.open_counts + room, state.today_counts + room, {}
        )


async def present(conn: Connection, engines: Engines, presence: Presence, tenant: TenantNow) -> Present:
    """The tenant's state now, with the inbox and presence taken into account."""
    engine = await engines.get(conn, tenant.tenant_id, tenant.versions)
    state = await present_state(conn, presence, tenant.tenant_id, tenant.name, engine, tenant.now)
    return Present(tenant.now, state, presence.unsure(tenant.tenant_id))


def in_words(targets: WakeTargets, engine: Engine) -> str:
    """What a wake key waits for, for people: group names, the owner's rep_id, the rule's window."""
    roster = engine.roster
    phrases = []
    for kind, number in targets.order:
        if kind == "g":
            name = roster.group_names.get(number, str(number))
            rep_id = one_rep(name)
            phrases.append(f"a rep in group {name}" if rep_id is None else f"rep {rep_id}")
        elif kind == "o":
            phrases.append(f"the customer's owner {_rep_id(number, engine)}")
        else:
            phrases.append(f"the window of rule {engine.rules[number].name}")
    if not phrases:
        return "a rule that matches"
    others = sorted(_rep_id(number, engine) for number in targets.excluded)
    # Several rules may assign to one group.
    return " or ".join(dict.fromkeys(phrases)) + (f", other than {', '.join(others)}" if others else "")


def _only_those_who_had_it(eligibility: Eligibility, group_no: int, excluded: frozenset[int]) -> bool:
    """Whether members are on duty, and all of them must not get the lead again."""
    nobody = Reason.NOBODY_AVAILABLE
    return (
        bool(excluded)
        and eligibility.group_reason(group_no, excluded) is nobody
        and eligibility.group_reason(group_no, frozenset()) not in (nobody, Reason.GROUP_EMPTY)
    )


def _reason(eligibility: Eligibility, targets: WakeTargets) -> Reason:
    return reason_for(targets, eligibility.group_reason, eligibility.owner_reason)


def _rep_id(number: int, engine: Engine) -> str:
    position = engine.roster.position.get(number)
    return f"number {number}" if position is None else engine.roster.reps[position].rep_id
