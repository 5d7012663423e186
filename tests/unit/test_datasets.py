"""The inputs of the demo and of the replay: the same every time, and with each quirk of the real files."""

import csv
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from loadtest.datasets import bpic2012, demo, olist, x_education
from loadtest.datasets.dataset import Arrival, DataMissing, Dataset, rows
from loadtest.datasets.demo_roster import AWAY, ON_DUTY, TEAMS
from loadtest.timeline import steps
from router.domain.working_hours import parse_week
from router.intake.normalise import LeadReader
from router.rules.mapping import parse_mapping
from router.rules.spelling import Synonym, spellings
from tests.support_data import real_data

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_demo_is_the_same_on_every_machine(tmp_path: Path) -> None:
    one, other = (demo.write(tmp_path / name, START, leads=500) for name in ("one", "other"))
    for name in ("reps", "rules", "mapping", "leads"):
        assert getattr(one, name).read_bytes() == getattr(other, name).read_bytes()
    changed = demo.write(tmp_path / "changed", START, seed=1, leads=500)
    assert changed.leads.read_bytes() != one.leads.read_bytes()


def test_the_demo_holds_every_trouble_that_it_promises_to_show(tmp_path: Path) -> None:
    files = demo.write(tmp_path, START)
    leads, reps = _read(files.leads), _read(files.reps)
    assert len(leads) == demo.LEADS
    numbers = Counter(lead["lead_no"] for lead in leads)
    assert max(numbers.values()) > 1, "no line is there twice"
    contents = Counter(tuple(v for k, v in lead.items() if k != "lead_no") for lead in leads)
    assert len(contents) < len(numbers), "no enquiry is repeated under another number"
    assert any(not lead["phone"] for lead in leads)
    assert {"Atlantis", "", "n/a"} <= {lead["region"] for lead in leads}
    assert {"", "5", "10"} <= {lead["priority"] for lead in leads}
    assert 190 <= len(reps) <= 215
    assert len({rep["time_zone"] for rep in reps}) >= 5
    assert any(not rep["groups"] for rep in reps)
    assert set(AWAY) | set(ON_DUTY) == {rep["available"] for rep in reps}
    assert all(rep["leave"] for rep in reps if rep["groups"] == "medical")
    assert all(rep["available"] in AWAY for rep in reps if rep["groups"] == "schools")


@pytest.mark.parametrize("day", [date(2026, 1, 10), date(2026, 7, 12)])
def test_somebody_is_at_the_demo_desk_at_every_hour_of_a_weekend_day(day: date) -> None:
    """Whenever somebody runs the demo, it must have somebody to give leads to."""
    desk = [team for team in TEAMS if team.group == "desk"]
    for quarter in range(96):
        now = datetime.combine(day, time(), UTC) + timedelta(minutes=15 * quarter)
        assert sum(team.size for team in desk if _open(team.hours, team.time_zone, now)) >= 8, now


def _open(hours: str, zone: str, now: datetime) -> bool:
    days, _, span = hours.partition(" ")
    assert days == "mon-sun"
    first, _, last = span.partition("-")
    return first <= now.astimezone(ZoneInfo(zone)).strftime("%H:%M") < last


def _deal(**cells: str) -> olist.Deal:
    row = {
        "mql_id": "m",
        "seller_id": "s",
        "sdr_id": "q",
        "sr_id": "c",
        "won_date": "2018-02-26 19:58:54",
        "business_segment": "pet",
        "lead_type": "online_medium",
        "lead_behaviour_profile": "cat",
        "has_company": "",
        "has_gtin": "",
        "average_stock": "",
        "business_type": "reseller",
        "declared_product_catalog_size": "",
        "declared_monthly_revenue": "0.0",
    }
    return olist.parse_deal(row | cells)


def _lead(mql_id: str = "m", day: str = "2018-02-01", page: str = "p", origin: str = "social") -> olist.OlistLead:
    return olist.parse_lead({"mql_id": mql_id, "first_contact_date": day, "landing_page_id": page, "origin": origin})


def test_an_origin_left_empty_is_not_the_origin_unknown() -> None:
    assert _lead(origin="").origin is None
    assert _lead(origin="unknown").origin == "unknown"


def test_a_landing_page_that_is_the_hash_of_nothing_is_no_landing_page() -> None:
    assert _lead(page="d41d8cd98f00b204e9800998ecf8427e").landing_page is None


@pytest.mark.parametrize("day", ["2017-10-15", "2018-02-17", "2018-02-18", "2018-05-02"])
def test_a_lead_arrives_on_the_day_of_its_first_contact_also_when_clocks_change(day: str) -> None:
    for n in range(200):
        local = _lead(f"id{n}", day).arrives_at.astimezone(olist.ZONE)
        assert local.date().isoformat() == day
        assert 8 <= local.hour < 20


@pytest.mark.parametrize("midnight", ["2018-01-10 02:00:00", "2018-04-10 03:00:00"])
def test_a_deal_with_a_day_only_counts_from_the_end_of_that_day(midnight: str) -> None:
    deal = _deal(won_date=midnight)
    assert deal.day_only
    assert deal.won_at.astimezone(olist.ZONE).strftime("%d %H:%M") == "10 18:00"


def test_a_deal_with_a_time_is_in_utc() -> None:
    deal = _deal(won_date="2018-02-26 19:58:54")
    assert not deal.day_only
    assert deal.won_at == datetime(2018, 2, 26, 19, 58, 54, tzinfo=UTC)


def test_blank_and_meaningless_cells_of_a_deal_are_unknown() -> None:
    deal = _deal(lead_type="", business_segment="", lead_behaviour_profile="")
    assert (deal.segment, deal.lead_type, deal.profiles) == (None, None, ())
    assert (deal.has_company, deal.catalog_size, deal.monthly_revenue) == (None, None, None)


def test_filled_cells_of_a_deal_are_read() -> None:
    deal = _deal(
        has_company="True",
        declared_product_catalog_size="150.0",
        declared_monthly_revenue="6000.0",
        lead_behaviour_profile="cat, wolf",
    )
    assert (deal.has_company, deal.catalog_size, deal.monthly_revenue) == (True, 150, 6000.0)
    assert deal.profiles == ("cat", "wolf")


def test_who_has_both_roles_is_one_rep() -> None:
    leads = [_lead("m1", origin="paid_search"), _lead("m2", origin="organic_search"), _lead("m3", origin="")]
    deals = [
        _deal(mql_id="m1", sr_id="a", sdr_id="b"),
        _deal(mql_id="m2", sr_id="b", sdr_id="c"),
        _deal(mql_id="m3", sr_id="b", sdr_id="c"),
    ]
    groups = {rep["rep_id"]: rep["groups"] for rep in olist.roster(leads, deals)}
    assert groups == {"a": "closing;paid", "b": "closing;search;first-contact", "c": "first-contact"}


def test_a_lead_of_the_replay_is_the_lead_that_its_file_imports_as() -> None:
    reader = LeadReader(parse_mapping(olist.MAPPING, "mapping"), datetime(2026, 1, 1, tzinfo=UTC))
    for page, origin in (("p", "social"), ("p", ""), ("p", "unknown"), (olist.NO_PAGE, "email")):
        row = {"mql_id": "m", "first_contact_date": "2018-02-01", "landing_page_id": page, "origin": origin}
        imported = reader.read(row)
        lead = olist.parse_lead(row)
        assert imported.created_at == datetime(2018, 2, 1, 2, tzinfo=UTC)
        assert olist.lead_in(lead) == imported._replace(created_at=lead.arrives_at)


@pytest.mark.data
def test_the_real_files_are_read_whole() -> None:
    folder = real_data()
    leads, deals = olist.read_leads(folder), olist.read_deals(folder)
    assert (len(leads), len({lead.mql_id for lead in leads})) == (8000, 8000)
    assert (len(deals), len({deal.mql_id for deal in deals})) == (842, 842)
    assert {deal.mql_id for deal in deals} <= {lead.mql_id for lead in leads}
    assert sum(lead.origin is None for lead in leads) == 60
    assert sum(deal.day_only for deal in deals) == 61
    assert sum(deal.monthly_revenue is None for deal in deals) == 797
    assert sum(len(deal.profiles) == 2 for deal in deals) == 16
    first_contact = {lead.mql_id: lead.first_contact for lead in leads}
    assert sum(deal.won_at.astimezone(olist.ZONE).date() < first_contact[deal.mql_id] for deal in deals) == 1
    assert len(olist.roster(leads, deals)) == 41


def _application(**cells: str) -> bpic2012.Application:
    row = {
        "case_id": "173688",
        "amount_req": "20000",
        "submitted_at": "2011-10-01T00:38:44.546+02:00",
        "first_queue_activity": "W_Completeren aanvraag",
        "first_start_at": "2011-10-01T11:36:46.437+02:00",
        "first_start_resource": "",
        "next_resource": "10862",
        "outcome": "APPROVED",
        "last_event_at": "2011-10-13T10:37:37.026+02:00",
    }
    return bpic2012.parse_application(row | cells)


def test_the_hour_that_comes_twice_when_summer_time_ends_is_told_apart() -> None:
    before, after = (_application(submitted_at=f"2011-10-30T02:45:00+{hour}:00") for hour in ("02", "01"))
    assert after.submitted_at - before.submitted_at == timedelta(hours=1)
    arrivals = [Arrival(one.submitted_at, bpic2012.lead_in(one)) for one in (before, after)]
    data = Dataset("d", bpic2012.ZONE, [], [], "", arrivals, visits=[time(0), time(2, 30), time(9)])
    walk = list(steps(data))
    assert [step.at for step in walk if step.arrivals] == [
        datetime(2011, 10, 30, hour, 45, tzinfo=UTC) for hour in (0, 1)
    ]
    midnights = [step.at for step in walk if step.opens_day]
    assert midnights[1] - midnights[0] == timedelta(hours=25)
    nine = [step.at for step in walk if step.at.astimezone(bpic2012.ZONE).hour == 9]
    assert nine == [datetime(2011, 10, 30, 8, tzinfo=UTC)]


def test_hours_of_a_handler_keep_to_the_clock_on_the_wall_over_the_end_of_summer_time() -> None:
    mondays = [datetime(2011, 10, day, 9, 30, tzinfo=bpic2012.ZONE) for day in (17, 24, 31)]
    assert {monday.astimezone(UTC).hour for monday in mondays} == {7, 8}
    assert bpic2012.working_hours(monday.astimezone(UTC) for monday in mondays) == "mon 09:00-10:00"


def test_overtime_and_a_day_of_exception_are_no_working_hours() -> None:
    mondays = [datetime(2011, 10, 3, 9 + n % 8, tzinfo=bpic2012.ZONE) for n in range(48)]
    overtime = [datetime(2011, 10, 3, 22, tzinfo=bpic2012.ZONE), datetime(2011, 10, 3, 5, tzinfo=bpic2012.ZONE)]
    sunday = [datetime(2011, 10, 9, 11, tzinfo=bpic2012.ZONE)]
    assert bpic2012.working_hours(mondays + overtime + sunday) == "mon 09:00-17:00"
    assert bpic2012.working_hours([]) == "never"


def test_an_application_of_the_replay_is_the_lead_that_its_file_imports_as() -> None:
    reader = LeadReader(parse_mapping(bpic2012.MAPPING, "mapping"), datetime(2026, 1, 1, tzinfo=UTC))
    row = {"case_id": "173688", "amount_req": "20000", "submitted_at": "2011-10-30T02:45:45.333+01:00"}
    for queue in ("W_Completeren aanvraag", ""):
        imported = reader.read(row | {"first_queue_activity": queue})
        application = _application(submitted_at=row["submitted_at"], first_queue_activity=queue)
        assert bpic2012.lead_in(application) == imported._replace(priority=1)


def test_what_was_decided_without_anybody_has_no_handler_and_no_outcome_is_made_up() -> None:
    machine = _application(
        first_queue_activity="",
        first_start_at="",
        next_resource="",
        outcome="",
        last_event_at="2011-10-01T00:39:37+02:00",
    )
    assert (machine.queue, machine.first_touch, machine.handlers, machine.ending) == (None, None, (), None)
    assert bpic2012.roster([machine]) == []


@pytest.mark.data
def test_the_real_applications_are_read_whole() -> None:
    real_data()
    data = bpic2012.dataset()
    assert len({arrival.lead.external_id for arrival in data.arrivals}) == len(data.arrivals) == 13_087
    assert sum(arrival.lead.product is None for arrival in data.arrivals) == 3_429
    assert len(data.roster) == 60
    assert all(parse_week(rep["working_hours"]) != parse_week("never") for rep in data.roster)
    switch = datetime(2011, 10, 30, 1, tzinfo=UTC)
    assert data.arrivals[0].at < switch < data.arrivals[-1].at


@pytest.mark.parametrize(
    ("column", "dirt", "field", "clean"),
    [
        ("Specialization", "Select", "industry", None),
        ("Specialization", "E-COMMERCE", "industry", "e-business"),
        ("Specialization", "E-Business", "industry", "e-business"),
        ("Lead Source", "Google", "source", "google"),
        ("Lead Source", "google", "source", "google"),
        ("Lead Source", "", "source", ""),
        ("Lead Source", "testone", "source", "test"),
        ("Lead Source", "welearnblog_Home", "source", "welearn"),
        ("Country", "unknown", "region", "elsewhere"),
    ],
)
def test_the_dirt_of_the_enquiries_is_cleaned(column: str, dirt: str, field: str, clean: str | None) -> None:
    table = spellings(Synonym(**row) for row in x_education.SYNONYMS)
    reader = LeadReader(
        parse_mapping(x_education.MAPPING, "mapping"), datetime(2026, 1, 1, tzinfo=UTC), spellings=table
    )
    row = {"Prospect ID": "p", "Lead Source": "x", "Lead Origin": "API", "Country": "India", "Specialization": "y"}
    lead = reader.read(row | {column: dirt, "Converted": "1"})
    assert getattr(lead, field) == clean
    assert "Converted" not in (lead.attributes or ""), "what is known afterwards must not be there to match on"


@pytest.mark.data
def test_the_real_enquiries_have_their_outcomes() -> None:
    real_data()
    data = x_education.dataset()
    assert len({outcome.external_id for outcome in data.outcomes}) == len(data.outcomes) == 3_561
    assert data.file is not None
    assert len(list(rows(data.file))) == 9_240


def test_a_missing_data_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEAD_ROUTER_DATA", str(tmp_path))
    with pytest.raises(DataMissing, match=r"olist_marketing.*LEAD_ROUTER_DATA"):
        olist.data_folder()
