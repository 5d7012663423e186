"""Conditions on attributes and on the company: what a file may say, who gets the lead, what people see."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from ops.text.translation import ENGLISH
from ops.why.phrases import condition
from ops.why.widen import wider_rules
from router.domain.asked import json_value_text
from router.domain.conditions import OneOf, Operator, Range
from router.domain.decide import Assigned, Inputs, decide
from router.domain.engine import Engine
from router.domain.explain import agrees, explain
from router.domain.explain_parts import Condition
from router.domain.flight import decisions_of, inputs_of, record
from router.domain.flight_format import decode, encode
from router.domain.lead import Facts, PoolLead
from router.domain.lint import Lint, lint_rules
from router.domain.lint_tenant import lint_values
from router.domain.phone_region import phone_region
from router.domain.rates import Rates
from router.domain.roster import Rep, Roster
from router.domain.ruleset_diff import diff_rulesets
from router.drain.lane_state import aligned_credits
from router.rules.file import RulesError, read_rules
from router.rules.lists import lists_beside, stored_lists
from tests.random_worlds import NOW, moment_of
from tests.unit.generated_rules import read_ruleset

RULES = """rules:
  - {name: big, match: {attributes.budget: {from: 100000}}, assign_to: group:keys}
  - {name: key, match: {company: {in_file: key.txt}}, assign_to: group:keys}
  - name: small
    match: {attributes.budget: {from: 0.5, to: "99999.99"}, attributes.vip: [true, 7]}
    assign_to: group:rest
  - {name: rest, match: {}, assign_to: group:rest}
"""
LISTS = stored_lists({"key.txt": "# our best\nACME GmbH\nacme ag\n海尔集团有限公司\n"})


def rules(text: str = RULES) -> Engine:
    ruleset = replace(read_rules(text, "r.yaml", LISTS).ruleset, version=1)
    reps = tuple(Rep(no, f"r{no}", "", "UTC", groups=frozenset({group})) for no, group in ((1, 1), (2, 2)))
    return Engine(Roster(1, reps, {1: "keys", 2: "rest"}), ruleset, Rates())


def leads_saying(*said: dict[str, str]) -> list[PoolLead]:
    return [
        PoolLead(no, 0, NOW - timedelta(hours=1), NOW, Facts(more=tuple(sorted(one.items()))))
        for no, one in enumerate(said, start=1)
    ]


def inputs_for(engine: Engine, leads: list[PoolLead]) -> Inputs:
    zero = np.zeros(2, dtype=np.int64)
    state = (np.zeros(2, dtype=np.int8), zero, zero.copy(), aligned_credits(engine, {}))
    return Inputs(moment_of(engine), leads, *state, {})


def given(engine: Engine, *said: dict[str, str]) -> list[str]:
    """The rules by which such leads are assigned."""
    found = decide(engine, inputs_for(engine, leads_saying(*said))).decisions
    return [engine.rules[one.rule_no].name for one in found if isinstance(one, Assigned) and one.rule_no is not None]


def budget(value: str, **more: str) -> dict[str, str]:
    return {"attributes.budget": stored(value), **more}


def stored(value: str) -> str:
    """The JSON value as the store reads it: of a text no quote ends it."""
    return json_value_text(value.removesuffix('"'))


def test_a_budget_is_compared_as_a_number_to_the_last_digit() -> None:
    engine = rules()
    assert given(
        engine, budget("100000"), budget('"100000.0"'), budget('" １００000 "'), budget("100000.00000001")
    ) == [*["big"] * 4]
    # Floats would take both for 100000.
    assert given(engine, budget("99999.99999999999999999"), budget('"-100000"')) == ["rest", "rest"]
    vip = {"attributes.vip": stored("true")}
    assert given(engine, budget("99999.99", **vip), budget("99999.991", **vip), budget("0.5", **vip)) == [
        *("small", "rest", "small")
    ]
    seven = {"attributes.vip": stored('"7.0"')}
    assert given(engine, budget("1", **seven), budget("1", **{"attributes.vip": stored('"yes"')})) == [
        "small",
        "rest",
    ]


@pytest.mark.parametrize(
    "value", ['"much"', '"100.000"', '"100,000"', '"1e9"', '"0x99999999"', "[100000]", "true", '"∞"', "9" * 41, '"NaN"']
)
def test_what_is_not_a_number_is_in_no_range_and_why_says_so(value: str) -> None:
    engine = rules()
    lead = leads_saying(budget(value))[0]
    assert given(engine, budget(value)) == ["rest"]
    told = explain(engine, inputs_for(engine, [lead]), 1)
    assert agrees(told) and not told.rules[0].conditions[0].holds
    words = condition(told.rules[0].conditions[0], "UTC", ENGLISH)
    assert (
        words == f"requires attributes.budget from 100000; the lead has {lead.facts.more[0][1]}, which is not a number"
    )
    assert "not a number" not in condition(
        explain(engine, inputs_for(engine, leads_saying(budget("5"))), 1).rules[0].conditions[0], "UTC", ENGLISH
    )


def test_a_company_in_the_list_is_known_whatever_its_legal_form() -> None:
    engine = rules()
    names = ["Acme", "ACME Aktiengesellschaft", "ＡＣＭＥ Inc.", "海尔集团", "Acme Trading"]
    assert given(engine, *({"company": name} for name in names)) == ["key", "rest", "key", "key", "rest"]
    assert given(engine, {}) == ["rest"]
    told = explain(engine, inputs_for(engine, leads_saying({"company": "Nobody & Sons"})), 1)
    words = condition(told.rules[1].conditions[0], "UTC", ENGLISH)
    assert words == "requires company listed in key.txt; the lead has Nobody & Sons"


def test_the_country_of_the_phone_parts_china_from_germany() -> None:
    engine = rules(
        "rules:\n  - {name: cn, match: {phone_region: [cn, HK]}, assign_to: group:keys}\n"
        "  - {name: none, match: {phone_region: {present: false}}, assign_to: group:rest}\n"
        "  - {name: rest, match: {phone_region: {not: AT}}, assign_to: group:rest}\n"
    )
    phones = ["+8613800138000", "+85223456789", "+4915112345678", "+43512123456", "13800138000", "+999123"]
    found = [phone_region(phone) for phone in phones]
    assert found == ["CN", "HK", "DE", "AT", None, None]
    said = [{} if region is None else {"phone_region": region} for region in found]
    assert given(engine, *said) == ["cn", "cn", "rest", "none", "none"]
    with pytest.raises(RulesError, match="XX is not a country code of two letters"):
        read_ruleset("rules: [{name: a, match: {phone_region: XX}, assign_to: owner}]", "r")
    with pytest.raises(RulesError, match="unknown field; known: not, present"):
        read_ruleset("rules: [{name: a, match: {phone_region: {prefix: C}}, assign_to: owner}]", "r")


def test_the_record_has_what_the_leads_said_whatever_is_stored_of_them_now() -> None:
    engine = rules()
    leads = leads_saying(budget("100000", company="Other"), {"company": "Acme"}, budget('"much"'), {})
    inputs = inputs_for(engine, leads)
    outcome = decide(engine, inputs)
    flight = decode(encode(record(engine, inputs, outcome, "")))
    now = {
        lead.lead_id: (lead.created_at, Facts(more=(("attributes.vip", "x"), ("company", "Acme")))) for lead in leads
    }
    again = inputs_of(flight, engine, now)
    assert [lead.facts for lead in again.leads] == [lead.facts for lead in leads]
    assert decide(engine, again).decisions == decisions_of(flight) == outcome.decisions
    # What the rules did not ask for then is as it is now.
    plain = record(rules("rules:\n  - {name: a, match: {}, assign_to: group:rest}\n"), inputs, outcome, "")
    assert plain.more == {}
    assert [lead.facts.value_of("company") for lead in inputs_of(plain, engine, now).leads] == ["Acme"] * 4


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("attributes.budget: {from: 5, to: 4}", "there is no number from 5 to 4; write the lower bound first"),
        ("attributes.budget: {from: 1e5}", "must be a number such as 100000 or 2.5, without separators"),
        ("attributes.budget: {from: '100.000'}", None),
        (
            "attributes.budget: {from: lots}",
            'must be a number such as 100000 or 2.5, without separators or exponents, not the text "lots"',
        ),
        ("attributes.budget: {form: 5}", 'unknown field; did you mean "from"?'),
        ("attributes.budget: {from: 5, present: false}", "present: false excludes all values"),
        ("attributes.vip: yes", "yes is true or false in YAML, not a text"),
        ("attributes: {budget: 5}", "write the name of the attribute behind a point"),
        ("attributes.: 5", "unknown field"),
        ("company: {from: 5}", "unknown field; known: not, prefix, present, in_file"),
        ("company: {in_file: nobody.txt}", "nobody.txt: was not stored with these rules"),
        ("company: 4711", "4711 is a number in YAML, not a text"),
    ],
)
def test_what_a_condition_cannot_be_is_said_at_its_place(match: str, message: str | None) -> None:
    text = f"rules:\n  - {{name: a, match: {{{match}}}, assign_to: group:g}}\n"
    if message is None:
        (asked,) = read_ruleset(text, "r").rules[0].match.others
        assert asked == Range("attributes.budget", Decimal(100))
        return
    with pytest.raises(RulesError) as wrong:
        read_rules(text, "r.yaml", LISTS)
    assert message in str(wrong.value) and "r.yaml:2: rules[0].match." in str(wrong.value)


def lints(*matches: str) -> list[tuple[str, str]]:
    lines = [f"  - {{name: r{n}, match: {{{match}}}, assign_to: group:g{n}}}\n" for n, match in enumerate(matches)]
    found = lint_rules(read_ruleset("rules:\n" + "".join(lines), "r"))
    return [(one.lint.value, one.path) for one in found if one.lint is not Lint.NO_CATCH_ALL]


def test_ranges_that_leave_nothing_or_hide_each_other_are_found() -> None:
    wide, narrow = "attributes.budget: {from: 10}", "attributes.budget: {from: 10.5, to: 20}"
    assert lints(wide, narrow) == [("behind_wider", "rules[1]")]
    assert lints(wide, "attributes.budget: [10, 11]") == [("behind_wider", "rules[1]")]
    assert lints(narrow, wide) == [] == lints(wide, "attributes.budget: [9, 11]") == lints(wide, "attributes.other: 11")
    assert lints("attributes.budget: {present: true}", narrow) == [("behind_wider", "rules[1]")]
    assert lints("attributes.budget: {from: 5, to: 5.0, not: 5}") == [
        ("never_matches", "rules[0].match.attributes.budget")
    ]
    assert lints("attributes.budget: {from: 5, to: 6, not: 5}") == []


def test_what_leads_do_not_have_is_found_beside_the_tenant() -> None:
    text = """rules:
  - {name: a, match: {attributes.buget: {from: 5}}, assign_to: group:g}
  - {name: b, match: {attributes.buget: [x, y], attributes.words: {from: 5}}, assign_to: group:g}
  - {name: c, match: {attributes.budget: {from: 5000}}, assign_to: group:g}
  - {name: d, match: {attributes.budget: {from: 5}, company: {in_file: key.txt}}, assign_to: group:g}
"""
    seen = {
        "attributes.": frozenset({"budget", "words"}),
        "attributes.budget": frozenset({"7", "much"}),
        "attributes.words": frozenset({"a", "b"}),
        "attributes.buget": frozenset[str](),
        "company": frozenset({"other"}),
    }
    found = [(one.lint.value, one.rule, one.message) for one in lint_values(read_rules(text, "r", LISTS).ruleset, seen)]
    assert found == [
        (
            *("unknown_attribute", "a"),
            'no lead of the last 90 days had attributes.buget; did you mean "attributes.budget"?',
        ),
        (
            *("not_a_number", "b"),
            "no lead of the last 90 days had a number as attributes.words, but a, b: "
            "numbers are written as 100000 or 2.5; a mapping reads others, such as numbers: {words: comma} for "
            "100.000,00",
        ),
        ("unseen_value", "c", "no lead of the last 90 days had attributes.budget within these bounds"),
        ("unseen_value", "d", "no lead of the last 90 days had company listed in key.txt (2 values)"),
        ("not_a_number", "d", "some values of attributes.budget are not numbers, and in no range: much"),
    ]


def test_a_difference_names_the_bounds() -> None:
    old = read_ruleset("rules:\n  - {name: a, match: {attributes.budget: {from: 5}}, assign_to: group:g}\n", "r")
    new = read_ruleset(
        "rules:\n  - {name: a, match: {attributes.budget: {from: 5.5, to: 9}}, assign_to: group:g}\n", "r"
    )
    assert [str(change) for change in diff_rulesets(old, new)] == [
        'rule "a": match.attributes.budget.from: 5 → 5.5',
        'rule "a": match.attributes.budget.to: none → 9',
    ]


def test_what_it_takes_is_a_lower_bound_a_higher_one_or_the_company_in_the_list() -> None:
    engine = rules(
        "rules:\n  - {name: a, match: {attributes.budget: {from: 5, to: 9}, company: [Acme]}, assign_to: group:rest}\n"
    )
    for value, wanted in (
        ("4", Range("attributes.budget", Decimal(4), Decimal(9))),
        ("10", Range("attributes.budget", Decimal(5), Decimal(10))),
    ):
        lead = leads_saying(budget(value, company="Foo GmbH"))[0]
        changes = list(wider_rules(0, engine.rules[0], lead, moment_of(engine)))
        wider = [change.rule.match for change in changes if change.rule is not None]
        assert wider[0].one_of == (OneOf("company", frozenset({"acme", "foo"})),)
        assert wider[1].others == (wanted,)
    lead = leads_saying(budget('"much"', company="Acme"))[0]
    (change,) = wider_rules(0, engine.rules[0], lead, moment_of(engine))
    assert change.rule is not None and change.rule.match.others == ()


def test_a_priority_is_never_called_not_a_number() -> None:
    asked = Condition("priority", ("3", ""), "1", holds=False, operator=Operator.RANGE)
    assert condition(asked, "UTC", ENGLISH) == "requires priority from 3; the lead has 1"


def test_the_example_for_two_countries_is_valid_with_its_list_beside_it() -> None:
    file = Path(__file__).parents[2] / "config" / "rulesets" / "two-countries.yaml"
    read = read_rules(file.read_text("utf-8"), str(file), lists_beside(file))
    assert lint_rules(read.ruleset) == []
    assert list(read.lists) == ["key-accounts.txt"]
    listed = read.ruleset.rules[1].match.one_of[0]
    assert listed.values == {"acme drives", "海尔集团", "müller söhne"}
    assert [group.group for group in read.ruleset.groups] == ["munich", "night-desk"]


def test_beginnings_are_compared_as_they_are_written() -> None:
    engine = rules(
        "rules:\n  - {name: sap, match: {company: {prefix: SAP SE}}, assign_to: group:keys}\n"
        "  - {name: half, match: {attributes.size: {prefix: '1.50'}}, assign_to: group:keys}\n"
        "  - {name: acme, match: {company: {prefix: [Ａcme-G], not: ACME GmbH}}, assign_to: group:keys}\n"
        "  - {name: rest, match: {}, assign_to: group:rest}\n"
    )
    names = ("SAP SE", "Sapient", "SAP Se. Consulting", "SAP", "ACME GmbH", "Acme Gears AG")
    assert given(engine, *({"company": name} for name in names)) == ["sap", "rest", "sap", "rest", "rest", "acme"]
    sizes = ("1.50", "1.505 m", "1.5", "1.5 m")
    assert given(engine, *({"attributes.size": size} for size in sizes)) == ["half", "half", "rest", "rest"]
    told = explain(engine, inputs_for(engine, leads_saying({"company": "SAP SE"})), 1)
    assert agrees(told) and told.rules[0].conditions[0].holds
    assert lints("company: {prefix: SAP SE}", "company: {prefix: SAP SE AG}") == [("behind_wider", "rules[1]")]
