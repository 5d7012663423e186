"""What is counted is what is shown and what the manual lists; strangers cannot make it grow without end."""

import re
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from router.domain.reason import Reason
from router.drain.outcome import Drained
from router.telemetry.exposition import Exposition, open_exposition
from router.telemetry.instruments import (
    BatchResult,
    DeliveryResult,
    Instruments,
    Phase,
    ReloadResult,
    SyncResult,
)
from router.telemetry.notify_instruments import NotifyResult

PAGE = Path(__file__).parents[2] / "docs/metrics.md"


def use_everything(instruments: Instruments) -> None:
    instruments.batch_done(
        "acme",
        BatchResult.OK,
        0.2,
        Drained(
            phases_s={Phase.CLAIM: 0.01, Phase.DECIDE: 0.02, Phase.WRITE: 0.1},
            assigned=7,
            refused=Counter({Reason.NOBODY_AVAILABLE: 2}),
            parked=Counter({Reason.LEAD_INVALID: 1}),
            waits_s=(0.02, 90.0),
        ),
    )
    instruments.batch_done("acme", BatchResult.LOCKED, 0.001)
    instruments.roster_synced("acme", SyncResult.REFUSED, 2)
    instruments.presence_unknown()
    instruments.redis_fallback("presence", in_use=True)
    instruments.connections_opened(8, ["drain"])
    with instruments.connection_wait("drain"):
        pass
    with instruments.connection_use("drain"):
        pass
    instruments.connection_timed_out("drain")
    instruments.blockers_seen(["lane"], {"lane": 1})
    instruments.session_ended("own", "terminate")
    instruments.stalls_open("waiting", 1, 7)
    instruments.upkeep.maintenance_seen(1, 0, 5_000, 3)
    instruments.webhook_deliveries(DeliveryResult.DELIVERED, 5)
    instruments.events_behind("acme", 2.5, 1)
    instruments.cleanup_removed("closed", 5)
    instruments.cleanup_ended("done")
    instruments.notify.attempt("wecom", NotifyResult.SENT)
    instruments.notify.queue("oncall", 3, failing=True)
    instruments.journal.holds(3, 1, 4096)
    instruments.journal.taken(4)
    instruments.journal.drained(1)
    instruments.journal.refused("full", 2)
    instruments.connections_open(1, 8)
    instruments.connections_of_all(16, 97)
    instruments.settings_reloaded(ReloadResult.CHANGED)
    instruments.clock_ahead(0.5)
    instruments.upkeep.held("transaction", 12.5, 700)
    instruments.upkeep.slot_wal(1 << 20)
    instruments.upkeep.table("lane", live=1, dead=2, table_bytes=8192, index_bytes=16384)
    instruments.intake.begins()
    instruments.intake.committed(3, 0.01)
    instruments.service_restarted("drain")
    instruments.services_started(["drain"])
    instruments.service_died("drain")


def samples(exposition: Exposition) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(exposition.text().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_the_manual_lists_exactly_what_is_shown_with_type_and_labels() -> None:
    listed = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in re.findall(r"^\| `(lead_router_\w+)` \| (\w+) \|([^|]*)\|", PAGE.read_text(), re.M)
    }
    with open_exposition("a", "1") as exposition:
        use_everything(exposition.instruments)
        shown = {}
        for family in text_string_to_metric_families(exposition.text().decode()):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            name = f"{family.name}_total" if family.type == "counter" else family.name
            shown[name] = (family.type, labels)
    assert {name: entry for name, entry in shown.items() if name.startswith("lead_router_")} == listed


def test_the_manual_names_every_result_phase_and_outcome() -> None:
    page = PAGE.read_text()
    for word in (*BatchResult, *Phase, *SyncResult, *ReloadResult, *DeliveryResult, *NotifyResult):
        assert f"`{word}`" in page


def test_a_batch_is_counted_lead_by_lead() -> None:
    with open_exposition("a", "1") as exposition:
        use_everything(exposition.instruments)
        shown = samples(exposition)
    tenant = ("tenant", "acme")
    assert shown["lead_router_leads_assigned_total", frozenset({tenant})] == 7
    refused = frozenset({tenant, ("reason", "nobody_available")})
    assert shown["lead_router_leads_refused_total", refused] == 2
    assert shown["lead_router_leads_parked_total", frozenset({tenant, ("reason", "lead_invalid")})] == 1
    assert shown["lead_router_leads_parked_total", frozenset({tenant, ("reason", "internal_error")})] == 0
    assert shown["lead_router_batches_total", frozenset({tenant, ("result", "locked")})] == 1
    assert shown["lead_router_batch_size_sum", frozenset()] == 10
    latest = frozenset({("statistic", "max"), ("le", "600.0")})
    assert shown["lead_router_assignment_latency_seconds_bucket", latest] == 1


def test_the_number_of_series_is_bounded_whatever_the_number_of_tenants() -> None:
    with open_exposition("a", "1", tenants_most=3) as exposition:
        counts = Drained(assigned=1, refused=Counter(Reason))
        for number in range(500):
            exposition.instruments.batch_done(f"tenant-{number}", BatchResult.OK, 0.1, counts)
        shown = samples(exposition)
    by_tenant = {dict(labels)["tenant"]: n for (name, labels), n in shown.items() if name.endswith("assigned_total")}
    assert by_tenant == {"tenant-0": 1, "tenant-1": 1, "tenant-2": 1, "(other)": 497}


def test_the_most_tenants_that_can_be_set_still_have_series_of_their_own() -> None:
    with open_exposition("a", "1") as exposition:
        for number in range(200):
            exposition.instruments.batch_done(f"tenant-{number}", BatchResult.EMPTY, 0.1)
        assert "otel_metric_overflow" not in exposition.text().decode()


def test_two_expositions_in_one_process_share_nothing() -> None:
    with open_exposition("a", "1") as one, open_exposition("b", "1") as other:
        use_everything(one.instruments)
        assert b"lead_router_batches_total" in one.text()
        assert b"lead_router_batches_total" not in other.text()


def test_silent_instruments_take_everything() -> None:
    use_everything(Instruments.silent())
