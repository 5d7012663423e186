"""What it would take to place a waiting lead: the smallest single changes with which `decide` gives it to somebody."""

from collections import Counter
from dataclasses import dataclass

from ops.why.change import Change, Kind, Now, changed
from ops.why.proposals import proposals
from router.domain.decide import Assigned
from router.domain.explain import explain

LIMIT = 10
IN_ANY_CASE = 3
"""So many changes are sought, and shown, where nobody asked what it would take."""
PER_KIND = 3
TRIED = 40
"""So many changes are tried at most: with thousands of reps each takes some hundredths of a second."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A change, and who gets the lead with it, by which rule."""

    change: Change
    given: Assigned


@dataclass(frozen=True, slots=True)
class WhatItTakes:
    """`at_once`: the lead would be placed as things are. `untried` counts the further changes, by kind: not needed to
    make the list, or more than are tried.
    """

    suggestions: tuple[Suggestion, ...] = ()
    at_once: Assigned | None = None
    tried: int = 0
    untried: tuple[tuple[Kind, int], ...] = ()


def what_it_takes(now: Now, limit: int = LIMIT) -> WhatItTakes:
    """The smallest changes first; at most `limit`, and PER_KIND of a kind."""
    explanation = explain(now.engine, now.inputs, now.lead.lead_id)
    if isinstance(explanation.decision, Assigned):
        return WhatItTakes(at_once=explanation.decision)
    found: list[Suggestion] = []
    of_kind: Counter[Kind] = Counter()
    untried: Counter[Kind] = Counter()
    tried = 0
    for change in proposals(now, explanation):
        if len(found) >= limit or of_kind[change.kind] >= PER_KIND or tried >= TRIED:
            untried[change.kind] += 1
            continue
        tried += 1
        given = changed(now, change).decide()
        if isinstance(given, Assigned):
            found.append(Suggestion(change, given))
            of_kind[change.kind] += 1
    return WhatItTakes(tuple(found), None, tried, tuple(untried.items()))
