"""Merging and unmerging customers: who owns them, and that unmerging gives back what merging took."""

from hypothesis import given
from hypothesis import strategies as st

from router.domain.merging import GivenTo, Side, goes_back, owner_after_unmerge, remaining_owner

reps = st.integers(1, 3)
assignments = st.lists(st.builds(GivenTo, st.integers(1, 9), st.integers(1, 9), reps), max_size=6)
sides = st.builds(Side, st.none() | reps, assignments)
keys_of_a_lead = st.lists(st.sampled_from("abcdefgh"), max_size=3, unique=True)
Leads = dict[int, list[str]]


def test_the_owner_who_was_given_a_lead_last_remains() -> None:
    stays = Side(1, [GivenTo(5, 1, 1), GivenTo(9, 2, 3)])
    assert remaining_owner(stays, Side(2, [GivenTo(6, 7, 2)])) == 2
    assert remaining_owner(stays, Side(2, [GivenTo(4, 7, 2)])) == 1
    assert remaining_owner(stays, Side(2, [])) == 1
    assert remaining_owner(stays, Side(None, [GivenTo(9, 7, 2)])) == 1
    assert remaining_owner(Side(None, []), Side(2, [])) == 2


@given(sides, sides)
def test_somebody_who_owned_one_of_them_owns_both_and_it_does_not_matter_who_moves(one: Side, other: Side) -> None:
    owner = remaining_owner(one, other)
    assert owner in {one.owner, other.owner}
    assert (owner is None) == (one.owner is None and other.owner is None)
    last = [max((g.batch_no for g in side.given if g.rep_no == side.owner), default=0) for side in (one, other)]
    if last[0] != last[1]:
        assert remaining_owner(other, one) == owner


@given(st.none() | reps, assignments, st.integers(0, 10))
def test_unmerged_customers_belong_to_whom_their_leads_were_given_to_since(
    before: int | None, given_to: list[GivenTo], since: int
) -> None:
    later = [one for one in given_to if one.batch_no > since]
    owner = owner_after_unmerge(before, given_to, since)
    assert owner == (max(later).rep_no if later else before)


@given(st.dictionaries(st.integers(1, 8), keys_of_a_lead), st.dictionaries(st.integers(11, 18), keys_of_a_lead))
def test_unmerging_gives_back_exactly_what_merging_took(stays: Leads, moves: Leads) -> None:
    moved_keys = {key for names in moves.values() for key in names}
    own = {number: [key for key in names if key not in moved_keys] for number, names in stays.items()}
    keys = moved_keys | {key for names in own.values() for key in names}
    back = goes_back(own | moves, keys, moved_keys, moves.keys())
    assert back.leads == moves.keys()
    assert back.keys == moved_keys


def test_what_came_since_goes_where_its_first_key_goes_and_takes_along_what_only_it_brought() -> None:
    leads = {1: ["a"], 2: ["b"], 3: ["b", "new"], 4: ["a", "b", "shown"], 5: ["b", "shown"], 6: ["gone", "a"]}
    back = goes_back(leads, {"a", "b", "new", "shown"}, {"b", "elsewhere"}, {2})
    assert back.leads == {2, 3, 5}
    assert back.keys == {"b", "new"}
