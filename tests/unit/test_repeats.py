"""Who repeats whom depends on the leads alone, not on the order in which they come."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.lead_in import LeadIn
from router.rules.customers import customer_keys
from router.rules.mapping import parse_mapping
from router.rules.problems import InvalidFile
from router.rules.repeats import OFF, WINDOW, Arrival, Member, find_repeats, named_enquiry, settle, ties_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def oracle(leads: list[tuple[datetime, str]]) -> dict[str, str]:
    """Told slowly and otherwise: of the leads of one enquiry (time, id) those that repeat one, with that one."""
    left, merged = sorted(leads), {}
    while left:
        (first, root), *_ = left
        for when, name in left[1:]:
            if when <= first + timedelta(hours=24):
                merged[name] = root
        left = [(when, name) for when, name in left[1:] if when > first + timedelta(hours=24)]
    return merged


HOURS = st.integers(0, 120)
LEADS = st.lists(st.tuples(HOURS, st.sampled_from([None, 1, 2]), st.sampled_from(["pump", "valve"])), max_size=20)


@given(LEADS, st.randoms())
def test_repeats_are_within_a_day_of_their_root_whatever_the_order(
    drawn: list[tuple[int, int | None, str]], chance: object
) -> None:
    leads = [
        Arrival(number, NOON + timedelta(hours=hours), customer, LeadIn("web", f"{number:02}", product=product))
        for number, (hours, customer, product) in enumerate(drawn)
    ]
    by_enquiry = defaultdict(list)
    for lead in leads:
        if lead.customer_id is not None:
            by_enquiry[lead.customer_id, lead.lead.product].append((lead.created_at, lead.lead.external_id))
    expected = {name: root for one in by_enquiry.values() for name, root in oracle(one).items()}
    chance.shuffle(leads)  # type: ignore[attr-defined]
    leads.sort(key=lambda one: one.created_at)
    found = find_repeats(leads, {})
    assert {f"{lead:02}": f"{root:02}" for lead, root in found.merged.items()} == expected
    assert found.unsettled == []


@given(st.lists(st.tuples(HOURS, st.booleans()), max_size=14), st.randoms())
def test_what_somebody_works_on_stands_for_itself_and_takes_what_is_within_a_day(
    drawn: list[tuple[int, bool]], chance: object
) -> None:
    members = [
        Member(number, NOON + timedelta(hours=hours), f"{number:02}", fixed=fixed)
        for number, (hours, fixed) in enumerate(drawn)
    ]
    merged = settle(members)
    chance.shuffle(members)  # type: ignore[attr-defined]
    assert settle(members) == merged
    known = {one.lead_id: one for one in members}
    for lead, root in merged.items():
        assert not known[lead].fixed
        assert root not in merged
        assert abs(known[lead].created_at - known[root].created_at) <= WINDOW
    alone = [one for one in members if one.lead_id not in merged and not one.fixed]
    for one in alone:
        near = [f for f in members if f.fixed and abs(f.created_at - one.created_at) <= WINDOW]
        assert not near


def lead(**facts: object) -> LeadIn:
    return LeadIn("web", "x", **facts)  # type: ignore[arg-type]


def test_a_mapping_says_by_which_fields_repeats_are_told() -> None:
    assert parse_mapping("time_zone: UTC", "m").repeats is None
    assert parse_mapping("repeats: on", "m").repeats is None
    assert parse_mapping("repeats: off", "m").repeats == ()
    assert parse_mapping("repeats: [phone, product]", "m").repeats == ("phone", "product")
    assert parse_mapping("repeats: email", "m").repeats == ("email",)
    for wrong, why in [
        ("repeats: [product, name]", "different people"),
        ("repeats: [colour]", "colour"),
        ("repeats: 3", "number"),
    ]:
        with pytest.raises(InvalidFile, match=why):
            parse_mapping(wrong, "m")


def test_named_fields_tell_repeats_where_one_of_them_says_who_it_is() -> None:
    one = lead(phone="+8613800138000", product="Pump", name="Ann")
    by = ("phone", "product")
    assert named_enquiry(one, by) == named_enquiry(one._replace(name="Bo", email="a@b.cn", product="pump"), by)
    assert named_enquiry(one, by) != named_enquiry(one._replace(product="valve"), by)
    assert named_enquiry(one, by) != named_enquiry(one, ("phone",))
    assert named_enquiry(lead(phone="+5215512345678"), by) == named_enquiry(lead(phone="+525512345678"), by)
    assert named_enquiry(lead(product="pump"), by) == OFF
    assert named_enquiry(lead(phone="138****8000", malformed=frozenset({"phone"})), by) == OFF
    assert named_enquiry(one, ()) == OFF
    keys = customer_keys(one._replace(email="a@b.cn"))
    assert len(ties_of(one, keys)) == 2
    assert ties_of(one._replace(enquiry=named_enquiry(one, by)), keys) == {keys[0].name}
