"""What a refused lead waits for, as text that can be interned: `g3,o17,w2,x5`.

Tokens in rule order: `g3` = a candidate in group 3, `o17` = room at owner 17, `w2` = the window of rule 2; `a17` = room
at owner 17, who is awaited: the rules after that one were not tried, so the lead is decided again when 17 leaves. After
them the reps that must not get the lead: `x5`. No token = no rule matched. Everything but time on which the
refusal rests is in it, so equal texts wait for exactly the same changes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from router.domain.reason import Reason


def group_target(group_no: int) -> str:
    return f"g{group_no}"


def owner_target(rep_no: int, *, awaited: bool) -> str:
    return f"{'a' if awaited else 'o'}{rep_no}"


def window_target(rule_no: int) -> str:
    return f"w{rule_no}"


def join_targets(targets: Iterable[str], excluded: Iterable[int]) -> str:
    """The text of a wake key."""
    return ",".join([*targets, *(f"x{rep}" for rep in sorted(set(excluded)))])


LAST_WAKE_KEY = 2_000_000_000
"""Keys are `int`, and begin anew at 1 after this one, with those that nobody has."""


@dataclass(frozen=True, slots=True)
class WakeTargets:
    """A wake key's text, taken apart; `order` keeps (kind, number) in rule order, kind being g, o or w.

    `awaited` are those of the owners whom alone the lead waits for.
    """

    order: tuple[tuple[str, int], ...]
    excluded: frozenset[int]
    awaited: frozenset[int] = frozenset()

    @property
    def groups(self) -> tuple[int, ...]:
        return tuple(n for kind, n in self.order if kind == "g")

    @property
    def owners(self) -> tuple[int, ...]:
        return tuple(n for kind, n in self.order if kind == "o")


def read_targets(text: str) -> WakeTargets:
    """Raises ValueError for anything that `join_targets` did not write."""
    order: list[tuple[str, int]] = []
    excluded: set[int] = set()
    awaited: set[int] = set()
    for token in text.split(",") if text else []:
        kind, number = token[:1], int(token[1:])
        if kind == "x":
            excluded.add(number)
        elif kind == "a":
            awaited.add(number)
            order.append(("o", number))
        elif kind in "gow":
            order.append((kind, number))
        else:
            raise ValueError(f"wake key {text!r}: unknown target {token!r}")
    return WakeTargets(tuple(order), frozenset(excluded), frozenset(awaited))


def reason_for(
    targets: WakeTargets,
    group_reason: Callable[[int, frozenset[int]], Reason],
    owner_reason: Callable[[int], Reason | None],
) -> Reason:
    """The shown reason: that of the first target, judged by the two functions from the present state.

    `owner_reason` returns None for an owner who is gone: the rule was skipped for that lead, so the next target
    speaks, if there is one.
    """
    skipped: Reason | None = None
    for kind, number in targets.order:
        if kind == "w":
            return Reason.OUTSIDE_WINDOW
        if kind == "g":
            return group_reason(number, targets.excluded)
        reason = owner_reason(number)
        if reason is not None:
            return reason
        skipped = Reason.OWNER_UNAVAILABLE
    return skipped or Reason.NO_MATCHING_RULE
