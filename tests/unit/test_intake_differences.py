"""A lead that comes again and says something else: which fields count, and when two ways of saying it are one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.lead_in import LeadIn
from router.rules.differences import COMPARED, Again, alike, differing, facts_of, find_differences
from router.rules.spelling import Spellings, Synonym, spellings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FULL = LeadIn(
    *("web", "x1", NOON, "Ann", "+8613800138000", "a@b.cn", "Co", "C7", "East", "steel"),
    *("pump", "spring", "ad9", "/p", 5, '{"note": "x"}'),
)
FIELD_OF = {name: "declared_customer" if name == "customer_id" else name for name in COMPARED}


def changed(name: str, value: Any) -> LeadIn:
    return FULL._replace(**{FIELD_OF[name]: value})


@pytest.mark.parametrize("name", COMPARED)
def test_each_fact_that_differs_is_named_as_files_name_it(name: str) -> None:
    other = changed(name, NOON.replace(hour=13) if name == "created_at" else "else")
    assert differing(facts_of(other), facts_of(FULL)) == (name,)
    assert not alike(facts_of(other), facts_of(FULL))


@pytest.mark.parametrize("name", COMPARED)
def test_what_is_gone_differs_but_for_a_time_which_nobody_stated(name: str) -> None:
    gone = facts_of(changed(name, None))
    expected = () if name == "created_at" else (name,)
    assert differing(gone, facts_of(FULL)) == expected
    assert alike(gone, facts_of(FULL)) == (not expected)
    assert differing(facts_of(FULL), gone) == (name,)


def test_priority_attributes_and_what_intake_says_of_a_lead_are_no_difference() -> None:
    other = FULL._replace(priority=9, attributes='{"note": "y"}', malformed=frozenset({"phone"}), invalid="nobody")
    assert alike(facts_of(other), facts_of(FULL))


values = st.none() | st.sampled_from(["a", "b"])
leads = st.builds(
    lambda at, rest: LeadIn("web", "x", at, *rest),
    st.none() | st.sampled_from([NOON, NOON.replace(hour=13)]),
    st.lists(values, min_size=11, max_size=11),
)


@given(leads, leads)
def test_the_quick_look_and_the_close_one_agree(now: LeadIn, before: LeadIn) -> None:
    fields = differing(facts_of(now), facts_of(before))
    assert alike(facts_of(now), facts_of(before)) == (not fields)
    for name in COMPARED:
        says: Any = getattr(now, FIELD_OF[name])
        same = says == getattr(before, FIELD_OF[name]) or (name == "created_at" and says is None)
        assert (name in fields) != same


def test_words_that_the_table_makes_one_after_the_lead_came_are_no_difference() -> None:
    before = facts_of(FULL._replace(region="上海", industry="auto"))
    now = facts_of(FULL._replace(region="Shanghai", industry="Automation", name="Bo"))
    table = spellings([Synonym("region", "上海", "Shanghai"), Synonym("industry", "auto", "Automation")])
    found = find_differences([Again(3, now, before), Again(4, before, before)], table)
    assert [(one.place, one.fields) for one in found] == [(3, ("name",))]
    without = find_differences([Again(3, now, before)], Spellings())
    assert [one.fields for one in without] == [("name", "region", "industry")]
