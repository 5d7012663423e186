"""A chance of a waiting lead: when, and through whom. Apart from how it is found (`next_chance`), which reads NumPy."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Chance:
    """From `at` (UTC) on somebody can take the lead: the `reps` by id, in roster order; none = not known who."""

    at: datetime
    reps: tuple[str, ...] = ()


def earliest_chance(chances: Iterable[Chance | None]) -> Chance | None:
    """The first of them, with the reps of all that come at the same instant."""
    found = [chance for chance in chances if chance is not None]
    if len(found) < 2:
        return found[0] if found else None
    at = min(chance.at for chance in found)
    return Chance(at, tuple(dict.fromkeys(rep for chance in found if chance.at == at for rep in chance.reps)))


def or_tried_again(
    chance: Chance | None, recheck_at: datetime | None, parks_at: datetime | None, now: datetime
) -> Chance | None:
    """The chance, or without reps when the rules are tried again, if that comes before it and before the parking.

    As then a lead falls back from its owner to others.
    """
    if recheck_at is None or parks_at is None or not now < recheck_at < parks_at:
        return chance
    return chance if chance is not None and chance.at <= recheck_at else Chance(recheck_at)
