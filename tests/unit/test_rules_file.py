"""Rules files: the right is understood, the wrong named by file, line and field, the hostile refused."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.domain.conditions import OneOf
from router.domain.lint import lint_rules
from router.domain.ruleset import Created, Match, Ruleset
from router.domain.working_hours import parse_week
from router.rules.document import MAX_PROBLEMS, read_file
from router.rules.file import RulesError, ZoneDiffers, read_rules
from router.rules.lists import lists_beside
from router.rules.problems import InvalidFile
from tests.unit.generated_rules import read_ruleset, rulesets, to_yaml

EXAMPLES = Path(__file__).parents[2] / "config" / "rulesets"
RULE = "rules:\n  - name: all\n    match: {}\n    assign_to: group:g\n"


def problems(text: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        read_ruleset(text, "r.yaml")
    return [str(problem) for problem in caught.value.problems]


def rule(*lines: str) -> str:
    """A file with one rule, whose own lines begin at line 2."""
    return "rules:\n  - " + "\n    ".join(lines) + "\n"


def test_a_short_text_with_hundreds_of_thousands_of_problems_is_read_only_so_far() -> None:
    fields = ", ".join(f"k{number}: 1" for number in range(60))
    found = problems(f"rules:\n  - &r {{name: a, match: {{{fields}}}, assign_to: group:g}}\n" + "  - *r\n" * 3_000)
    assert len(found) == MAX_PROBLEMS + 1
    assert any("the rest was not read: there are more than 5,000 problems before it" in one for one in found)


def test_the_example_means_what_it_says() -> None:
    ruleset = read_ruleset(read_file(EXAMPLES / "example.yaml"), "example.yaml", version=7)
    known, east, rest = ruleset.rules
    assert (ruleset.version, ruleset.business_time_zone, ruleset.default_phone_region) == (7, "Asia/Shanghai", "CN")
    assert ruleset.calendar.working_hours == parse_week("mon-fri 09:00-12:00,13:00-18:00")
    assert (ruleset.calendar.country, ruleset.defaults.max_open, ruleset.defaults.max_per_day) == ("CN", 200, 60)
    assert (ruleset.weights.region_match, ruleset.weights.industry_match) == (2000, 1500)
    assert ruleset.weights.close_rate and ruleset.weights.close_rate.lookback == timedelta(days=90)
    assert ruleset.weights.sold_product and ruleset.weights.sold_product.factor == 1500
    assert known.to_owner and known.fall_back_after == timedelta(minutes=30)
    assert known.match == Match(known_customer=True)
    region = OneOf("region", frozenset({"shanghai", "hangzhou"}))
    industry = OneOf("industry", frozenset({"automation"}))
    assert east.match == Match((region, industry), created=Created.TODAY)
    assert (east.group, east.wait, rest.group, rest.wait) == ("east", True, "default", False)
    assert rest.match == Match()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    assert lint_rules(read_rules(read_file(path), path.name, lists_beside(path)).ruleset) == []


def test_what_is_not_stated_has_its_default_and_the_zone_is_the_tenants() -> None:
    found = read_rules(RULE, "r.yaml")
    assert found.stated_zone is None
    assert found.for_tenant(3, "Africa/Cairo") == Ruleset(3, found.ruleset.rules, "Africa/Cairo")
    stated = read_rules("business_time_zone: Asia/Kolkata\n" + RULE, "r.yaml")
    assert stated.for_tenant(1, "Asia/Kolkata").business_time_zone == "Asia/Kolkata"
    with pytest.raises(ZoneDiffers, match="is Asia/Kolkata, but the tenant's is UTC"):
        stated.for_tenant(1, "UTC")


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(rulesets(), st.booleans(), st.booleans())
def test_any_ruleset_written_as_yaml_reads_back_equal(ruleset: Ruleset, flow: bool, unicode: bool) -> None:
    assert read_ruleset(to_yaml(ruleset, flow=flow, unicode=unicode), "r.yaml", ruleset.version) == ruleset


VALID = ("name: x", "match: {}", "assign_to: group:g")

WRONG_IN_A_RULE = [
    (
        ("name: x", "match: {regio: a}", "assign_to: owner"),
        '3: rules[0].match.regio: unknown field; did you mean "region"?',
    ),
    (
        ("name: x", 'match: {company: {prefix: "~"}}', "assign_to: owner"),
        "3: rules[0].match.company.prefix: must have a letter or a digit: everything begins with nothing",
    ),
    (("name: x", "match: {}"), "2: rules[0].assign_to: is missing"),
    (("match: {}", "assign_to: owner"), "2: rules[0].name: is missing"),
    (("name: x", "assign_to: owner"), "2: rules[0].match: is missing"),
    (("name: x", "match:", "assign_to: owner"), "3: rules[0].match: is empty; write {} to match every lead"),
    (("name: ''", *VALID[1:]), "2: rules[0].name: is an empty text"),
    (("name: 2026", *VALID[1:]), '2: rules[0].name: 2026 is a number in YAML, not a text; quote it: "2026"'),
    (('name: "a\\nb"', *VALID[1:]), "2: rules[0].name: must be on one line"),
    (("name: " + "x" * 201, *VALID[1:]), "2: rules[0].name: has 201 characters; the maximum is 200"),
    (("name: x", "name: y", *VALID[1:]), "3: rules[0].name: is there twice, first on line 2"),
    (
        ("name: x", "match: {}", "assign_to: east"),
        "4: rules[0].assign_to: must be owner, group:NAME or rep:ID, not east; did you",
    ),
    (("name: x", "match: {}", "assign_to: 'group: '"), "4: rules[0].assign_to: has no group name"),
    (
        ("name: x", "match: {}", "assign_to: {group: g}"),
        "4: rules[0].assign_to: must be owner, group:NAME or rep:ID; write it with",
    ),
    (("name: x", "match: {}", "assign_to: group:a|b"), "4: rules[0].assign_to: a group's name cannot hold any of"),
    (
        ("name: x", "match: {region: [NO]}", VALID[2]),
        "3: rules[0].match.region[0]: NO is true or false in YAML, not a text",
    ),
    (("name: x", "match: {region: on}", VALID[2]), "3: rules[0].match.region: on is true or false in YAML, not a text"),
    (
        ("name: x", "match: {ad_id: 123}", VALID[2]),
        '3: rules[0].match.ad_id: 123 is a number in YAML, not a text; quote it: "123"',
    ),
    (("name: x", "match: {ad_id: 2026-01-01}", VALID[2]), "3: rules[0].match.ad_id: 2026-01-01 is a date in YAML"),
    (("name: x", "match: {region: []}", VALID[2]), "3: rules[0].match.region: is an empty list"),
    (("name: x", "match: {region: }", VALID[2]), "3: rules[0].match.region: is empty; leave the field out"),
    (
        ("name: x", "match: {region: {a: b}}", VALID[2]),
        "3: rules[0].match.region.a: unknown field; known: not, prefix, present, in_file",
    ),
    (("name: x", "match: {priority: '1'}", VALID[2]), "3: rules[0].match.priority: must be a whole number"),
    (("name: x", "match: {priority: [1, 1.5]}", VALID[2]), "3: rules[0].match.priority[1]: must be a whole number"),
    (("name: x", "match: {priority: 010}", VALID[2]), "3: rules[0].match.priority: must be a whole number"),
    (
        ("name: x", "match: {priority: 1000001}", VALID[2]),
        "3: rules[0].match.priority: must be a whole number from -1,000,000",
    ),
    (
        ("name: x", "match: {known_customer: 1}", VALID[2]),
        "3: rules[0].match.known_customer: must be true or false, not 1",
    ),
    (
        ("name: x", "match: {created: tody}", VALID[2]),
        '3: rules[0].match.created: unknown value tody; did you mean "today"?',
    ),
    (
        ("name: x", "match: {created: {within: 4}}", VALID[2]),
        "3: rules[0].match.created.within: must be a number with its unit",
    ),
    (("name: x", "match: {created: {}}", VALID[2]), "3: rules[0].match.created.within: is missing"),
    (("name: x", "match: {date: 2026-11-24}", VALID[2]), "3: rules[0].match.date: must have from, to, or both"),
    (("name: x", "match: {date: {}}", VALID[2]), "3: rules[0].match.date: must have from, to, or both"),
    (
        ("name: x", "match: {date: {from: 24.11.2026}}", VALID[2]),
        "3: rules[0].match.date.from: must be a date such as 2026-11-24",
    ),
    (("name: x", "match: {date: {to: 2026-11-31}}", VALID[2]), "3: rules[0].match.date.to: must be a date such as"),
    (
        ("name: x", "match: {date: {from: 2026-11-30, to: '2026-11-24'}}", VALID[2]),
        "3: rules[0].match.date: there is no day from 2026-11-30 to 2026-11-24",
    ),
    (("name: x", "match: {}", "assign_to: 'rep: '"), "4: rules[0].assign_to: has no rep"),
    (("name: x", "match: {}", "assign_to: owner", "owns: no"), "5: rules[0].owns: is for groups and reps"),
    ((*VALID, "fall_back_after: 3h"), "5: rules[0].fall_back_after: only goes with assign_to: owner"),
    (
        ("name: x", "match: {}", "assign_to: owner", "fall_back_after: 0s"),
        "5: rules[0].fall_back_after: must be between 1s and 3650d",
    ),
    (
        ("name: x", "match: {}", "assign_to: owner", "fall_back_after: 3651d"),
        "5: rules[0].fall_back_after: must be between",
    ),
    (
        ("name: x", "match: {}", "assign_to: owner", "fall_back_after: 30"),
        "5: rules[0].fall_back_after: must be a number with",
    ),
    (
        ("name: x", "match: {}", "assign_to: owner", "on_no_candidate: wait"),
        "5: rules[0].on_no_candidate: is for groups",
    ),
    ((*VALID, "on_no_candidate: stop"), "5: rules[0].on_no_candidate: unknown value stop; known: next, wait"),
    ((*VALID, "window: soon"), "5: rules[0].window: 'soon' is not days and hours"),
    (
        (*VALID, "window:", "  mon: 09:00-12:00", "  tue: 09:00-25:00"),
        "7: rules[0].window.tue: '25:00' in '09:00-25:00' is not",
    ),
    ((*VALID, "window:", "  mon: 09:00-12:00", "  mon-tue: 09:00-10:00"), "6: rules[0].window: mon has hours twice"),
    ((*VALID, "window: {}"), "5: rules[0].window: names no day"),
    ((*VALID, "<<: {a: b}"), "5: rules[0].<<: merging is not supported"),
    ((*VALID, "? [a]", ": b"), "5: rules[0]: the name of a field must be a short text"),
    ((*VALID, "window: !!python/name:os.system x"), "5: rules[0].window: has a tag"),
    (("&a name: x", *VALID[1:], "*a : y"), "2: rules[0].name: is there twice, first on line 2"),
]


@pytest.mark.parametrize(("lines", "told"), WRONG_IN_A_RULE, ids=[told for _, told in WRONG_IN_A_RULE])
def test_a_mistake_in_a_rule_is_named_by_file_line_and_field(lines: tuple[str, ...], told: str) -> None:
    found = problems(rule(*lines))
    assert len(found) == 1
    assert found[0].startswith("r.yaml:" + told)


WRONG_AT_THE_TOP = [
    (
        "business_time_zone: Asia/Shangai",
        "1: business_time_zone: unknown time zone 'Asia/Shangai'; did you mean",
    ),
    ("default_phone_region: NO", '1: default_phone_region: NO is true or false in YAML, not a text; quote it: "NO"'),
    ("default_phone_region: CHN", "1: default_phone_region: CHN is not a country code of two letters"),
    ("calendar: {country: Atlantis}", "1: calendar.country: no holidays are known for country 'Atlantis'"),
    ("calendar: {working_hours: 8}", "1: calendar.working_hours: '8' is not days and hours"),
    ("calendar: CN", '1: calendar: must be fields with values, not the text "CN"'),
    ("calendar:", "1: calendar: must be fields with values, not nothing"),
    ("defaults: {max_open: -1}", "1: defaults.max_open: must be a whole number from 0 to 1,000,000, not -1"),
    (
        "defaults: {max_per_day: 1_000}",
        "1: defaults.max_per_day: must be a whole number from 0 to 1,000,000",
    ),
    ("weights: {region_match: 0}", "1: weights.region_match: must be a number from 0.001 to 1000 with at most three"),
    ("weights: {region_match: 1000.001}", "1: weights.region_match: must be a number from 0.001 to 1000"),
    ("weights: {industry_match: 1.0005}", "1: weights.industry_match: must be a number from 0.001 to 1000"),
    ("weights: {industry_match: .nan}", "1: weights.industry_match: must be a number from 0.001 to 1000"),
    ("weights: {industry_match: '2'}", "1: weights.industry_match: must be a number from 0.001 to 1000"),
    (
        "weights: {close_rate: {segment: name}}",
        "1: weights.close_rate.segment: unknown value name; known: source",
    ),
    (
        "weights: {close_rate: {lookback_days: 0}}",
        "1: weights.close_rate.lookback_days: must be a whole number from 1",
    ),
    ("weights: {sold_product: {faktor: 2}}", '1: weights.sold_product.faktor: unknown field; did you mean "factor"?'),
    ("max_age: 1w", '1: max_age: must be a number with its unit, such as 90s, 30m, 4h or 2d, not the text "1w"'),
    ("max_agee: 1d", '1: max_agee: unknown field; did you mean "max_age"?'),
    ("xyz: 1", "1: xyz: unknown field; known: business_time_zone, default_phone_region"),
]


@pytest.mark.parametrize(("line", "told"), WRONG_AT_THE_TOP, ids=[told for _, told in WRONG_AT_THE_TOP])
def test_a_mistake_in_a_setting_is_named_by_file_line_and_field(line: str, told: str) -> None:
    found = problems(line + "\n" + RULE)
    assert len(found) == 1
    assert found[0].startswith("r.yaml:" + told)


def test_everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file() -> None:
    text = "rules:\n" + "".join(f"  - {{name: {n}, match: {{regio: x}}, assign_to: x}}\n" for n in "ABa")
    found = [line.split(" ")[:2] for line in problems(text + "max_age: 1\n")]
    each = [[f"r.yaml:{i + 2}:", f"rules[{i}].{field}:"] for i in range(3) for field in ("match.regio", "assign_to")]
    # "A" and "a" are one name: which of them `why` speaks of could not be seen
    assert found == [*each, ["r.yaml:4:", "rules[2].name:"], ["r.yaml:5:", "max_age:"]]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in pairwise("abcdefghi")
)
WRONG_YAML = [
    ("", "1: is empty; a ruleset has at least one rule"),
    ("# nothing\n", "1: is empty"),
    ("just words", '1: must be fields with values, not the text "just words"'),
    ("- a\n", "1: must be fields with values, not a list"),
    ("rules: []", "1: rules: is an empty list"),
    ("rules: {a: b}", "1: rules: must be a list, not fields"),
    ("max_age: 1d", "1: rules: is missing"),
    ("a: 1\nb: c: d", "2: is not YAML: mapping values are not allowed"),
    ("a: 1\n\tb: 2", "2: is not YAML:"),
    ("a: [1,\n2", "2: is not YAML:"),
    ('a: "x', "1: is not YAML:"),
    ("a: 1\n---\na: 2", "2: is not YAML: expected a single document"),
    ("a: *b", "1: is not YAML: found undefined alias"),
    ("a: 1\nb: \x00", "2: holds a character that YAML forbids"),
    ("a: 1\nb: \x07", "2: holds a character that YAML forbids"),
    ("a: \ud800", "1: holds half of a character"),
    ("a: &x [*x]", "1: *x is inside its own anchor"),
    ("[" * 100_000, "1: is nested deeper than 20 levels"),
    ("".join(f"{' ' * i}a:\n" for i in range(500)), "20: is nested deeper than 20 levels"),
    ("a: " + "x" * 4_000_000, "1: has 4,000,003 characters; the maximum is 4,000,000"),
    ("a: [" + "1," * 600_000 + "]", "1: has more than 500,000 values"),
    (BOMB, "6: has more than 500,000 values"),
    ("a: !!python/object/apply:os.system [ls]\n" + RULE, "1: a: unknown field"),
]


@pytest.mark.parametrize(("text", "told"), WRONG_YAML, ids=[told for _, told in WRONG_YAML])
def test_what_is_no_ruleset_or_hostile_is_refused_with_its_line(text: str, told: str) -> None:
    assert problems(text)[0].startswith("r.yaml:" + told)


def test_anchors_and_a_byte_order_mark_are_fine() -> None:
    text = """\ufeffrules:
  - {name: a, match: {region: &east [Shanghai, ＨＡＮＧＺＨＯＵ]}, assign_to: group:g}
  - {name: b, match: {region: *east, created: today}, assign_to: group:h}
"""
    first, second = read_ruleset(text, "r.yaml").rules
    assert first.match.one_of == second.match.one_of == (OneOf("region", frozenset({"shanghai", "hangzhou"})),)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_to_a_file_does_more_than_raise_its_problems(data: st.DataObject) -> None:
    text = (EXAMPLES / data.draw(st.sampled_from(["example.yaml", "commented.yaml", "two-countries.yaml"]))).read_text(
        "utf-8"
    )
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        piece = data.draw(st.text(max_size=5) | st.sampled_from(["[", "{", "&a ", "*a", "- ", ": ", '"', "\n", "!!x "]))
        text = text[:start] + piece + text[start + data.draw(st.integers(0, 20)) :]
    try:
        read_ruleset(text, "r.yaml")
    except RulesError as error:
        assert error.problems
        assert all(1 <= problem.line <= len(text.splitlines()) + 1 for problem in error.problems)


def test_a_thousand_problems_are_shown_in_part_and_kept_in_full() -> None:
    text = "rules:\n" + "  - {}\n" * 400
    with pytest.raises(RulesError) as caught:
        read_ruleset(text, "r.yaml")
    assert len(caught.value.problems) == 1200
    assert str(caught.value).endswith("… and 1150 more problems")


def test_a_file_in_another_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"max_age: 1d\n# \xc9\xcf\xba\xa3\n" + RULE.encode())
    with pytest.raises(InvalidFile, match=r"r\.yaml:2: is not valid UTF-8"):
        read_file(path)
    path.write_bytes(("\ufeff" + RULE).encode())
    assert read_file(path) == RULE


def test_a_thousand_rules_are_read() -> None:
    match = "{created: today, region: [" + ", ".join(f"city{i}" for i in range(20)) + "]}"
    lines = [f"  - {{name: r{i}, match: {match}, assign_to: group:g{i}}}\n" for i in range(1000)]
    text = "rules:\n" + "".join(lines)
    assert len(read_ruleset(text, "r.yaml").rules) == 1000


def test_the_rulesets_of_the_reference_are_valid() -> None:
    page = (EXAMPLES.parents[1] / "docs" / "rules.md").read_text("utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    assert [len(read_ruleset(block, "rules.md").rules) for block in blocks] == [3, 3, 2, 1, 2]
