"""Who is the same customer, and what is the same enquiry."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.lead_in import LeadIn
from router.rules.customers import Key, Known, Resolution, SharedKey, customer_keys, newly_shared, people_of
from router.rules.customers import resolve as resolve_keys
from router.rules.match_rules import MatchRules, parse_match_rules, parse_stored_match_rules
from router.rules.problems import InvalidFile


def resolve(leads: list[tuple[str, ...]], known: dict[str, int]) -> Resolution:
    """With keys that nobody else shares, named by letters."""
    keys = [tuple(Key(name, "phone", name) for name in names) for names in leads]
    return resolve_keys(keys, {name: Known(customer) for name, customer in known.items()})


def customers_by_key(found: Resolution) -> dict[str, int | None]:
    return dict(found.keys)


key_sets = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=3, unique=True).map(tuple), max_size=12)


def test_keys_come_in_their_precedence_and_malformed_contacts_give_none() -> None:
    lead = LeadIn("web", "1", phone="+8613800138000", email="a@b.cn", declared_customer="C1")
    keys = customer_keys(lead)
    assert [len(key.name) for key in keys] == [32, 32, 32]
    names = [key.name for key in keys]
    assert [key.name for key in customer_keys(lead._replace(declared_customer=None))] == names[1:]
    assert [key.name for key in customer_keys(lead._replace(malformed=frozenset({"phone"})))] == [names[0], names[2]]
    assert customer_keys(LeadIn("web", "1")) == ()


def test_the_same_text_as_phone_and_as_customer_id_is_two_keys() -> None:
    assert customer_keys(LeadIn("", "1", phone="7")) != customer_keys(LeadIn("", "1", declared_customer="7"))


def test_the_first_known_key_decides() -> None:
    found = resolve([("new", "b", "a")], {"a": 1, "b": 2})
    assert found.customers == (2,)
    assert customers_by_key(found) == {"new": 2, "b": 2, "a": 1}


@given(key_sets, st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 4)))
def test_every_lead_with_keys_has_one_customer_and_no_known_key_changes_hands(
    leads: list[tuple[str, ...]], known: dict[str, int]
) -> None:
    found = resolve(leads, known)
    assert set(found.keys) == {key for keys in leads for key in keys}
    for keys, customer in zip(leads, found.customers, strict=True):
        assert (customer is None) == (not keys)
        assert not keys or customer in {found.keys[key] for key in keys}
    assert all(customers_by_key(found).get(key, customer) == customer for key, customer in known.items())
    assert {c for c in found.customers if c is not None and c < 0} == {-n for n in range(1, found.new + 1)}
    settled = found.numbered(list(range(100, 100 + found.new)))
    assert all(c is None or c > 0 for c in settled.customers)
    assert all(customer is not None and customer > 0 for customer in settled.keys.values())


@given(key_sets)
def test_a_batch_cut_in_two_gives_the_same_customers(leads: list[tuple[str, ...]]) -> None:
    whole = resolve(leads, {}).numbered(range(1, 100))
    half = len(leads) // 2
    first = resolve(leads[:half], {}).numbered(range(1, 100))
    known = {name: customer for name, customer in customers_by_key(first).items() if customer is not None}
    taken = max(known.values(), default=0)
    second = resolve(leads[half:], known).numbered(range(taken + 1, 100))
    assert first.customers + second.customers == whole.customers


def all_known(found: Resolution) -> dict[str, Known]:
    return {name: found.known(name) for name in found.keys}


def caller(number: int, who: int) -> LeadIn:
    """One of several people at the same phone, each with a name and an address."""
    return LeadIn("web", str(number), phone="+862150001111", name=f"P {who}", email=f"p{who}@x.cn")


@given(st.lists(st.integers(0, 9), max_size=25), st.integers(1, 6), st.integers(1, 25), st.randoms())
def test_a_number_that_too_many_people_share_ties_nobody_and_one_that_few_share_ties_them_all(
    people: list[int], most_people: int, portion: int, rng: random.Random
) -> None:
    leads = [customer_keys(caller(i, who)) for i, who in enumerate(people)]
    known: dict[str, Known] = {}
    given_so_far: set[int] = set()
    rng.shuffle(leads)
    for start in range(0, len(leads), portion):
        batch = leads[start : start + portion]
        found = resolve_keys(batch, known, most_people).numbered(range(100 * start + 1, 100 * start + 100))
        given_so_far |= {people_mark(keys) for keys in batch}
        customers = {customer for customer in found.customers if customer is not None}
        phone = found.known(batch[0][0].name)
        assert (phone.shared_as is not None) == (len(given_so_far) > most_people)
        if phone.shared_as is None:
            assert len(customers) == 1
        assert people_of(phone.people) == min(len(given_so_far), most_people + 1)
        known |= all_known(found)
    if leads and portion >= len(leads) and len(set(people)) > most_people:
        assert len(customers) == len(set(people))


def people_mark(keys: tuple[Key, ...]) -> int:
    return min(mark for mark in keys[0].people if mark & 3 == 0)


def test_people_are_counted_by_what_tells_them_apart_and_not_by_how_often_they_ask() -> None:
    same = [
        customer_keys(LeadIn("web", str(i), phone="+862150001111", name=name)) for i, name in enumerate(("Ann ", "ann"))
    ]
    assert same[0] == same[1]
    assert people_of(customer_keys(LeadIn("web", "1", phone="+862150001111"))[0].people) == 1
    declared = customer_keys(
        LeadIn("web", "1", phone="+862150001111", declared_customer="C1", name="A", email="a@x.cn")
    )
    assert [(key.kind, people_of(key.people)) for key in declared] == [("customer_id", 1), ("phone", 1), ("email", 1)]


def test_a_key_that_the_rules_allow_more_people_ties_again_whom_it_tied() -> None:
    keys = [customer_keys(caller(i, i)) for i in range(4)]
    phone = keys[0][0].name
    first = resolve_keys(keys[:1], {}, 2).numbered([7])
    shared = resolve_keys(keys, all_known(first), 2).numbered([20, 21, 22, 23])
    assert shared.customers == (7, 20, 21, 22)
    assert shared.known(phone).shared_as == "phone +862150001111"
    assert shared.known(phone).customer == 7
    later = resolve_keys([keys[3][:1]], all_known(shared), 5)
    assert later.customers == (7,)
    assert later.known(phone).shared_as is None
    assert resolve_keys([keys[3][:1]], all_known(shared), 2).customers == (None,)


def test_excluded_values_free_mail_and_fake_numbers_give_no_key() -> None:
    rules = MatchRules(
        match_on=(("phone",), ("email",), ("email_domain", "company"), ("email_domain",)),
        ignore=("info@*", "+86400*"),
        free_mail=frozenset({"mail.example"}),
    )

    def kinds(**facts: str) -> list[str]:
        return [key.kind for key in customer_keys(LeadIn("web", "1", **facts), rules)]  # type: ignore[arg-type]

    assert kinds(phone="+8613800138000", email="ann@co.cn", company="Co") == [
        *("phone", "email", "email_domain+company", "email_domain"),
    ]
    assert kinds(phone="+864001234", email="info@co.cn") == ["email_domain"]
    assert kinds(email="ann@gmail.com", company="Co") == ["email"]
    assert kinds(email="ann@mail.example") == ["email"]
    for fake in ("+8600000000", "+8613888888888", "+8613812345678", "+8687654321"):
        assert kinds(phone=fake) == []
    assert kinds(email="noreply@co.cn") == ["email_domain"]
    assert kinds(email="notary@co.cn") == ["email", "email_domain"]


OLD_NAMES = "tie_by: [phone]\nmost_people: 2\nties_nobody: [info@*]\n"


def test_a_file_with_the_old_names_of_fields_is_refused_with_the_new_ones() -> None:
    with pytest.raises(InvalidFile) as refused:
        parse_match_rules(OLD_NAMES, "match.yaml")
    assert str(refused.value).splitlines() == [
        "match.yaml:1: tie_by is now match_on",
        "match.yaml:2: most_people is now shared_above",
        "match.yaml:3: ties_nobody is now ignore",
    ]


def test_match_rules_that_were_stored_under_the_old_names_still_hold() -> None:
    now = "match_on: [phone]\nshared_above: 2\nignore: [info@*]\n"
    assert parse_stored_match_rules(OLD_NAMES) == parse_stored_match_rules(now) == parse_match_rules(now)


def of_id(number: int, **facts: str) -> tuple[Key, ...]:
    return customer_keys(LeadIn("crm", str(number), declared_customer="C-1", **facts))  # type: ignore[arg-type]


def test_a_declared_id_of_many_different_people_ties_nobody_and_one_of_an_account_ties_all_of_its_people() -> None:
    strangers = [of_id(n, name=f"P {n}", phone=f"+86138001380{n:02}") for n in range(8)]
    found = resolve_keys(strangers, {})
    assert len(set(found.customers)) == 8
    assert list(found.shared.values()) == ["customer_id C-1"]
    assert newly_shared(found, {}) == [SharedKey("customer_id C-1", 6)]
    for facts in ({"company": "Acme"}, {}):
        account = [of_id(n, name=f"P {n}", email=f"p{n}@acme.example", **facts) for n in range(30)]
        assert len(set(resolve_keys(account, {}).customers)) == 1
    one_person = [of_id(n, name=name, phone="+8613800138000") for n, name in enumerate(("A", "B", "C", "D", "E", "F"))]
    assert len(set(resolve_keys(one_person, {}).customers)) == 1
    few = [of_id(n, name=f"P {n}") for n in range(5)]
    assert len(set(resolve_keys(few, {}).customers)) == 1


@given(key_sets, st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 4)))
def test_a_lead_with_contacts_of_two_customers_is_named_with_both_and_no_other_lead_is(
    leads: list[tuple[str, ...]], known: dict[str, int]
) -> None:
    found = resolve(leads, known).numbered(range(100, 200))
    owner = dict(known)
    expected = []
    for place, (keys, customer) in enumerate(zip(leads, found.customers, strict=True)):
        assert customer is not None or not keys
        expected += [(place, customer, key, owner[key]) for key in keys if owner.get(key, customer) != customer]
        owner |= {key: customer for key in keys if key not in owner and customer is not None}
    assert [(one.place, one.customer, one.value, one.other) for one in found.overlaps] == expected
