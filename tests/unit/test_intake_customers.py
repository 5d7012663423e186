"""Who is the same customer, and what is the same enquiry."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from router.domain.lead_in import LeadIn
from router.intake.customers import customer_keys, resolve
from router.intake.repeats import WINDOW, Arrival, find_repeats

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

key_sets = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=3, unique=True).map(tuple), max_size=12)


def test_keys_come_in_their_precedence_and_malformed_contacts_give_none() -> None:
    lead = LeadIn("web", "1", phone="+8613800138000", email="a@b.cn", declared_customer="C1")
    keys = customer_keys(lead)
    assert [len(key) for key in keys] == [32, 32, 32]
    assert customer_keys(lead._replace(declared_customer=None)) == keys[1:]
    assert customer_keys(lead._replace(malformed=frozenset({"phone"}))) == (keys[0], keys[2])
    assert customer_keys(LeadIn("web", "1")) == ()


def test_the_same_text_as_phone_and_as_customer_id_is_two_keys() -> None:
    assert customer_keys(LeadIn("", "1", phone="7")) != customer_keys(LeadIn("", "1", declared_customer="7"))


def test_the_first_known_key_decides() -> None:
    found = resolve([("new", "b", "a")], {"a": 1, "b": 2})
    assert found.customers == (2,)
    assert found.keys == {"new": 2, "b": 2, "a": 1}


@given(key_sets, st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 4)))
def test_every_lead_with_keys_has_one_customer_and_no_known_key_changes_hands(
    leads: list[tuple[str, ...]], known: dict[str, int]
) -> None:
    found = resolve(leads, known)
    assert set(found.keys) == {key for keys in leads for key in keys}
    for keys, customer in zip(leads, found.customers, strict=True):
        assert (customer is None) == (not keys)
        assert not keys or customer in {found.keys[key] for key in keys}
    assert all(found.keys.get(key, customer) == customer for key, customer in known.items())
    assert {c for c in found.customers if c is not None and c < 0} == {-n for n in range(1, found.new + 1)}
    settled = found.numbered(list(range(100, 100 + found.new)))
    assert all(c is None or c > 0 for c in settled.customers)
    assert min(settled.keys.values(), default=1) > 0


@given(key_sets)
def test_a_batch_cut_in_two_gives_the_same_customers(leads: list[tuple[str, ...]]) -> None:
    whole = resolve(leads, {}).numbered(range(1, 100))
    half = len(leads) // 2
    first = resolve(leads[:half], {}).numbered(range(1, 100))
    taken = max(first.keys.values(), default=0)
    second = resolve(leads[half:], first.keys).numbered(range(taken + 1, 100))
    assert first.customers + second.customers == whole.customers


arrivals = st.lists(
    st.tuples(st.integers(0, 80), st.sampled_from([None, 1, 2]), st.sampled_from(["pump", "valve"])), max_size=15
)


@given(arrivals)
def test_repeats_go_to_a_root_of_the_same_enquiry_and_what_is_not_merged_repeats_nothing(
    drawn: list[tuple[int, int | None, str]],
) -> None:
    drawn.sort(key=lambda one: one[0])
    leads = [
        Arrival(number, NOON + timedelta(hours=hours), customer, LeadIn("web", str(number), product=product))
        for number, (hours, customer, product) in enumerate(drawn)
    ]
    merged = find_repeats(leads, {})
    assert not set(merged) & set(merged.values())
    enquiries = defaultdict(list)
    for lead in leads:
        enquiries[lead.customer_id, lead.lead.product].append(lead)
    for (customer, _), same in enquiries.items():
        for before, lead in zip([None, *same], same, strict=False):
            repeats = before is not None and customer is not None and lead.created_at - before.created_at <= WINDOW
            assert (lead.lead_id in merged) == repeats
            if repeats:
                assert before is not None
                assert merged[lead.lead_id] == merged.get(before.lead_id, before.lead_id)
