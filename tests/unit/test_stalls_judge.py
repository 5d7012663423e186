"""Which stalls a look shows: what is planned is none, and each topic has one at most."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.stalls.judge import judge
from ops.stalls.limits import Limits
from ops.stalls.stall import TOPICS, Kind, Stall, Topic
from ops.stalls.tenant_look import Arrival, Fate, TenantLook
from ops.stalls.watched import Watched
from ops.waiting.waiting import READY, Waiting, WaitingLeads
from router.domain.worded import parts_of
from router.store.sentence_parts import read_sentence, written_parts
from tests.findings import in_chinese

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LIMITS = Limits()
REASONS = [READY, "nobody_available", "group_empty", "no_matching_rule", "database_busy", "all_at_open_cap"]


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def part(reason: str, stuck: int, seconds: float, planned: int = 0) -> WaitingLeads:
    at = ago(seconds)
    return WaitingLeads(reason, stuck + planned, at, None, (), stuck, at if stuck else None)


def look(*parts: WaitingLeads, **more: object) -> TenantLook:
    return TenantLook(NOW, Waiting(1, NOW, parts), **more)  # type: ignore[arg-type]


def kinds(seen: TenantLook, begun: dict[Topic, datetime] | None = None) -> set[Kind]:
    return {stall.kind for stall in judge(seen, LIMITS, begun or {}, frozenset())}


SECONDS = st.integers(0, 7200)
PARTS = st.lists(st.builds(part, st.sampled_from(REASONS), st.integers(0, 50), SECONDS, st.integers(1, 50)), max_size=5)
ARRIVALS = st.lists(
    st.builds(Arrival, SECONDS.map(ago), st.sampled_from(Fate), st.sampled_from(REASONS[1:])), max_size=100
).map(tuple)


@given(PARTS, ARRIVALS, st.booleans())
def test_each_topic_has_one_stall_at_most_and_a_pause_has_none(
    parts: list[WaitingLeads], arrivals: tuple[Arrival, ...], paused: bool
) -> None:
    found = judge(look(*parts, arrivals=arrivals, paused=paused), LIMITS, {}, frozenset())
    topics = [TOPICS[stall.kind] for stall in found]
    assert len(topics) == len(set(topics))
    assert not (paused and found)


@given(
    PARTS,
    ARRIVALS,
    st.dictionaries(st.sampled_from(REASONS), st.integers(1, 90), max_size=3),
    st.none() | SECONDS.map(ago),
    st.none() | SECONDS.map(ago),
)
def test_a_chinese_page_says_each_stall_in_chinese_also_after_it_was_stored(
    parts: list[WaitingLeads],
    arrivals: tuple[Arrival, ...],
    parked: dict[str, int],
    assigned: datetime | None,
    batch: datetime | None,
) -> None:
    seen = look(
        *parts, arrivals=arrivals, parked=parked, parked_since=ago(3600), assigned_at=assigned, last_batch_at=batch
    )
    for stall in judge(seen, LIMITS, {Topic.WAITING: ago(40)}, frozenset()):
        stored = read_sentence(str(stall.sentence), written_parts(stall.sentence))
        assert parts_of(stored) is not None and stored == stall.sentence
        said = in_chinese(Finding("stalled", Severity.WARNING, of_tenant("acme"), stored).document())
        assert not re.search(r"[a-z]", said), said
        assert sorted(re.findall(r"\d+", said)) == sorted(re.findall(r"\d+", stored))


@given(PARTS)
def test_leads_that_wait_as_planned_are_never_a_stall(parts: list[WaitingLeads]) -> None:
    planned = [part(one.reason, 0, 7200, one.leads) for one in parts]
    assert kinds(look(*planned, assigned_at=ago(7200), last_batch_at=ago(7200))) == set()


def test_a_long_backlog_that_is_worked_off_is_no_stall() -> None:
    at_work = look(part(READY, 900_000, 60), last_batch_at=NOW, assigned_at=NOW)
    assert kinds(at_work, {Topic.WAITING: ago(60)}) == set()


def test_batches_that_assign_nothing_although_leads_are_ready_are_a_stall() -> None:
    seen = look(part(READY, 5, 60), last_batch_at=NOW, assigned_at=ago(60))
    assert kinds(seen, {Topic.WAITING: ago(40)}) == {Kind.NOTHING_ASSIGNED}


def test_two_odd_leads_in_a_quiet_hour_are_left_to_their_age() -> None:
    odd = tuple(Arrival(ago(n), Fate.STUCK, "no_matching_rule") for n in (60, 90))
    seen = look(part("no_matching_rule", 2, 90), assigned_at=ago(600), arrivals=odd)
    assert kinds(seen, {Topic.WAITING: ago(60)}) == set()


def test_the_age_of_a_lead_does_not_count_what_was_night() -> None:
    morning = look(part("nobody_available", 1, 5 * 3600), stuck_from={"nobody_available": ago(60)})
    assert kinds(morning) == set()
    later = look(part("nobody_available", 1, 5 * 3600), stuck_from={"nobody_available": ago(901)})
    assert kinds(later) == {Kind.OLDEST_WAITS}


def test_a_place_that_is_filled_at_once_is_no_old_lead() -> None:
    at_caps = look(part(READY, 1, 7200, 50), last_batch_at=ago(1), assigned_at=ago(1))
    assert kinds(at_caps, {Topic.OLDEST: ago(20), Topic.WAITING: ago(20)}) == set()


def test_what_is_stuck_when_the_watch_begins_has_been_so_since_ever() -> None:
    watched = Watched()
    assert watched.stuck_from(1, ["group_empty"], NOW)["group_empty"] < ago(10**9)
    later = watched.stuck_from(1, ["group_empty", "nobody_available"], NOW + timedelta(seconds=10))
    assert later["nobody_available"] == NOW + timedelta(seconds=10)


def sighting(kind: Kind = Kind.NOTHING_ASSIGNED) -> Stall:
    return Stall(kind, "")


def test_only_what_lasts_is_a_stall() -> None:
    watched, after = Watched(), timedelta(seconds=30)
    assert watched.lasting(1, [sighting()], NOW, after, {}) == []
    assert watched.lasting(1, [sighting(Kind.SHARE_FELL)], NOW + timedelta(seconds=29), after, {}) == []
    ((_, began),) = watched.lasting(1, [sighting()], NOW + timedelta(seconds=30), after, {})
    assert began == NOW


def test_what_was_over_for_a_look_begins_anew() -> None:
    watched, after = Watched(), timedelta(seconds=30)
    watched.lasting(1, [sighting()], NOW, after, {})
    watched.lasting(1, [], NOW + timedelta(seconds=10), after, {})
    assert watched.lasting(1, [sighting()], NOW + timedelta(seconds=35), after, {}) == []


def test_an_instance_that_has_just_started_goes_on_with_what_is_open() -> None:
    opened = {(Topic.WAITING, ""): ago(600)}
    assert Watched().lasting(1, [sighting()], NOW, timedelta(seconds=30), opened) == [(sighting(), ago(600))]
