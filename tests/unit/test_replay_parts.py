"""The pure parts of `replay`: overrides, the pool in memory, owners, loads, the CSV file and the picture."""

import csv
import io
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.replay.loads import Loads, follow_record
from ops.replay.overrides import (
    DEFAULT_FIELDS,
    REP_FIELDS,
    BadOverride,
    Override,
    check_overrides,
    read_override,
    with_defaults_changed,
    with_reps_changed,
)
from ops.replay.owners import Owners, Recorded
from ops.replay.picture import MOST_REPS, draw, shown_reps
from ops.replay.report import LeadRow, Row
from ops.replay.spreadsheet import write_header, write_rows
from ops.replay.tally import READY, Given, Place, Places, Refused, Verdict, Waits
from ops.replay.waiting_pool import WaitingPool
from ops.text.spreadsheet import ENCODING, harmless
from router.domain.lead import Facts, PoolLead
from router.domain.reason import Reason
from router.domain.roster import Rep, Roster
from router.domain.ruleset import Defaults, Ruleset
from router.drain.claim import order_of

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
FORMULA_SIGNS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
ROSTER = Roster(1, (Rep(1, "ann", "Ann", "UTC"), Rep(2, "b.o", "Bo", "UTC", max_open=3)), {1: "East", 2: "West"})


def pool_lead(number: int, key: int = 0, rank: int = 0, customer: int | None = None) -> PoolLead:
    at = START + timedelta(seconds=number)
    return PoolLead(number, rank, at, at, Facts(), customer, (), key)


def test_an_override_changes_the_field_of_its_rep_and_nothing_else() -> None:
    texts = ["rep.ann.available=no", "rep.b.o.max_open=7", "rep.ann.groups=east; WEST", "rep.ann.weight=0.5"]
    roster = with_reps_changed(ROSTER, [read_override(text) for text in texts])
    ann, bo = roster.reps
    assert (ann.available, ann.groups, ann.weight, ann.max_open) == (False, frozenset({1, 2}), 500, None)
    assert (bo.available, bo.groups, bo.weight, bo.max_open) == (True, frozenset(), 1000, 7)
    assert with_reps_changed(ROSTER, []) is ROSTER


@pytest.mark.parametrize("field", REP_FIELDS)
def test_every_field_that_is_named_valid_can_be_set(field: str) -> None:
    value = {
        **dict.fromkeys(("available", "active"), "no"),
        **dict.fromkeys(("max_open", "max_per_day", "weight"), "3"),
        "working_hours": "mon-fri 10:00-12:00",
        "leave": "2026-03-01..2026-03-05",
        "holidays": "DE-BY",
        "time_zone": "Asia/Shanghai",
        **dict.fromkeys(("groups", "regions", "industries"), "East"),
    }[field]
    roster = with_reps_changed(ROSTER, [read_override(f"rep.ann.{field}={value}")])
    assert getattr(roster.reps[0], field) != getattr(ROSTER.reps[0], field)


def test_default_caps_can_be_set() -> None:
    ruleset = Ruleset(version=1, rules=(), defaults=Defaults(max_open=5, max_per_day=6))
    changed = with_defaults_changed(ruleset, [read_override("defaults.max_open=9")])
    assert (changed.defaults.max_open, changed.defaults.max_per_day) == (9, 6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("available=no", "write rep.REP_ID.FIELD=VALUE"),
        ("rep.ann.availble=no", "did you mean available?"),
        ("rep.ann.name=X", "valid: available, active"),
        ("rep.ann.available=perhaps", "not understood"),
        ("rep.ann.max_open=-1", "not a cap"),
        ("rep.ann.working_hours=mon 25:00", "working_hours"),
        ("rep.ann.time_zone=Mars/Base", "Mars/Base"),
        ("defaults.weight=1", "valid: max_open, max_per_day"),
    ],
)
def test_an_override_that_cannot_be_applied_says_what_is_valid(text: str, said: str) -> None:
    with pytest.raises(BadOverride, match=said.replace(".", r"\.").replace("?", r"\?")):
        read_override(text)


def test_unknown_reps_and_groups_are_named_with_those_that_there_are() -> None:
    with pytest.raises(BadOverride, match="there is no rep 'anm'; did you mean ann"):
        check_overrides([read_override("rep.anm.available=no")], ROSTER)
    with pytest.raises(BadOverride, match=r"there is no group 'North' \(there are: East, West\)"):
        check_overrides([read_override("rep.ann.groups=North")], ROSTER)
    check_overrides([read_override("rep.ann.groups=east"), read_override("defaults.max_open=1")], ROSTER)


@given(st.text(min_size=1).filter(lambda text: "=" not in text), st.sampled_from(DEFAULT_FIELDS), st.integers(0, 999))
def test_any_rep_id_can_be_named(rep_id: str, field: str, cap: int) -> None:
    assert read_override(f"rep.{rep_id}.{field}={cap}") == Override(rep_id, field, cap)


leads = st.lists(
    st.builds(pool_lead, st.integers(1, 60), st.integers(0, 3), st.integers(-2, 2), st.none() | st.integers(1, 5)),
    unique_by=lambda lead: lead.lead_id,
)


@given(leads, st.dictionaries(st.integers(0, 3), st.integers(1, 20)), st.integers(1, 30))
def test_the_pool_gives_the_first_leads_of_each_key_as_the_claim_does(
    there: list[PoolLead], asked: dict[int, int], limit: int
) -> None:
    pool = WaitingPool()
    for lead in there:
        pool.put(lead, START + timedelta(hours=1))
    expected = sorted(
        (
            lead
            for key, n in asked.items()
            for lead in sorted((lead for lead in there if lead.wake_key == key), key=order_of)[:n]
        ),
        key=order_of,
    )[:limit]
    assert pool.take_waiting(asked, limit) == expected
    left = [lead for lead in there if lead not in expected]
    assert pool.leads == {lead.lead_id: lead for lead in left}
    assert sorted(lead.lead_id for lead in pool.take_due(START + timedelta(hours=1), 1000)) == sorted(
        lead.lead_id for lead in left
    )
    assert not pool.counts and pool.next_due() is None


@given(leads, st.sets(st.integers(1, 5)))
def test_leads_of_a_customer_whose_owner_moved_are_ready(there: list[PoolLead], customers: set[int]) -> None:
    pool = WaitingPool()
    for lead in there:
        pool.put(lead, START)
    woken = [lead for lead in there if lead.customer_id in customers and lead.wake_key]
    assert pool.wake_customers(customers) == len(woken)
    ready = {lead.lead_id for lead in pool.take(0, 1000)}
    assert ready == {lead.lead_id for lead in there if not lead.wake_key or lead in woken}


def test_what_a_record_tells_of_loads_moves_the_replay_by_what_was_not_expected() -> None:
    recorded, replayed = Loads(), Loads()
    recorded.give([3, 3, 5])
    replayed.give([5, 5, 5])
    reps, counts = np.array([3, 200]), np.array([1, 4])
    assert follow_record(recorded, replayed, reps, counts, counts)
    assert (recorded.open_counts[3], recorded.open_counts[5], recorded.open_counts[200]) == (1, 1, 4)
    assert (replayed.open_counts[3], replayed.open_counts[5], replayed.open_counts[200]) == (0, 3, 4)
    assert not follow_record(recorded, replayed, reps, counts, counts)


def test_an_owner_is_the_records_until_the_replay_makes_another_one() -> None:
    owners, lead = Owners(), pool_lead(1, customer=7)
    record = Recorded({7: 1}, {7: 2}, {7})
    assert owners.before([lead], record) == {7: 1}
    owners.after({7}, record, {7: 3}, ())
    assert owners.before([lead], Recorded({7: 2}, {}, {7})) == {7: 3}
    owners.after({7}, Recorded({7: 2}, {7: 3}, {7}), {}, ())
    assert not owners.own


verdicts: st.SearchStrategy[Verdict] = st.one_of(
    st.builds(Given, st.integers(1, 3), st.sampled_from("ab"), st.none() | st.integers(1, 2)),
    st.builds(Waits, st.none() | st.sampled_from(["g1", "g2"])),
    st.builds(Refused, st.sampled_from([Reason.GROUP_EMPTY, Reason.NO_MATCHING_RULE])),
)


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["record", "replay", "both"]), verdicts, verdicts)))
def test_places_tell_of_each_lead_what_was_decided_last(
    events: list[tuple[int, str, Verdict, Verdict]],
) -> None:
    places = Places()
    before: dict[int, Verdict] = {}
    after: dict[int, Verdict] = {}
    for at, (lead_id, which, one, other) in enumerate(events):
        if which == "both":
            places.both(lead_id, one, other, at)
            before[lead_id], after[lead_id] = one, other
        elif places.get(lead_id) is not None:
            # Of a lead that is the same in both nothing is kept, and nothing is decided in one world alone.
            (places.record if which == "record" else places.replay)(lead_id, one, at)
            (before if which == "record" else after)[lead_id] = one
    for lead_id, place in places:
        assert (place.before, place.after) == (before[lead_id], after[lead_id])
    for lead_id in before.keys() - places.places.keys():
        assert before[lead_id] == after[lead_id] and not isinstance(before[lead_id], Waits)


def test_a_lead_that_comes_seconds_later_to_the_same_rep_is_no_difference() -> None:
    same = Given(1, "rule", 1)
    second = 1_000_000
    assert not Place(same, 0, same, 59 * second).differs
    assert Place(same, 0, same, 60 * second).differs
    assert not Place(READY, 0, Waits("g1"), 10**12).differs
    assert Place(same, 0, Waits("g1"), 0).differs


@given(st.text() | st.builds(str.__add__, st.sampled_from(FORMULA_SIGNS), st.text()))
def test_no_text_becomes_a_formula(text: str) -> None:
    assert not harmless(text).startswith(FORMULA_SIGNS)
    assert harmless(text).endswith(text)


def test_the_file_opens_in_excel_with_chinese_and_without_formulas() -> None:
    row = LeadRow(5, "other rep", "assigned", "=cmd", "规则", "east", START, "assigned", "李", "规则", "east", START)
    buffer = io.BytesIO()
    with io.TextIOWrapper(buffer, ENCODING, newline="", write_through=True) as file:
        write_header(file)
        write_rows(file, [row], {5: ("web", "@ext")})
        written = buffer.getvalue()
    assert written.startswith(b"\xef\xbb\xbf")
    [cells] = list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"))))
    assert cells["external_id"] == "'@ext" and cells["before_rep"] == "'=cmd" and cells["after_rep"] == "李"
    assert cells["lead_id"] == "5" and cells["before_at"] == "2026-03-02T09:00:00+00:00"


@given(st.lists(st.builds(Row, st.text(), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=60), st.text())
def test_the_picture_is_well_formed_whatever_people_are_called(rows: list[Row], title: str) -> None:
    root = ElementTree.fromstring(draw(rows, title, "since then"))
    assert root.tag.endswith("svg")
    widths = [float(rect.get("width", "0")) for rect in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert max(widths) <= 960


def test_beyond_forty_reps_the_rest_is_summed_up() -> None:
    rows = [Row(f"r{i}", i, 2 * i) for i in range(100)]
    shown = shown_reps(rows)
    assert len(shown) == MOST_REPS + 1
    assert [row.name for row in shown[:2]] == ["r99", "r98"]
    assert shown[-1] == Row("60 other reps", sum(range(60)), 2 * sum(range(60)))
