"""Reps that no rule reaches, and groups that a change leaves without an available rep: all are found, none else."""

from hypothesis import given
from hypothesis import strategies as st

from router.domain.coverage import LostCoverage, groups_with_commas, lost_coverage, unnamed_groups
from router.domain.roster_change import DEFAULTS, RepRecord
from router.domain.ruleset import Rule, Ruleset

GROUPS = st.sampled_from(["east", "West", "fair", "inbound"])


def rules(*groups: str | None) -> Ruleset:
    return Ruleset(1, tuple(Rule(f"r{n}", group=group) for n, group in enumerate(groups)))


def rep(number: int, groups: tuple[str, ...], *, active: bool, available: bool) -> RepRecord:
    return RepRecord(number, f"r{number}", {**DEFAULTS, "groups": groups, "active": active, "available": available})


def test_a_misspelt_group_of_reps_is_named_with_the_group_that_was_meant() -> None:
    reps = [("a1", ["east"]), ("new1", ["eest"]), ("new2", ["East Team"]), ("both", ["eest", "EAST"])]
    found = unnamed_groups(rules("east"), reps)
    assert [(one.group, one.reps, one.meant) for one in found] == [
        ("East Team", ("new2",), "east"),
        ("eest", ("new1",), "east"),
    ]
    assert found[1].words == (
        'no rule names group "eest", so no rule assigns to 1 active rep (new1); did you mean "east"?'
    )
    # Full width and capitals are the same group; where rules assign to owners only, no group is named on purpose.
    assert unnamed_groups(rules("east"), [("w", ["ＥＡＳＴ"])]) == []
    assert unnamed_groups(rules(None), reps) == []


@given(st.lists(GROUPS, min_size=1), st.lists(st.lists(GROUPS, unique=True)))
def test_a_rep_is_reported_exactly_when_no_rule_names_one_of_its_groups(
    named: list[str], groups: list[list[str]]
) -> None:
    found = unnamed_groups(rules(*named), [(str(n), of) for n, of in enumerate(groups)])
    unreached = {str(n) for n, of in enumerate(groups) if of and not set(of) & set(named)}
    assert {rep_id for one in found for rep_id in one.reps} == unreached
    assert not {one.group for one in found} & set(named)


STATES = st.tuples(st.lists(GROUPS, unique=True).map(tuple), st.booleans(), st.booleans())


@given(st.lists(STATES, max_size=6), st.lists(STATES, max_size=6))
def test_a_group_is_lost_exactly_when_it_had_an_available_rep_or_is_new_and_has_none(
    before: list[tuple[tuple[str, ...], bool, bool]], after: list[tuple[tuple[str, ...], bool, bool]]
) -> None:
    def there(states: list[tuple[tuple[str, ...], bool, bool]], group: str, *, available: bool) -> bool:
        return any(group in of and active and (free or not available) for of, active, free in states)

    def records(states: list[tuple[tuple[str, ...], bool, bool]]) -> list[RepRecord]:
        return [rep(n, of, active=active, available=free) for n, (of, active, free) in enumerate(states)]

    lost = lost_coverage(records(before), records(after))
    for group in ("east", "West", "fair", "inbound"):
        had, has = (there(states, group, available=True) for states in (before, after))
        new = there(after, group, available=False) and not there(before, group, available=False)
        assert (group in lost.groups) == ((had or new) and not has), group
        left = there(after, group, available=False)
        assert (group in lost.emptied) == (group in lost.groups and not left), group
    anybody = [any(active and free for _, active, free in states) for states in (before, after)]
    assert lost.everybody == (anybody == [True, False])


def test_what_is_lost_is_said_in_one_sentence() -> None:
    assert LostCoverage().words == ""
    assert LostCoverage(("east",)).words == "no rep in group east is available now"
    assert LostCoverage(("east", "west")).words == "no rep in groups east, west is available now"
    assert LostCoverage(("a,b", "east"), emptied=("a,b",)).words == (
        "no rep in group east is available now; no active rep is in group a,b any more"
    )
    assert LostCoverage(("east",), everybody=True).words == "no rep of the tenant is available after this change"


def test_two_groups_that_became_one_by_a_comma_are_seen() -> None:
    found = groups_with_commas([("jb", ("DACH,Key accounts",)), ("mm", ("DACH", "East")), ("li", ("华东，华南",))])
    assert found == {"DACH,Key accounts": ["jb"], "华东，华南": ["li"]}
