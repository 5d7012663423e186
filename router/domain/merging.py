"""Merging two customers that are one, and unmerging them: who owns them, and what goes back. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple


class GivenTo(NamedTuple):
    """A lead that a batch gave to a rep (number), now or in the past. Later batches have higher numbers."""

    batch_no: int
    lead_id: int
    rep_no: int


class Side(NamedTuple):
    """One of the two customers: its owner (rep number), and what its leads were given to whom."""

    owner: int | None
    given: Sequence[GivenTo]


def remaining_owner(stays: Side, moves: Side) -> int | None:
    """Who owns both: of the two owners the one who was given a lead of that customer last.

    An owner who was never given any lead counts as the earlier one; between equals the one of `stays` remains.
    """
    if stays.owner is None or moves.owner is None:
        return moves.owner if stays.owner is None else stays.owner
    return moves.owner if _last(moves) > _last(stays) else stays.owner


def _last(side: Side) -> int:
    return max((given.batch_no for given in side.given if given.rep_no == side.owner), default=0)


def owner_after_unmerge(before: int | None, given: Iterable[GivenTo], since: int) -> int | None:
    """Who owns a customer that is unmerged: whom its leads were given to since the merge, else who owned it before.

    `since` is the last batch before the merge.
    """
    later = max((one for one in given if one.batch_no > since), default=None)
    return before if later is None else later.rep_no


class GoesBack(NamedTuple):
    """What unmerging gives back to the customer that was merged."""

    keys: frozenset[str]
    leads: frozenset[int]


def goes_back(
    leads: Mapping[int, Sequence[str]], keys: Collection[str], moved_keys: Collection[str], moved_leads: Collection[int]
) -> GoesBack:
    """`leads` are the present leads of the merged customer with their keys in precedence, `keys` its present keys.

    Back go the keys and leads that the merge moved, as far as they are still there; leads that came since and whose
    first key is one of these; and keys that nothing but such leads brought.
    """
    back_keys = set(moved_keys).intersection(keys)
    present = {lead_id: [key for key in names if key in keys] for lead_id, names in leads.items()}
    back = {
        lead_id for lead_id, names in present.items() if lead_id in moved_leads or (names and names[0] in back_keys)
    }
    stays = {key for lead_id, names in present.items() if lead_id not in back for key in names}
    brought = {key for lead_id in back for key in present[lead_id]}
    return GoesBack(frozenset(back_keys | (brought - stays)), frozenset(back))
