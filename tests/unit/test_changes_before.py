"""A finding cites what was changed in the hour before it began, of its own tenant and of the service, and no more."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ops.doctor.changes_before import BEFORE, cited, in_words, merged
from ops.doctor.finding import Finding, Severity, Subject, of_tenant
from router.store.change_log import Entry
from router.store.configuration import FIRST_LOOK

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def entry(minutes: float, tenant_id: int = 0, why: str = "") -> Entry:
    return Entry(tenant_id, NOW - timedelta(minutes=minutes), "ann", "configure", "x", "1", "2", why)


def subjects(finding: Finding) -> Sequence[str]:
    return [row["why"] for row in finding.changes or ()]


def test_the_last_three_of_the_hour_before_are_cited_the_last_one_first_and_no_other_tenants() -> None:
    entries = [entry(m, tenant, f"{m} {tenant}") for m in (-1, 5, 10, 20, 30, 61) for tenant in (0, 1, 2)]
    finding = Finding("x", Severity.WARNING, of_tenant("acme"), "", since=NOW)
    assert subjects(cited(finding, entries, {"acme": 1, "other": 2})) == ["5 0", "5 1", "10 0"]
    server = Finding("x", Severity.WARNING, Subject("server", "acme"), "", since=NOW)
    assert subjects(cited(server, entries, {"acme": 1})) == ["5 0", "10 0", "20 0"]


def test_the_first_start_of_the_service_is_not_cited_as_if_somebody_had_changed_something() -> None:
    entries = [entry(1, why=FIRST_LOOK), entry(2, why="seen by this instance")]
    finding = Finding("x", Severity.WARNING, of_tenant("acme"), "", since=NOW)
    assert subjects(cited(finding, entries, {"acme": 1})) == ["seen by this instance"]


def test_a_finding_of_unknown_age_cites_nothing() -> None:
    finding = Finding("x", Severity.WARNING, of_tenant("acme"), "")
    assert cited(finding, [entry(1)], {"acme": 1}).changes is None


@given(st.lists(st.integers(0, 600), max_size=20))
def test_every_hour_is_in_exactly_one_span(minutes: list[int]) -> None:
    moments = [NOW - timedelta(minutes=m) for m in minutes]
    spans = merged([*moments, None])
    for moment in moments:
        assert sum(begin <= moment - BEFORE and moment <= end for begin, end in spans) == 1
    assert all(earlier[1] < later[0] for earlier, later in pairwise(spans))


def test_a_change_reads_in_one_line() -> None:
    words = in_words(
        {
            "at": "2026-03-04T14:02:11+00:00",
            "by": "host-1",
            "action": "configure",
            "subject": "connections",
            "before": "100",
            "after": "30",
            "why": "read again",
        }
    )
    assert words == "2026-03-04 14:02:11 UTC by host-1: configure: connections, 100 → 30 (read again)"
