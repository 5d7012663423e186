"""What a replay counts: where each lead went before and after, and sums by rep and by rule."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from router.domain.decide import Assigned, Decision, Parked, Waiting
from router.domain.engine import Engine
from router.domain.flight_format import micros
from router.domain.reason import Reason

BY_HAND = "(by hand)"
OWNER = "(customer's owner)"
# An earlier or later batch is a difference for a lead only where somebody would notice.
NOTICEABLE = timedelta(minutes=1)
_NOTICEABLE_US = NOTICEABLE // timedelta(microseconds=1)


class Given(NamedTuple):
    """A lead that a rep got; rules by name, since their numbers change with the ruleset."""

    rep_no: int
    rule: str
    group_no: int | None


class Waits(NamedTuple):
    """A lead that waits; `targets` is the text of its wake key, None = it is ready and was not tried yet."""

    targets: str | None


class Refused(NamedTuple):
    """A lead that was parked."""

    reason: Reason


Verdict = Given | Waits | Refused
READY = Waits(None)


class Place(msgspec.Struct, gc=False):
    """Where a lead is in the record and in the replay, each with the time of the decision (microseconds since 1970)."""

    before: Verdict
    before_at: int
    after: Verdict
    after_at: int

    @property
    def differs(self) -> bool:
        """Whether it is a difference to tell: another rep, rule or group, a noticeably other time, or another state."""
        if isinstance(self.before, Waits) and isinstance(self.after, Waits):
            return False
        if self.before != self.after:
            return True
        return isinstance(self.before, Given) and abs(self.before_at - self.after_at) >= _NOTICEABLE_US

    @property
    def settled(self) -> bool:
        """Whether both are the same for good, so that nothing needs to be kept."""
        return not isinstance(self.before, Waits) and self.before == self.after and self.before_at == self.after_at


class Verdicts:
    """Decisions of one world in words that can be compared; equal ones are one object."""

    def __init__(self) -> None:
        self._of_engine: dict[tuple[int, int, int], dict[Decision, Verdict]] = {}
        self._texts: dict[str, Waits] = {}

    def waits(self, targets: str) -> Waits:
        """A lead that waits for these targets."""
        return self._texts.get(targets) or self._texts.setdefault(targets, Waits(targets))

    def of(self, engine: Engine) -> "Words":
        """For the decisions of one engine."""
        return Words(engine, self._of_engine.setdefault(engine.versions, {}), self._texts)


class Words:
    """The verdicts of one engine's decisions."""

    def __init__(self, engine: Engine, known: dict[Decision, Verdict], texts: dict[str, Waits]) -> None:
        self._rules = engine.rules
        self._known = known
        self._texts = texts

    def __call__(self, decision: Decision) -> Verdict:
        if isinstance(decision, Waiting):
            text = decision.targets
            return self._texts.get(text) or self._texts.setdefault(text, Waits(text))
        if isinstance(decision, Parked):
            return Refused(decision.reason)
        found = self._known.get(decision)
        if found is None:
            found = self._known[decision] = self._given(decision)
        return found

    def _given(self, decision: Assigned) -> Given:
        rule = BY_HAND if decision.rule_no is None else self._rules[decision.rule_no].name
        return Given(decision.rep_no, rule, decision.group_no)


class Sums:
    """Counts of one world: leads by rep number, by group number (OWNER, BY_HAND = of no group) and by rule, how often a
    rep became full, parked leads by reason.
    """

    def __init__(self) -> None:
        self.reps: Counter[int] = Counter()
        self.groups: Counter[int | str] = Counter()
        self.rules: Counter[str] = Counter()
        self.open_caps: Counter[int] = Counter()
        self.daily_caps: Counter[int] = Counter()
        self.parked: Counter[Reason] = Counter()

    def add(self, verdict: Verdict) -> None:
        if isinstance(verdict, Given):
            self.reps[verdict.rep_no] += 1
            self.groups[_group_of(verdict)] += 1
            self.rules[verdict.rule] += 1
        elif isinstance(verdict, Refused):
            self.parked[verdict.reason] += 1

    def add_all(self, verdicts: Iterable[Verdict]) -> None:
        for verdict in verdicts:
            self.add(verdict)


def _group_of(given: Given) -> int | str:
    if given.group_no is not None:
        return given.group_no
    return BY_HAND if given.rule == BY_HAND else OWNER


class Places:
    """The leads that are, or were, elsewhere in the replay than in the record, and all that wait in either."""

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}

    def __iter__(self) -> Iterator[tuple[int, Place]]:
        return iter(self.places.items())

    def get(self, lead_id: int) -> Place | None:
        return self.places.get(lead_id)

    def record(self, lead_id: int, before: Verdict, at: int) -> None:
        """The record decided about a lead of which nothing is kept, and the replay did not yet."""
        place = self.places.get(lead_id)
        if place is None:
            self.places[lead_id] = Place(before, at, READY, at)
        else:
            place.before, place.before_at = before, at
            self._drop_settled(lead_id, place)

    def replay(self, lead_id: int, after: Verdict, at: int) -> None:
        """The replay decided about a lead."""
        place = self.places.get(lead_id)
        if place is None:
            self.places[lead_id] = Place(READY, at, after, at)
        else:
            place.after, place.after_at = after, at
            self._drop_settled(lead_id, place)

    def both(self, lead_id: int, before: Verdict, after: Verdict, at: int) -> None:
        """Both decided about a lead in the same batch."""
        if lead_id not in self.places and before == after and not isinstance(before, Waits):
            return
        place = Place(before, at, after, at)
        self.places[lead_id] = place
        self._drop_settled(lead_id, place)

    def returned(self, lead_id: int, at: datetime) -> None:
        """A rep gave a lead back in both worlds."""
        self.places[lead_id] = Place(READY, micros(at), READY, micros(at))

    def _drop_settled(self, lead_id: int, place: Place) -> None:
        if place.settled:
            del self.places[lead_id]
