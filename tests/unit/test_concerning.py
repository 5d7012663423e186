"""Asked about one lead, the doctor leaves out what concerns others, and never what may be its cause."""

from ops.doctor.concerning import Lead, concerning
from ops.doctor.finding import Finding, Severity, Subject, of_tenant
from router.domain.reason import Reason

OTHERS = Finding("groups_empty", Severity.CRITICAL, of_tenant("other"), "")
SERVERS = Finding("connections_short", Severity.WARNING, Subject("server", "PostgreSQL"), "")
OF_GROUP = Finding("x", Severity.WARNING, of_tenant("acme"), "", ({"waits_for": "a rep in group wuhan or a rep in b"},))
OF_TENANT = Finding("reps_without_group", Severity.WARNING, of_tenant("acme"), "", ({"rep_id": "r9"},))
ALL = [OTHERS, SERVERS, OF_TENANT, OF_GROUP]


def lead(*, waits: bool, reason: Reason | None = None, names: tuple[str, ...] = ()) -> Lead:
    return Lead(1, "acme", waits, reason, frozenset(names))


def test_a_waiting_lead_is_shown_all_of_its_tenant_and_of_the_service_and_first_what_names_it() -> None:
    assert concerning(ALL, lead(waits=True, names=("wuhan",))) == [OF_GROUP, SERVERS, OF_TENANT]
    assert concerning(ALL, lead(waits=True)) == [SERVERS, OF_TENANT, OF_GROUP]


def test_a_reason_names_the_findings_about_it() -> None:
    found = Finding("no_rule_matches", Severity.WARNING, of_tenant("acme"), "")
    assert concerning([*ALL, found], lead(waits=True, reason=Reason.NO_MATCHING_RULE))[0] == found


def test_a_lead_that_waits_for_nobody_is_shown_only_what_names_it() -> None:
    assert concerning(ALL, lead(waits=False)) == []
    assert concerning(ALL, lead(waits=False, names=("r9",))) == [OF_TENANT]
    itself = Finding("x", Severity.WARNING, of_tenant("acme"), "", ({"lead": 1},))
    assert concerning([itself], lead(waits=False)) == [itself]
