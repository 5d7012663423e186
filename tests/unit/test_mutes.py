"""A mute holds up to what it was made for, and never hides that it became worse."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ops.doctor.finding import Finding, Severity, Subject, of_tenant
from ops.doctor.look import COULD_NOT_CHECK, Checked
from ops.doctor.mute_watch import hidden, only_tenant
from ops.doctor.mutes import endings, mutings, with_mutes
from router.store.mutes import Mute, Muting
from router.store.tenants import Tenant

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
TENANTS = [Tenant(7, "acme", "UTC")]


def finding(severity: Severity = Severity.WARNING, held_back: int = 0, code: str = "groups_empty") -> Finding:
    return Finding(code, severity, of_tenant("acme"), "", held_back=held_back)


def muted(*findings: Finding, until: datetime = NOW + timedelta(hours=1)) -> list[Mute]:
    return [Mute(of, until, "ann", "known", NOW) for of in mutings(findings, TENANTS)]


@given(st.sampled_from(Severity), st.integers(0, 9), st.sampled_from(Severity), st.integers(0, 9), st.integers(-2, 2))
def test_it_holds_exactly_while_it_is_in_time_and_no_worse(
    before: Severity, held_before: int, now: Severity, held_now: int, left_s: int
) -> None:
    mutes = muted(finding(before, held_before), until=NOW + timedelta(seconds=left_s))
    present = finding(now, held_now)
    order = list(Severity)
    holds = left_s > 0 and order.index(now) >= order.index(before) and held_now <= held_before
    [shown] = with_mutes([present], mutes, NOW)
    assert (shown.muted is not None) == holds
    over = endings([Checked("groups_empty", [present])], mutes, NOW, whole=True)
    assert bool(over) == (not holds), "what is not muted any more is recorded as ended, and nothing else"


def test_several_findings_that_look_the_same_from_outside_are_one_and_one_more_of_them_is_worse() -> None:
    mutes = muted(finding(held_back=2), finding(Severity.CRITICAL, 1))
    assert [(one.of.severity, one.of.held_back, one.of.findings) for one in mutes] == [("critical", 3, 2)]
    assert all(one.muted is None for one in with_mutes([finding(held_back=4)], mutes, NOW))
    assert all(one.muted for one in with_mutes([finding()] * 2, mutes, NOW))
    assert all(one.muted is None for one in with_mutes([finding()] * 3, mutes, NOW))
    [over] = endings([Checked("groups_empty", [finding()] * 3)], mutes, NOW, whole=True)
    assert over.why == "it got worse: 3 findings, 2 before"


@given(st.sampled_from(["application", "index", "table", "transaction", "prepared", "slot", "server", "anything new"]))
def test_what_is_of_the_server_is_not_counted_to_the_only_tenant_that_was_looked_at(kind: str) -> None:
    of_server = Finding("vacuum_held_back", Severity.WARNING, Subject(kind, "x"), "")
    assert [one.of.tenant_id for one in muted(of_server)] == [0]
    assert [one.of.tenant_id for one in muted(Finding("x", Severity.WARNING, Subject("rep", "a"), ""))] == [7]


def test_what_could_not_be_checked_or_was_not_has_not_cleared() -> None:
    mutes = muted(finding())
    assert endings([Checked("groups_empty", failure="it took longer than 2 s")], mutes, NOW, whole=True) == []
    assert endings([Checked("no_rule_matches")], mutes, NOW, whole=True) == []
    assert endings([Checked("groups_empty", not_applicable="only `doctor` reads it")], mutes, NOW, whole=True) == []


def test_a_look_at_one_tenant_clears_nothing_of_the_others() -> None:
    check = Finding(COULD_NOT_CHECK, Severity.WARNING, Subject("check", "groups_empty"), "")
    mutes = muted(check)
    assert mutes[0].of == Muting(0, COULD_NOT_CHECK, "check", "groups_empty", "warning", 0)
    assert endings([Checked("groups_empty")], mutes, NOW, whole=False) == []
    assert len(endings([Checked("groups_empty")], mutes, NOW, whole=True)) == 1


def test_readiness_hides_only_what_the_muted_finding_itself_is_about() -> None:
    def hides(code: str, kind: str, name: str) -> frozenset[str]:
        return hidden(muted(Finding(code, Severity.WARNING, Subject(kind, name), "")))

    assert hides("connections_short", "server", "PostgreSQL") == {"connections"}
    assert hides("connections_short", "setting", "connections.maximum") == frozenset(), "the server may be short, too"
    assert hides("service_failing", "service", "drain") == frozenset(), "another service may fail, too"
    assert hides("stalled", "tenant", "acme") == frozenset()


def test_the_service_looks_at_one_tenant_alone_only_if_all_mutes_are_about_it() -> None:
    of_acme, of_server = finding(), Finding("x", Severity.WARNING, Subject("server", "PostgreSQL"), "")
    of_other = Finding("x", Severity.WARNING, of_tenant("other"), "")
    assert only_tenant(muted(of_acme, finding(code="no_rule_matches"))) == "acme"
    assert [only_tenant(muted(of_acme, one)) for one in (of_server, of_other)] == [None, None]
    assert only_tenant(muted(of_server)) is None


def test_what_nobody_muted_comes_first() -> None:
    shown = with_mutes([finding(held_back=5), finding(code="no_rule_matches")], muted(finding(held_back=5)), NOW)
    assert [one.code for one in shown] == ["no_rule_matches", "groups_empty"]
